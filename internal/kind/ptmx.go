package kind

import (
	"fmt"
	"strconv"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// ptmx is the master of a pseudo terminal, pty(7), whose slave is used by
// nobody outside: by others of the image (kind pts), or by nobody at all. The
// pair is made anew, under its old number in /dev/pts if that is free.
//
// What waits in it to be read is copied, see ptyQueues.
type ptmx struct{}

type ptmxDetail struct {
	Number  int         `json:"number"` // N of /dev/pts/N
	Termios sys.Termios `json:"termios"`
	Winsize sys.Winsize `json:"winsize"`
	Pty     sys.Pty     `json:"pty"`
	Hup     bool        `json:"hup,omitempty"` // the slave was open once, and is no more
	Queues  *ptyQueues  `json:"queues,omitempty"`
}

func (ptmx) Name() string { return "ptmx" }

func (ptmx) Match(d *Desc) bool {
	return d.FD >= 0 && d.Stat.Mode&sys.ModeType == sys.ModeChar && d.isPtyMaster()
}

// ptyNumber is which pseudo terminal a master has, -1 if the kernel does not
// tell.
func (d *Desc) ptyNumber() int {
	v, _ := d.Info.Lookup("tty-index")
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

func (ptmx) Save(c *SaveContext, d *Desc, f *image.OpenFile) error {
	det := ptmxDetail{Number: d.ptyNumber()}
	if det.Number < 0 {
		return &UnsupportedError{d.object(), "the kernel does not tell which terminal it is the master of", "close it before saving"}
	}
	object := d.named(fmt.Sprintf("master of /dev/pts/%d", det.Number))
	if !c.Frozen {
		if holder := holderOutside(c, ptsPath(det.Number)); holder != "" {
			return &UnsupportedError{object, "its terminal is used by " + holder + ", which is not saved with it",
				"save the programs inside it instead, or the whole tree"}
		}
	}
	local, err := c.Local(d)
	if err != nil {
		return err
	}
	fd := int(local.Fd())
	if det.Termios, err = sys.TermiosOf(fd); err == nil {
		det.Winsize, err = sys.WinsizeOf(fd)
	}
	if err == nil {
		det.Pty, err = sys.PtyOf(fd)
	}
	var ready sys.Ready
	if err == nil {
		ready, err = sys.Poll(fd)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", object, err)
	}
	det.Hup = ready.Hup
	// If nobody has opened it yet, doing so would be noticed.
	if c.Frozen && (det.Hup || det.Pty.Session != 0 || c.opened(det.Number)) {
		if det.Queues, err = det.saveQueues(c, object, fd); err != nil {
			return fmt.Errorf("%s: %w", object, err)
		}
	}
	return setDetail(f, det)
}

func ptsPath(number int) string { return fmt.Sprintf("/dev/pts/%d", number) }

// opened reports whether the slave's side of a terminal is among the open files.
func (c *SaveContext) opened(number int) bool {
	for _, o := range c.All {
		if sys.Major(o.Stat.Rdev) == ptsMajor && int(sys.Minor(o.Stat.Rdev)) == number && o.Stat.Mode&sys.ModeType == sys.ModeChar {
			return true
		}
	}
	return false
}

// warnUnread says what is lost of the bytes that wait in a terminal.
func warnUnread(c *SaveContext, object string, fd int) {
	if n, err := sys.Unread(fd); err == nil && n > 0 {
		c.Warn(object, fmt.Sprintf("%d bytes that wait to be read are not saved", n))
	}
}

func (ptmx) Remake(r *RestoreContext, f *image.OpenFile) error {
	det, err := detail[ptmxDetail](f)
	if err != nil {
		return err
	}
	p, err := r.pty(det.Number)
	if err != nil {
		return fmt.Errorf("%s: %w", r.object(f), err)
	}
	if p.f != f {
		return fmt.Errorf("%s: %w: two masters of terminal %d", r.object(f), image.ErrCorrupt, det.Number)
	}
	r.Made(f, p.master)
	return nil
}
