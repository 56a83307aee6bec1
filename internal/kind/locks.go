package kind

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// Types of image.FileLock.
const (
	lockFlock = "FLOCK"
	lockPOSIX = "POSIX"
	lockOFD   = "OFDLCK"
)

// saveLocks notes the locks that the kernel shows at the descriptor: those of
// the open file, and the process's own on the file behind it.
func saveLocks(d *Desc, f *image.OpenFile) error {
	for _, l := range d.Info.Locks {
		switch {
		case l.Blocked:
			// Somebody is waiting in a call that is made again.
		case l.Type == lockFlock || l.Type == lockPOSIX || l.Type == lockOFD:
			lock := image.FileLock{Type: l.Type, Write: l.Access == "WRITE", Start: l.Start, End: l.End}
			if l.Type == lockPOSIX {
				lock.PID = l.PID
			}
			f.Locks = append(f.Locks, lock)
		default:
			return &UnsupportedError{
				Object: d.object(),
				Reason: "it holds a " + strings.ToLower(l.Type) + " on the file (F_SETLEASE), which is not supported",
				Advice: "give it up before saving",
			}
		}
	}
	return nil
}

// lockPatience is how long a restore waits for somebody else to give up a lock:
// long enough for the original process to finish dying.
const lockPatience = 2 * time.Second

// takeLocks takes the locks that belong to the open file. execve keeps them.
func takeLocks(r *RestoreContext, f *image.OpenFile, fd int) error {
	for _, l := range f.Locks {
		var try func() error
		switch l.Type {
		case lockFlock:
			try = func() error { return sys.TryFlock(fd, l.Write) }
		case lockOFD:
			try = func() error { return sys.TryOFDLock(fd, l.Write, l.Start, l.End) }
		case lockPOSIX:
			// The final process takes it. Better to find out here, where the
			// holder can be named, that it would not get it.
			try = func() error {
				holder, err := sys.POSIXLockHolder(fd, l.Write, l.Start, l.End)
				if err == nil && holder != 0 {
					err = syscall.EAGAIN
				}
				return err
			}
		default:
			return fmt.Errorf("%w: lock of type %q", image.ErrCorrupt, l.Type)
		}
		err := patiently(try)
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
			return lockedError(r, f, fd, l)
		}
		if err != nil {
			return fmt.Errorf("take its %s lock again: %w", l.Type, err)
		}
	}
	return nil
}

func patiently(try func() error) error {
	for end := time.Now().Add(lockPatience); ; time.Sleep(20 * time.Millisecond) {
		err := try()
		if !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EACCES) || time.Now().After(end) {
			return err
		}
	}
}

// takePOSIXLocks takes the locks that belong to the process and not to the open
// file. They come last, since closing any descriptor of the file loses them.
func takePOSIXLocks(r *RestoreContext, f *image.OpenFile) error {
	for _, l := range f.Locks {
		if l.Type != lockPOSIX {
			continue
		}
		p := r.member(l.PID)
		if p == nil || len(r.NumbersIn(p, f)) == 0 {
			p = r.Home(f)
		}
		r.Final(p, f, func(b *plan.Builder, fds []int) error {
			b.Call(fmt.Sprintf("lock fd %d", fds[0]), abi.SysFcntl, plan.Imm(uint64(fds[0])),
				plan.Imm(sys.FSetlk), b.Data(sys.POSIXLockBytes(l.Write, l.Start, l.End)))
			return nil
		})
	}
	return nil
}

// lockedError names who holds the lock, if that can be found out.
func lockedError(r *RestoreContext, f *image.OpenFile, fd int, l image.FileLock) error {
	holder := "somebody else"
	if name := lockHolder(fd, l); name != "" {
		holder = name
	}
	return &UnsupportedError{
		Object: r.object(f),
		Reason: fmt.Sprintf("it held a %s lock, which %s holds now", l.Type, holder),
		Advice: "end that process, or wait until it gives up the lock",
	}
}

func lockHolder(fd int, want image.FileLock) string {
	st, err := sys.StatFD(fd)
	if err != nil {
		return ""
	}
	locks, err := proc.Host().Locks()
	if err != nil {
		return ""
	}
	for _, l := range locks {
		same := l.Inode == st.Ino && l.DevMajor == st.DevMajor && l.DevMinor == st.DevMinor
		if !same || l.Blocked || (l.Type == lockFlock) != (want.Type == lockFlock) || l.PID == os.Getpid() {
			continue
		}
		if l.PID > 0 {
			return processName(l.PID)
		}
		return "an open file description of some process"
	}
	return ""
}
