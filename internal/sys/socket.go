package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// SendDescriptor sends one byte and the descriptor fd with it through a
// connected Unix socket, see SCM_RIGHTS in unix(7). It does not wait for room.
func SendDescriptor(socket, fd int) error {
	err := retry(func() error {
		return unix.Sendmsg(socket, []byte{0}, unix.UnixRights(fd), nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	})
	return os.NewSyscallError("sendmsg", err)
}

// For the other end, which another process calls.
const (
	AFUnix         = unix.AF_UNIX
	SockDatagram   = unix.SOCK_DGRAM | unix.SOCK_CLOEXEC
	MsgDontWait    = unix.MSG_DONTWAIT
	MsgNoSignal    = unix.MSG_NOSIGNAL
	MsgCmsgCloexec = unix.MSG_CMSG_CLOEXEC
	CmsgRightsSize = 24 // of the control message with one descriptor, which stands at its byte 16
	CmsgRightsFD   = 16
)
