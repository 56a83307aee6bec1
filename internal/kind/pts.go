package kind

import (
	"fmt"
	"os"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// pts is a terminal whose master is in the image, too (kind ptmx). Descriptors
// come here from kind tty, which looks for the master.
type pts struct{}

type ptsDetail struct {
	Number int    `json:"number"` // N of /dev/pts/N
	Mode   uint32 `json:"mode"`
}

func (pts) Name() string { return "pts" }

func (pts) Match(*Desc) bool { return false }

func (pts) Save(*SaveContext, *Desc, *image.OpenFile) error { return nil } // never called, see savePts

// masterInside reports whether the master of the terminal rdev is among the
// open files.
func (c *SaveContext) masterInside(rdev uint64) (number int, ok bool) {
	if sys.Major(rdev) != ptsMajor {
		return 0, false
	}
	number = int(sys.Minor(rdev))
	for _, o := range c.All {
		if (ptmx{}).Match(o) && o.ptyNumber() == number {
			return number, true
		}
	}
	return 0, false
}

// savePts describes d as kind pts.
func savePts(c *SaveContext, d *Desc, f *image.OpenFile, number int) error {
	f.Kind = pts{}.Name()
	det := ptsDetail{Number: number}
	if !d.isDevTTY() {
		det.Mode = d.Stat.Mode & sys.ModePerm
	}
	return setDetail(f, det)
}

func (pts) Remake(r *RestoreContext, f *image.OpenFile) error {
	det, err := detail[ptsDetail](f)
	if err != nil {
		return err
	}
	p, err := r.pty(det.Number)
	if err != nil {
		return fmt.Errorf("%s: %w", r.object(f), err)
	}
	file, err := sys.OpenPtySlave(int(p.master.Fd()), f.Flags&sys.OAccMode|sys.ONonblock)
	if err != nil {
		return fmt.Errorf("%s: %w", r.object(f), err)
	}
	p.opened = true
	r.Made(f, file)
	if det.Mode != 0 {
		if err := sys.SetMode(int(file.Fd()), det.Mode); err != nil {
			return fmt.Errorf("%s: %w", r.object(f), err)
		}
	}
	return nil
}

// ptyPair is a pseudo terminal while it is made again.
type ptyPair struct {
	f      *image.OpenFile // of the master
	det    ptmxDetail
	master *os.File
	opened bool // the slave's side
}

// pty makes the pseudo terminal that had a number.
func (r *RestoreContext) pty(number int) (*ptyPair, error) {
	return Object(r, fmt.Sprintf("pty %d", number), func() (*ptyPair, error) {
		p, err := r.findMaster(number)
		if err != nil {
			return nil, err
		}
		var is int
		if p.master, is, err = openPtyNumber(number); err != nil {
			return nil, err
		}
		if is != number {
			r.Warn(r.object(p.f), fmt.Sprintf("%s is taken: its terminal is %s now", ptsPath(number), ptsPath(is)))
		}
		r.WhenMade(func() error { return p.settle(r) })
		return p, nil
	})
}

func (r *RestoreContext) findMaster(number int) (*ptyPair, error) {
	for i := range r.Manifest.Files {
		f := &r.Manifest.Files[i]
		if f.Kind != (ptmx{}).Name() {
			continue
		}
		det, err := detail[ptmxDetail](f)
		if err != nil {
			return nil, err
		}
		if det.Number == number {
			return &ptyPair{f: f, det: det}, nil
		}
	}
	return nil, fmt.Errorf("%w: no master of terminal %d", image.ErrCorrupt, number)
}

// maxPtyTries is how many terminals are made to get at a number: the kernel
// gives the lowest one that is free.
const maxPtyTries = 64

// openPtyNumber makes a pseudo terminal with that number, or another one if it
// is taken.
func openPtyNumber(number int) (*os.File, int, error) {
	var made []*os.File
	first := -1
	for range maxPtyTries {
		master, is, err := sys.OpenPty()
		if err != nil {
			break // there are not many; the first may do
		}
		made = append(made, master)
		if is == number {
			closeAll(made[:len(made)-1])
			return master, is, nil
		}
		if first < 0 {
			first = is
		}
		if is > number {
			break
		}
	}
	if len(made) == 0 {
		return sys.OpenPty() // for its error
	}
	closeAll(made[1:])
	return made[0], first, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // made for nothing
	}
}

// settle gives the terminal its settings, when everybody has opened it.
func (p *ptyPair) settle(r *RestoreContext) error {
	fd := int(p.master.Fd())
	if p.det.Hup && !p.opened {
		slave, err := sys.OpenPtySlave(fd, sys.ORdwr)
		if err != nil {
			return fmt.Errorf("%s: %w", r.object(p.f), err)
		}
		_ = slave.Close() // this is what it is for
	}
	err := sys.SetTermios(fd, p.det.Termios)
	if err == nil {
		err = sys.SetWinsize(fd, p.det.Winsize)
	}
	if err == nil {
		err = p.fill(r)
	}
	if err == nil && p.det.Pty.Packet {
		err = sys.SetPtyPacket(fd, true)
	}
	if err == nil && p.det.Pty.Locked {
		err = sys.SetPtyLock(fd, true)
	}
	if err == nil && p.det.Pty.Exclusive {
		err = sys.SetExclusive(fd)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.object(p.f), err)
	}
	if p.det.Pty.Session != 0 {
		return r.Controls(p.f, p.det.Pty)
	}
	return nil
}
