package kind

import (
	"fmt"
	"os"
	"syscall"

	"ckpt/internal/sys"
)

// The kernel notes who makes or connects a unix socket, for SO_PEERCRED, and who
// sends a message. Where the processes of the image keep their ids, what they
// did is done again in their name, by a process that has the id until they have
// it themselves.

// as is in whose name to do what was done by cred; nil is this process.
func (net *unixNet) as(cred *sys.UnixCred) *sys.As {
	if cred == nil || net.r.PIDs == nil {
		return nil
	}
	as := &sys.As{PID: int(cred.PID), UID: cred.UID, GID: cred.GID}
	if pid, ok := net.r.NewPID(as.PID); ok {
		as.PID = pid
	} else if syscall.Kill(as.PID, 0) != syscall.ESRCH {
		return nil // of somebody outside, whose id is in use
	}
	if os.Geteuid() != 0 {
		as.UID, as.GID = uint32(os.Geteuid()), uint32(os.Getegid())
	}
	return as
}

// waiter is who waits at a listening socket: it is noted in the other end, which
// nobody can look at before it is accepted. It counts as the first who has this
// one.
func (net *unixNet) waiter(n *unixNode) *sys.As {
	home := net.r.Home(n.f)
	return net.as(&sys.UnixCred{PID: int32(home.PID), UID: uint32(home.Credentials.UID[1]), GID: uint32(home.Credentials.GID[1])})
}

// compareCred says when the socket tells of another user at its other end than
// before, which some programs decide by. (The process number it tells is that
// of the restored program.)
func (net *unixNet) compareCred(n *unixNode) error {
	was := n.det.PeerCred
	if was == nil {
		return nil
	}
	is, err := sys.PeerCred(int(n.file.Fd()))
	if err != nil {
		return err
	}
	if is.UID != was.UID || is.GID != was.GID {
		net.r.Warn(net.r.object(n.f), fmt.Sprintf("its other end was made by user %d and group %d, and looks made by %d and %d now", was.UID, was.GID, is.UID, is.GID))
	}
	return nil
}
