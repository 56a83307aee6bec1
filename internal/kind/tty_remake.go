package kind

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/sys"
)

func (tty) Remake(r *RestoreContext, f *image.OpenFile) error {
	det, err := detail[ttyDetail](f)
	if err != nil {
		return err
	}
	if det.Number != -1 && !isStdio(det.Number) {
		return fmt.Errorf("%s: %w: terminal on %d", r.object(f), image.ErrCorrupt, det.Number)
	}
	terminal, err := r.openTerminal(f, det.Number)
	if err != nil {
		return fmt.Errorf("%s: %w", r.object(f), err)
	}
	number := -1 // one that is the terminal
	for _, n := range r.Numbers(f) {
		from := r.source(f, n, det.Number)
		if terminal != nil && (!isStdio(n) || isTerminal(r.Stdio[from])) {
			if number < 0 || slices.Contains(r.NumbersIn(r.Home(f), f), n) {
				number = n
			}
			continue
		}
		if from < 0 {
			return &UnsupportedError{
				r.object(f), "there is no terminal here",
				"restore in a terminal, for example under script(1)",
			}
		}
		r.Warn(fmt.Sprintf("fd %d (%s)", n, f.Path), fmt.Sprintf("no terminal here: taken from the restart's own %d", from))
		if err := r.inheritAt(f, n, from); err != nil {
			return err
		}
	}
	if terminal == nil {
		return nil
	}
	if number < 0 {
		return terminal.Close()
	}
	r.Made(f, terminal)
	if err := r.settle(f, number, &det, int(terminal.Fd())); err != nil {
		return fmt.Errorf("%s: %w", r.object(f), err)
	}
	return nil
}

// openTerminal opens the terminal of the restart anew, so that the program's
// access mode and flags are its own: the terminal on number n, another of 0, 1
// and 2, or the controlling one. nil if there is none.
func (r *RestoreContext) openTerminal(f *image.OpenFile, n int) (*os.File, error) {
	flags := f.Flags&sys.OAccMode | sys.ONoctty | sys.ONonblock
	candidates := r.Stdio[:]
	if n >= 0 {
		candidates = append([]*os.File{r.Stdio[n]}, candidates...)
	} else if file, err := sys.OpenFile("/dev/tty", flags, 0); err == nil {
		return file, nil
	}
	for _, own := range candidates {
		if !isTerminal(own) {
			continue
		}
		file, err := sys.Reopen(int(own.Fd()), flags)
		if errors.Is(err, syscall.EACCES) {
			return shareTerminal(own) // of another user: su, sudo
		}
		return file, err
	}
	file, err := sys.OpenFile("/dev/tty", flags, 0)
	if err != nil {
		return nil, nil // ENXIO: none; or not there at all
	}
	return file, nil
}

// shareTerminal is for a terminal that may not be opened again.
func shareTerminal(own *os.File) (*os.File, error) {
	fd, err := sys.Dup(int(own.Fd()))
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), own.Name()), nil
}

func isTerminal(f *os.File) bool {
	if f == nil {
		return false
	}
	_, err := sys.TermiosOf(int(f.Fd()))
	return err == nil
}

// settle puts the program's settings on the terminal fd in the final process,
// where it is at the given number, and tells the program if its size is
// another one. In the background neither is done: the terminal belongs to
// somebody else.
func (r *RestoreContext) settle(f *image.OpenFile, number int, det *ttyDetail, fd int) error {
	st, err := sys.StatFD(fd)
	if err != nil {
		return err
	}
	_, err = Object(r, fmt.Sprintf("tty %x", st.Rdev), func() (struct{}, error) {
		if group, err := sys.ForegroundGroup(fd); err == nil && group != sys.ProcessGroup() {
			r.Warn(r.object(f), "restored in the background: the terminal's settings are left alone")
			return struct{}{}, nil
		}
		return struct{}{}, r.applySettings(f, number, det, fd)
	})
	return err
}

func (r *RestoreContext) applySettings(f *image.OpenFile, number int, det *ttyDetail, fd int) error {
	current, err := sys.TermiosOf(fd)
	if err != nil {
		return err
	}
	want := current
	if det.Termios != nil {
		// Speed, parity and line discipline are those of the line that leads
		// to this terminal.
		want = *det.Termios
		want.Cflag, want.Line, want.Ispeed, want.Ospeed = current.Cflag, current.Line, current.Ispeed, current.Ospeed
	}
	size, err := sys.WinsizeOf(fd)
	resized := err == nil && det.Winsize != nil && *det.Winsize != size
	r.finally(f, func(b *plan.Builder, _ []int) error {
		if want != current {
			b.Call("set up the terminal", abi.SysIoctl, imm(number), plan.Imm(sys.TerminalSetIoctl), b.Data(sys.TermiosBytes(want)))
		}
		return nil
	})
	group, ok := r.NewGroup(det.Foreground)
	inside := ok && det.Foreground != r.Process.PGID // what the root is in may have others in it
	for i := range r.Manifest.Processes {
		p := &r.Manifest.Processes[i]
		if len(r.NumbersIn(p, f)) == 0 || p.SID != r.Process.SID {
			continue
		}
		if inside {
			r.Final(p, f, func(b *plan.Builder, fds []int) error {
				b.Call(fmt.Sprintf("put process group %d into the foreground", group), abi.SysIoctl, imm(fds[0]), plan.Imm(syscall.TIOCSPGRP), b.Data(binary.NativeEndian.AppendUint32(nil, uint32(group))))
				if resized {
					b.Call("tell of the terminal's size", abi.SysKill, plan.Imm(-uint64(group)), imm(int(syscall.SIGWINCH)))
				}
				return nil
			})
			break
		}
		if resized && p.PGID == r.Process.PGID {
			r.Final(p, f, tellSize)
		}
	}
	return nil
}

// tellSize tells a process of its terminal's new size. All signals are blocked
// now, and one that the program ignores is dropped when its actions are set.
func tellSize(b *plan.Builder, _ []int) error {
	pid := b.Slot()
	defer b.Free(pid)
	b.Call("look at the own number", abi.SysGetpid).Store(pid)
	b.Call("tell of the terminal's size", abi.SysKill, plan.Arg{Slot: pid}, imm(int(syscall.SIGWINCH)))
	return nil
}
