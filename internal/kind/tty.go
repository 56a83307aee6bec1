package kind

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// tty is a terminal whose master is outside: the controlling one of the
// process, or any on 0, 1 and 2.
// The restored process gets the terminal of the restart in its place, with the
// settings put back that the program had made.
type tty struct{}

type ttyDetail struct {
	// Number is which of 0, 1 and 2 is this terminal, -1 if none is.
	Number int `json:"number"`

	// Foreground is the process group in the foreground of the controlling
	// terminal, if it is one of the saved processes'.
	Foreground int `json:"foreground,omitempty"`

	// Termios are the settings if they are the program's: those of a program
	// in the background are its shell's, or of whoever is in the foreground.
	Termios *sys.Termios `json:"termios,omitempty"`
	Winsize *sys.Winsize `json:"winsize,omitempty"`
}

func (tty) Name() string { return "tty" }

// Major numbers of terminals, Documentation/admin-guide/devices.txt.
const (
	ttyMajor    = 4 // /dev/tty1, /dev/ttyS0
	ttyAuxMajor = 5 // /dev/tty, /dev/console, /dev/ptmx
	ptsMajor    = 136
	ptsMajors   = 8

	ctermMinor = 0 // of ttyAuxMajor: /dev/tty
	ptmxMinor  = 2 // of ttyAuxMajor
)

func (tty) Match(d *Desc) bool {
	if d.FD < 0 || d.Stat.Mode&sys.ModeType != sys.ModeChar {
		return false
	}
	major := sys.Major(d.Stat.Rdev)
	return major == ttyMajor || major == ttyAuxMajor || major >= ptsMajor && major < ptsMajor+ptsMajors ||
		strings.HasPrefix(d.Link, "/dev/tty") || strings.HasPrefix(d.Link, "/dev/hvc")
}

func (d *Desc) isPtyMaster() bool {
	return sys.Major(d.Stat.Rdev) == ttyAuxMajor && sys.Minor(d.Stat.Rdev) == ptmxMinor
}

func (d *Desc) isDevTTY() bool {
	return sys.Major(d.Stat.Rdev) == ttyAuxMajor && sys.Minor(d.Stat.Rdev) == ctermMinor
}

func (tty) Save(c *SaveContext, d *Desc, f *image.OpenFile) error {
	st, err := c.FS.Process(d.process(c)).Stat()
	if err != nil {
		return err
	}
	controlling := uint64(uint32(st.TTYNr))
	rdev := d.Stat.Rdev
	if d.isDevTTY() {
		rdev = controlling
	}
	if number, ok := c.masterInside(rdev); ok {
		return savePts(c, d, f, number)
	}
	det := ttyDetail{Number: stdioTerminal(c.All, rdev)}
	if det.Number < 0 && rdev != controlling {
		return &UnsupportedError{
			d.object(), "a terminal that is neither the process's own nor on 0, 1 or 2",
			"close it before saving",
		}
	}
	local, err := c.Local(d)
	if err != nil {
		return err
	}
	fd := int(local.Fd())
	if rdev == controlling && c.hasGroup(st.TPgid) {
		det.Foreground = st.TPgid
	}
	if rdev != controlling || det.Foreground != 0 {
		t, err := sys.TermiosOf(fd)
		if err == nil {
			det.Termios = &t
		} else if !errors.Is(err, syscall.EIO) { // the terminal was hung up
			return fmt.Errorf("%s: %w", d.object(), err)
		}
	}
	if ws, err := sys.WinsizeOf(fd); err == nil {
		det.Winsize = &ws
	}
	return setDetail(f, det)
}

// stdioTerminal is the lowest of 0, 1 and 2 that is the terminal rdev, -1 if
// none is.
func stdioTerminal(all []*Desc, rdev uint64) int {
	lowest := -1
	for _, d := range all {
		if n := d.stdio(); n >= 0 && (tty{}).Match(d) && d.Stat.Rdev == rdev && (lowest < 0 || n < lowest) {
			lowest = n
		}
	}
	return lowest
}

// hasGroup reports whether one of the processes is in a process group.
func (c *SaveContext) hasGroup(pgid int) bool {
	if c.groups == nil {
		c.groups = map[int]bool{}
		for _, pid := range c.PIDs {
			if st, err := c.FS.Process(pid).Stat(); err == nil {
				c.groups[st.Pgrp] = true
			}
		}
	}
	return c.groups[pgid]
}
