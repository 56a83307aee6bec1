package kind

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// fill puts back what waited in the sockets.
func (net *unixNet) fill() error {
	for _, n := range net.nodes {
		if n.det.Queue == nil {
			continue
		}
		if err := net.fillOne(n, n.det.Queue); err != nil {
			return net.explain(n, fmt.Errorf("put back what waits in it: %w", err))
		}
	}
	return nil
}

func (net *unixNet) fillOne(n *unixNode, q *unixQueue) error {
	data := net.r.Payload(q.Data)
	pos := int64(0)
	for _, u := range q.Messages {
		if u.Len < 0 || u.Len > maxUnixQueue || int64(u.Len) > q.Data.Size-pos || u.Len == 0 && !n.messages() {
			return fmt.Errorf("%w: message of %d bytes at %d of %d", image.ErrCorrupt, u.Len, pos, q.Data.Size)
		}
		m := sys.UnixMessage{Data: make([]byte, u.Len), Cred: u.Cred}
		if got, err := data.ReadAt(m.Data, pos); got < u.Len {
			return err
		}
		pos += int64(u.Len)
		for _, id := range u.Files {
			file := net.r.made[id]
			if file == nil {
				return fmt.Errorf("%w: file %d was in flight and is not there", image.ErrCorrupt, id)
			}
			m.Files = append(m.Files, file)
		}
		sender, to, err := net.sender(n, u.From)
		if err != nil {
			return err
		}
		if err := net.send(n, sender, m, to); err != nil {
			return err
		}
	}
	return nil
}

func (n *unixNode) messages() bool { return n.det.Type != sys.SockStream }

// sender is who sends a message to n again, and where to; nil is its peer.
func (net *unixNet) sender(n *unixNode, from []byte) (*os.File, []byte, error) {
	switch p := net.peer(n); {
	case n.other != nil:
		return n.other, nil, nil
	case p != nil && (!n.datagrams() || net.paired(n) && bytes.Equal(p.det.Name, from)):
		return p.file, nil, nil
	case !n.datagrams() || n.addr == nil:
		return nil, nil, fmt.Errorf("%w: nobody can send to it", image.ErrCorrupt)
	}
	for _, o := range net.nodes {
		if from != nil && o.datagrams() && bytes.Equal(o.det.Name, from) {
			return o.file, n.addr, nil
		}
	}
	file, err := Object(net.r, fmt.Sprintf("unix sender %q", from), func() (*os.File, error) {
		file, err := sys.NewUnixSocket(n.det.Type)
		if err != nil {
			return nil, err
		}
		net.extras = append(net.extras, file)
		if from == nil {
			return file, nil
		}
		// Its name is told with the message even when it is closed. A relative one
		// is made in a directory of its own.
		if path := unixPath(from); filepath.IsAbs(path) && taken(path) || net.bindSender(file, from, net.r.object(n.f)) != nil {
			net.r.Warn(net.r.object(n.f), "what waits in it came from "+printable(from)+", and looks as if from nobody now")
		}
		return file, nil
	})
	return file, n.addr, err
}

func (net *unixNet) bindSender(file *os.File, name []byte, object string) error {
	_, err := net.names.bind(file, name, nil, "/", object)
	return err
}

func taken(path string) bool {
	_, err := sys.LstatPath(path)
	return err == nil
}

// send sends m whole. Credentials come with it if they were seen with it; those
// of others than the program itself only root can send.
func (net *unixNet) send(n *unixNode, from *os.File, m sys.UnixMessage, to []byte) error {
	as := net.as(m.Cred)
	if m.Cred != nil {
		on := n.det.Options.Flags["passcred"]
		if err := sys.SetPassCred(int(n.file.Fd()), 1); err != nil {
			return err
		}
		defer func() { _ = sys.SetPassCred(int(n.file.Fd()), on) }()
		cred := *m.Cred
		if pid, ok := net.r.NewPID(int(cred.PID)); ok {
			cred.PID = int32(pid)
		}
		m.Cred = &cred
	}
	sys.MaxSendBuffer(int(from.Fd()))
	for {
		sent, err := as.SendUnix(int(from.Fd()), m, to)
		if m.Cred != nil && (errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ESRCH)) {
			net.r.Warn(net.r.object(n.f), fmt.Sprintf("what waits in it was sent by process %d of user %d, and looks as if sent by this one now", m.Cred.PID, m.Cred.UID))
			m.Cred = nil
			continue
		}
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOBUFS) {
			return fmt.Errorf("there is no room for it, this user may not have send buffers large enough (net.core.wmem_max): %w", err)
		}
		if err != nil {
			return err
		}
		if sent >= len(m.Data) {
			return nil
		}
		m.Data, m.Files = m.Data[sent:], nil
	}
}
