package kind

import (
	"fmt"
	"strings"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// unixSocket is a unix socket, unix(7), that leads to nobody outside of the
// image: one end of a connection inside, one whose other end was closed, one
// that listens, or one without a connection. Who it is connected to only the
// kernel's socket diagnosis tells, which names sockets by inode.
//
// Saving reads what waits in it by MSG_PEEK, see readUnix. Restoring makes all
// unix sockets of an image together, see unixNet.
type unixSocket struct{}

type unixDetail struct {
	Ino  uint32 `json:"ino"` // what Peer and Pending refer to
	Type int    `json:"type"`

	// Name is what it was bound to, see sys.UnixSocket; of an accepted
	// connection that is the listening socket's.
	Name []byte    `json:"name,omitempty"`
	File *unixFile `json:"file,omitempty"` // nil if the name is no path, or that file is gone

	State    string            `json:"state"`
	Peer     uint32            `json:"peer,omitempty"`    // of unixConnected; of unixPending who listens
	Backlog  int               `json:"backlog,omitempty"` // of unixListening
	Pending  []uint32          `json:"pending,omitempty"` // of unixListening: who waits for accept(2)
	Shutdown int               `json:"shutdown,omitempty"`
	Reset    bool              `json:"reset,omitempty"` // of unixClosed: ECONNRESET waits to be reported
	PeerCred *sys.UnixCred     `json:"peer_cred,omitempty"`
	Mode     uint32            `json:"mode"`
	Options  sys.SocketOptions `json:"options"`
	Queue    *unixQueue        `json:"queue,omitempty"`
}

// Values of unixDetail.State.
const (
	unixAlone     = "alone"
	unixListening = "listening"
	unixPending   = "pending" // connected to one that listens, and not accepted yet
	unixConnected = "connected"
	unixClosed    = "closed" // its peer was closed
)

func (unixSocket) Name() string { return "unix" }

func (unixSocket) Match(d *Desc) bool {
	return d.FD >= 0 && d.Stat.Mode&sys.ModeType == sys.ModeSocket && strings.HasPrefix(d.Protocol, "UNIX")
}

func (unixSocket) Save(c *SaveContext, d *Desc, f *image.OpenFile) error {
	s, err := c.diagnose(d)
	if err != nil {
		return err
	}
	if s == nil {
		return nil // closed since it was listed
	}
	det := unixDetail{Ino: s.Ino, Type: s.Type, Name: s.Name, Shutdown: s.Shutdown, Mode: d.Stat.Mode & sys.ModePerm}
	if err := det.setState(c, d, s); err != nil {
		if _, outside := err.(*unixOutside); outside && d.stdio() >= 0 {
			return saveStdio(c, d, f, d.stdio())
		}
		return refusedUnix(d, err)
	}
	local, err := c.Local(d)
	if err != nil {
		return err
	}
	fd := int(local.Fd())
	if det.Options, err = sys.SocketOptionsOf(fd); err != nil {
		return fmt.Errorf("%s: %w", d.object(), err)
	}
	if cred, err := sys.PeerCred(fd); err == nil && cred.PID != 0 {
		det.PeerCred = &cred
	}
	if s.File != nil {
		det.File = findUnixFile(c, d, s)
	}
	ready, err := sys.Poll(fd)
	if err != nil {
		return fmt.Errorf("%s: %w", d.object(), err)
	}
	det.Reset = ready.Err
	if err := det.checkQueue(c, d, s, ready, fd); err != nil {
		return err
	}
	det.Queue = c.queues[s.Ino]
	return setDetail(f, det)
}

// checkQueue refuses what waits and can not be read or put back.
func (det *unixDetail) checkQueue(c *SaveContext, d *Desc, s *sys.UnixSocket, ready sys.Ready, fd int) error {
	switch {
	case ready.Pri:
		return &UnsupportedError{d.object(), "a byte of out-of-band data waits in it (MSG_OOB)", "save when it was received"}
	case ready.Err && (det.State != unixClosed || s.Type != sys.SockStream && s.Queue > 0):
		return &UnsupportedError{d.object(), "an error waits in it to be reported", "save when the program knows of it"}
	case det.State == unixPending:
		// It would be in a queue that nobody can read before accept(2).
		if n, err := sys.Unsent(fd); err == nil && n > 0 {
			return &UnsupportedError{d.object(), "what was sent through it waits for a connection that is not accepted yet", "save when the server accepted it"}
		}
	}
	return nil
}

// unixOutside says that a socket leads to somebody who is not saved.
type unixOutside struct{ reason, advice string }

func (e *unixOutside) Error() string { return e.reason }

func refusedUnix(d *Desc, err error) error {
	if out, ok := err.(*unixOutside); ok {
		return &UnsupportedError{d.object(), out.reason, out.advice}
	}
	return err
}

// setState finds out what the socket is connected to.
func (det *unixDetail) setState(c *SaveContext, d *Desc, s *sys.UnixSocket) error {
	det.State = unixAlone
	switch {
	case s.Listens:
		det.State, det.Backlog, det.Pending = unixListening, s.Backlog, s.Pending
		for _, ino := range s.Pending {
			if ino == 0 {
				return &UnsupportedError{d.object(), "who wanted a connection was closed before it was accepted, and what it sent can not be read",
					"save when the program accepted it"}
			}
			if !c.inside(ino) {
				return c.leadsTo(d, ino, "a connection from %s waits to be accepted")
			}
		}
	case s.HasPeer && s.Peer != 0:
		if !c.inside(s.Peer) {
			return c.leadsTo(d, s.Peer, "its other end is in %s")
		}
		det.State, det.Peer = unixConnected, s.Peer
		peer := c.sockets[s.Peer]
		if s.Type == sys.SockDgram && peer != nil && peer.Name == nil && peer.Peer != s.Ino {
			return &UnsupportedError{d.object(), "it is connected to a socket without a name, which is not connected to it any more",
				"close it before saving"}
		}
	case s.HasPeer:
		det.State = unixClosed
		if server := c.pendingAt(s.Ino); server != 0 {
			if !c.inside(server) {
				return c.leadsTo(d, server, "it waits to be accepted by %s")
			}
			det.State, det.Peer = unixPending, server
		}
	}
	if c.Frozen {
		return nil // see pipe.Save
	}
	if holder := holderOutside(c, d.Link); holder != "" {
		return &unixOutside{"also open in " + holder + ", which is not saved with it",
			fmt.Sprintf("close it there; if it was only inherited, start the program with %d>&-", d.FD)}
	}
	return nil
}

// inside reports whether one of the open files is the socket ino. Before it is
// frozen, one that nobody has open may be in flight inside.
func (c *SaveContext) inside(ino uint32) bool {
	if c.known == nil || c.knownOf != len(c.All) {
		c.known, c.knownOf = map[uint32]bool{}, len(c.All)
		for _, o := range c.All {
			if (unixSocket{}).Match(o) {
				c.known[uint32(o.Stat.Ino)] = true
			}
		}
	}
	if c.known[ino] {
		return true
	}
	link := fmt.Sprintf("socket:[%d]", ino)
	return !c.Frozen && c.anyInFlight() && holderOutside(c, link) == ""
}

// leadsTo says that the socket ino is outside. how tells in what way; %s is who
// has it.
func (c *SaveContext) leadsTo(d *Desc, ino uint32, how string) error {
	holder := "another process"
	if !c.Frozen {
		if h := holderOutside(c, fmt.Sprintf("socket:[%d]", ino)); h != "" {
			holder = h
		}
	}
	return &unixOutside{fmt.Sprintf(how, holder) + ", which is not saved with it",
		fmt.Sprintf("let the program close the connection before saving; if it was only inherited, start it with %d>&-", d.FD)}
}

// pendingAt is the listening socket at which ino waits to be accepted, 0 if
// there is none.
func (c *SaveContext) pendingAt(ino uint32) uint32 {
	for _, s := range c.sockets {
		for _, p := range s.Pending {
			if p == ino {
				return s.Ino
			}
		}
	}
	return 0
}

// diagnose is what the kernel tells of the socket d; nil if it was closed
// meanwhile.
func (c *SaveContext) diagnose(d *Desc) (*sys.UnixSocket, error) {
	if c.sockets == nil {
		all, err := sys.UnixSockets()
		if err != nil {
			return nil, &UnsupportedError{d.object(), "the kernel does not tell what unix sockets are connected to: " + err.Error(),
				"load the kernel module unix_diag"}
		}
		c.sockets = all
	}
	if s := c.sockets[uint32(d.Stat.Ino)]; s != nil {
		return s, nil
	}
	if link, err := c.FS.Process(d.PID).FDLink(d.FD); !c.Frozen && (err != nil || link != d.Link) {
		return nil, nil
	}
	return nil, &UnsupportedError{d.object(), "it is in another network namespace", "run ckpt in the program's network namespace (nsenter -n)"}
}

// anyInFlight reports whether something may wait in a unix socket inside that
// has descriptors in it.
func (c *SaveContext) anyInFlight() bool {
	for _, o := range c.All {
		if !(unixSocket{}).Match(o) {
			continue
		}
		if s, err := c.diagnose(o); err == nil && s != nil && !s.Listens && s.Queue > 0 {
			return true
		}
	}
	return false
}
