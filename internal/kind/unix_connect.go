package kind

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"ckpt/internal/sys"
)

// connect is the second step of unixNet.
func (net *unixNet) connect() error {
	if len(net.nodes) == 0 || slices.ContainsFunc(net.nodes, func(n *unixNode) bool { return n.file == nil }) {
		return nil // make failed
	}
	for _, step := range []func() error{net.fill, net.connectDatagrams, net.closeExtras, net.settle} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// connectDatagrams connects datagram sockets to others. One that is connected
// itself takes no connection but its peer's (EPERM), so the order matters: it is
// found by trying.
func (net *unixNet) connectDatagrams() error {
	var open []*unixNode
	for _, n := range net.nodes {
		if n.datagrams() && (n.det.State == unixConnected || n.det.State == unixClosed) && !net.paired(n) {
			open = append(open, n)
		}
	}
	for len(open) > 0 {
		var left []*unixNode
		var failed error
		for _, n := range open {
			if err := net.connectDatagram(n); err != nil {
				left, failed = append(left, n), net.explain(n, err)
			}
		}
		if len(left) == len(open) {
			return failed
		}
		open = left
	}
	return nil
}

// paired reports whether n was made by socketpair.
func (net *unixNet) paired(n *unixNode) bool {
	p := net.peer(n)
	return n.other != nil || p != nil && (!n.datagrams() || p.det.Name == nil || n.det.Name == nil)
}

func (net *unixNet) connectDatagram(n *unixNode) error {
	if n.det.State == unixConnected {
		return (*sys.As)(nil).ConnectUnix(int(n.file.Fd()), net.byIno[n.det.Peer].addr)
	}
	// Its peer is gone: any that is gone will do.
	other, err := sys.NewUnixSocket(n.det.Type)
	if err != nil {
		return err
	}
	defer other.Close()
	if err := sys.BindUnix(int(other.Fd()), nil); err != nil {
		return err
	}
	name, err := sys.UnixName(int(other.Fd()))
	if err != nil {
		return err
	}
	return (*sys.As)(nil).ConnectUnix(int(n.file.Fd()), name)
}

// closeExtras closes the ends that are nobody's. One that is closed with
// something unread resets the connection.
func (net *unixNet) closeExtras() error {
	for _, n := range net.nodes {
		if n.det.Reset && n.other != nil {
			if _, err := (*sys.As)(nil).SendUnix(int(n.file.Fd()), sys.UnixMessage{Data: []byte{0}}, nil); err != nil {
				return net.explain(n, err)
			}
		}
	}
	for _, f := range net.extras {
		if err := f.Close(); err != nil {
			return err
		}
	}
	net.extras = nil
	return nil
}

// settle shuts down and sets options.
func (net *unixNet) settle() error {
	for _, n := range net.nodes {
		fd := int(n.file.Fd())
		if n.det.State == unixListening {
			if err := net.as(n.det.PeerCred).Listen(fd, n.det.Backlog); err != nil {
				return net.explain(n, err)
			}
		}
		if n.det.Shutdown != 0 {
			if err := sys.ShutdownUnix(fd, n.det.Shutdown); err != nil && !errors.Is(err, syscall.ENOTCONN) {
				return net.explain(n, err)
			}
		}
	}
	for _, n := range net.nodes {
		failed, err := sys.SetSocketOptions(int(n.file.Fd()), n.det.Options)
		if err != nil {
			return net.explain(n, err)
		}
		if len(failed) > 0 {
			net.r.Warn(net.r.object(n.f), fmt.Sprintf("some options stay what this user may have: %s", strings.Join(failed, ", ")))
		}
		if err := net.compareCred(n); err != nil {
			return net.explain(n, err)
		}
	}
	return nil
}
