package kind

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// unixNet are all unix sockets of an image while they are made again. That goes
// in two steps. make makes the sockets with their names and connections:
//
//	listening       socket, bind, listen
//	accepted        a client connects to the one that listens, which accepts: only
//	                that gives the connection the name of the listening socket
//	connected       socketpair, bind where it has a name of its own
//	closed          the same, with an end that is nobody's
//	waiting         a client connects; accepting is left to the program
//	datagrams       socket, bind
//
// connect, when all open files are there, fills the queues, whose messages may
// have descriptors in them, and then does what would be in the way of that:
// connects datagram sockets, closes ends, shuts down, sets options.
type unixNet struct {
	r      *RestoreContext
	nodes  []*unixNode // in the order of the image
	byIno  map[uint32]*unixNode
	names  unixNames
	extras []*os.File // to be closed when connected
	failed error      // what make returned, until it is reported
}

// unixNode is one socket.
type unixNode struct {
	f    *image.OpenFile
	det  *unixDetail
	file *os.File
	addr []byte // where others can connect to it; nil if it has no name of its own

	// other is the peer's end when it is nobody's.
	other *os.File
}

func (unixSocket) Remake(r *RestoreContext, f *image.OpenFile) error {
	if _, err := detail[unixDetail](f); err != nil {
		return err
	}
	net, err := Object(r, "unix", func() (*unixNet, error) { return newUnixNet(r), nil })
	if err != nil {
		return err
	}
	if err := net.failed; err != nil {
		net.failed = nil
		return fmt.Errorf("unix sockets: %w", err)
	}
	for _, n := range net.nodes {
		if n.f == f && n.file != nil {
			r.Made(f, n.file)
		}
	}
	return nil
}

func newUnixNet(r *RestoreContext) *unixNet {
	net := &unixNet{r: r, byIno: map[uint32]*unixNode{}}
	net.names.r = r
	r.HoldToUndo(&net.names)
	r.AtEnd(net.names.commit)
	r.WhenMade(net.connect)
	if net.failed = net.read(); net.failed == nil {
		net.failed = net.make()
	}
	return net
}

// read takes the sockets from the image and checks that they fit together.
func (net *unixNet) read() error {
	for i := range net.r.Manifest.Files {
		f := &net.r.Manifest.Files[i]
		if f.Kind != (unixSocket{}).Name() {
			continue
		}
		det, err := detail[unixDetail](f)
		if err != nil {
			return err
		}
		n := &unixNode{f: f, det: &det}
		if net.byIno[det.Ino] != nil {
			return fmt.Errorf("%s: %w: socket %d is there twice", net.r.object(f), image.ErrCorrupt, det.Ino)
		}
		net.nodes = append(net.nodes, n)
		net.byIno[det.Ino] = n
	}
	for _, n := range net.nodes {
		if err := net.check(n); err != nil {
			return fmt.Errorf("%s: %w: %w", net.r.object(n.f), image.ErrCorrupt, err)
		}
	}
	return nil
}

func (net *unixNet) check(n *unixNode) error {
	det := n.det
	if det.Type != sys.SockStream && det.Type != sys.SockDgram && det.Type != sys.SockSeqpacket {
		return fmt.Errorf("a socket of type %d", det.Type)
	}
	if det.Shutdown&^(sys.UnixShutRead|sys.UnixShutWrite) != 0 {
		return fmt.Errorf("shut down %#x", det.Shutdown)
	}
	switch det.State {
	case unixAlone, unixClosed:
	case unixListening:
		for _, ino := range det.Pending {
			if c := net.byIno[ino]; c == nil || c.det.State != unixPending || c.det.Peer != det.Ino {
				return fmt.Errorf("socket %d does not wait for it", ino)
			}
		}
	case unixPending:
		if s := net.byIno[det.Peer]; s == nil || s.det.State != unixListening {
			return fmt.Errorf("socket %d does not listen", det.Peer)
		}
	case unixConnected:
		p := net.byIno[det.Peer]
		if p == nil || p == n && !n.datagrams() || p.datagrams() != n.datagrams() {
			return fmt.Errorf("it is not connected to socket %d", det.Peer)
		}
		if !n.datagrams() && (p.det.State != unixConnected || p.det.Peer != det.Ino) {
			return fmt.Errorf("socket %d is not connected to it", det.Peer)
		}
	default:
		return fmt.Errorf("state %q", det.State)
	}
	return nil
}

func (n *unixNode) datagrams() bool { return n.det.Type == sys.SockDgram }

// peer is the other end of a connection that both ends are part of.
func (net *unixNet) peer(n *unixNode) *unixNode {
	if n.det.State != unixConnected {
		return nil
	}
	p := net.byIno[n.det.Peer]
	if p == n || p.det.State != unixConnected || p.det.Peer != n.det.Ino {
		return nil
	}
	return p
}

// inherits reports whether n has its name from a listening socket: from one of
// the image, or one that is gone if there are several with that name.
func (net *unixNet) inherits(n *unixNode) bool {
	if n.det.Name == nil || n.datagrams() || n.det.State != unixConnected && n.det.State != unixClosed {
		return false
	}
	for _, o := range net.nodes {
		if o != n && !o.datagrams() && o.det.State != unixAlone && o.det.State != unixPending && bytes.Equal(o.det.Name, n.det.Name) {
			return true
		}
	}
	return false
}

// make makes all sockets. Those whose file is gone come first: what has it now
// may have the same name.
func (net *unixNet) make() error {
	for _, step := range []func(n *unixNode) error{net.makeGone, net.makeListening, net.makeConnection, net.makeAlone} {
		for _, n := range net.nodes {
			if n.file != nil {
				continue
			}
			if err := step(n); err != nil {
				return net.explain(n, err)
			}
		}
	}
	for _, n := range net.nodes {
		for _, ino := range n.det.Pending {
			c := net.byIno[ino]
			if err := net.waiter(c).ConnectUnix(int(c.file.Fd()), n.addr); err != nil {
				return net.explain(c, err)
			}
		}
	}
	return net.names.publish()
}

func (net *unixNet) explain(n *unixNode, err error) error {
	if _, ok := err.(*UnsupportedError); ok {
		return err
	}
	return fmt.Errorf("%s: %w", net.r.object(n.f), err)
}

// makeGone makes those without a connection whose name is a path that leads to
// them no more.
func (net *unixNet) makeGone(n *unixNode) error {
	if unixPath(n.det.Name) == "" || n.det.File != nil {
		return nil
	}
	if n.det.State == unixListening {
		return net.makeListening(n)
	}
	return net.makeAlone(n)
}

func (net *unixNet) makeListening(n *unixNode) error {
	if n.det.State != unixListening {
		return nil
	}
	if err := net.makeSocket(n); err != nil {
		return err
	}
	return net.as(n.det.PeerCred).Listen(int(n.file.Fd()), manyWait) // the right number when all have connected
}

// manyWait is more than may wait (net.core.somaxconn).
const manyWait = 1 << 16

// makeSocket makes a socket without a connection, with its name.
func (net *unixNet) makeSocket(n *unixNode) (err error) {
	if n.file, err = sys.NewUnixSocket(n.det.Type); err != nil {
		return err
	}
	return net.bind(n)
}

// bind gives a socket its own name, if it has one.
func (net *unixNet) bind(n *unixNode) (err error) {
	if n.det.Name != nil {
		n.addr, err = net.names.bind(n.file, n.det.Name, n.det.File, net.r.Home(n.f).Cwd, net.r.object(n.f))
	}
	return errors.Join(err, sys.SetMode(int(n.file.Fd()), n.det.Mode))
}

// makeAlone makes what is not connected now: datagram sockets are when their
// queues are full, unless they are a pair that has no names to connect by.
func (net *unixNet) makeAlone(n *unixNode) error {
	connection := n.det.State == unixConnected || n.det.State == unixClosed
	if !n.datagrams() && connection {
		return nil
	}
	if p := net.peer(n); p != nil && (p.det.Name == nil || n.det.Name == nil) {
		return net.makePair(n, p)
	}
	if n.det.State == unixClosed && n.det.Name == nil {
		return net.makeWidow(n)
	}
	return net.makeSocket(n)
}

// makeWidow makes a socket whose other end is nobody's.
func (net *unixNet) makeWidow(n *unixNode) (err error) {
	if n.file, n.other, err = net.as(n.det.PeerCred).UnixPair(n.det.Type); err != nil {
		return err
	}
	net.extras = append(net.extras, n.other)
	return net.bind(n)
}

func (net *unixNet) makePair(n, p *unixNode) (err error) {
	if n.file, p.file, err = net.as(n.det.PeerCred).UnixPair(n.det.Type); err != nil {
		return err
	}
	return errors.Join(net.bind(n), net.bind(p))
}

// makeConnection makes the ends of a connection.
func (net *unixNet) makeConnection(n *unixNode) error {
	if n.datagrams() || n.det.State != unixConnected && n.det.State != unixClosed {
		return nil
	}
	p := net.peer(n)
	switch {
	case net.inherits(n):
		return net.accept(n, p)
	case p != nil && net.inherits(p):
		return net.accept(p, n)
	case p != nil:
		return net.makePair(n, p)
	}
	return net.makeWidow(n)
}

// accept makes server an accepted connection from client; nil if that is
// nobody's.
func (net *unixNet) accept(server, client *unixNode) error {
	listening, addr, err := net.listening(server, client)
	if err != nil {
		return err
	}
	var end *os.File
	if client != nil {
		if err := net.makeSocket(client); err != nil {
			return err
		}
		end = client.file
	} else {
		if end, err = sys.NewUnixSocket(server.det.Type); err != nil {
			return err
		}
		server.other = end
		net.extras = append(net.extras, end)
	}
	as, pid := net.as(server.det.PeerCred), os.Getpid()
	if as != nil {
		pid = as.PID
	}
	if err := as.ConnectUnix(int(end.Fd()), addr); err != nil {
		return err
	}
	for {
		if server.file, err = sys.Accept(int(listening.Fd())); err != nil {
			return err
		}
		cred, err := sys.PeerCred(int(server.file.Fd()))
		if err == nil && int(cred.PID) == pid {
			return sys.SetMode(int(server.file.Fd()), server.det.Mode)
		}
		_ = server.file.Close() // somebody was quicker than the restore: he has to come back
	}
}

// listening finds or makes the socket that n was accepted from; client, if not
// nil, tells who listened.
func (net *unixNet) listening(n, client *unixNode) (*os.File, []byte, error) {
	for _, o := range net.nodes {
		if o.det.State == unixListening && o.det.Type == n.det.Type && bytes.Equal(o.det.Name, n.det.Name) {
			return o.file, o.addr, nil
		}
	}
	type listener struct {
		file *os.File
		addr []byte
	}
	l, err := Object(net.r, fmt.Sprintf("unix listening %d %q", n.det.Type, n.det.Name), func() (l listener, err error) {
		if l.file, err = sys.NewUnixSocket(n.det.Type); err != nil {
			return l, err
		}
		net.extras = append(net.extras, l.file)
		if l.addr, err = net.names.bind(l.file, n.det.Name, n.det.File, net.r.Home(n.f).Cwd, net.r.object(n.f)); err != nil {
			return l, err
		}
		var as *sys.As
		if client != nil {
			as = net.as(client.det.PeerCred)
		}
		return l, as.Listen(int(l.file.Fd()), manyWait)
	})
	return l.file, l.addr, err
}
