package kind

import (
	"cmp"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// locksOn are the locks on the file behind fd that anybody holds.
func locksOn(t *testing.T, fd int) []image.FileLock {
	t.Helper()
	st := statOf(t, fd)
	all, err := proc.Host().Locks()
	if err != nil {
		t.Fatal(err)
	}
	var locks []image.FileLock
	for _, l := range all {
		if l.Inode == st.Ino && l.DevMajor == st.DevMajor && l.DevMinor == st.DevMinor {
			locks = append(locks, image.FileLock{Type: l.Type, Write: l.Access == "WRITE", Start: l.Start, End: l.End})
		}
	}
	return locks
}

func TestLocksAreTakenAgain(t *testing.T) {
	t.Parallel()
	posix := func(fd int, write bool, start, end int64) error {
		lk := unix.Flock_t{Type: unix.F_RDLCK, Start: start}
		if write {
			lk.Type = unix.F_WRLCK
		}
		if end >= 0 {
			lk.Len = end - start + 1
		}
		return unix.FcntlFlock(uintptr(fd), unix.F_SETLK, &lk)
	}
	for name, c := range map[string]struct {
		lock func(fd int) error
		want []image.FileLock
	}{
		"flock shared":    {func(fd int) error { return sys.TryFlock(fd, false) }, []image.FileLock{{Type: "FLOCK", End: -1}}},
		"flock exclusive": {func(fd int) error { return sys.TryFlock(fd, true) }, []image.FileLock{{Type: "FLOCK", Write: true, End: -1}}},
		"ofd": {func(fd int) error { return sys.TryOFDLock(fd, true, 10, 19) },
			[]image.FileLock{{Type: "OFDLCK", Write: true, Start: 10, End: 19}}},
		"posix": {func(fd int) error { return errors.Join(posix(fd, true, 0, 0), posix(fd, false, 100, -1)) },
			[]image.FileLock{{Type: "POSIX", Write: true}, {Type: "POSIX", Start: 100, End: -1}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			fd := w.open(file(t, "locked"), unix.O_RDWR, 0)
			if err := c.lock(fd); err != nil {
				t.Fatal(err)
			}
			w.save(fd)
			w.drop()
			other := w.open(w.Manifest.Files[0].Path, unix.O_RDWR, 0)
			if locks := locksOn(t, other); locks != nil {
				t.Fatalf("still locked: %+v: this test tests nothing", locks)
			}
			w.restore()
			got := locksOn(t, fd)
			slices.SortFunc(got, func(a, b image.FileLock) int { return cmp.Compare(a.Start, b.Start) })
			if !slices.Equal(got, c.want) {
				t.Errorf("locks %+v, want %+v", got, c.want)
			}
		})
	}
}

// waitFor waits until ok holds.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("gave up waiting until %s", what)
		}
	}
}

func TestLockHeldByAnother(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		lock   func(fd int) error
		holder []string
	}{
		"flock": {func(fd int) error { return sys.TryFlock(fd, true) },
			[]string{"flock", "FILE", "sleep", "60"}},
		"posix": {func(fd int) error {
			return unix.FcntlFlock(uintptr(fd), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
		}, []string{"perl", "-e", `use Fcntl; open F, "+<", $ARGV[0] or die; my $lk = pack("s s x![l!] l! l! i x4", F_WRLCK, 0, 0, 0, 0); fcntl(F, F_SETLK, $lk) or die; sleep 60`, "FILE"}},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			path := file(t, "locked")
			fd := w.open(path, unix.O_RDWR, 0)
			if err := c.lock(fd); err != nil {
				t.Fatal(err)
			}
			w.save(fd)
			w.drop()
			watch := w.open(path, unix.O_PATH, 0) // closing anything else would lose POSIX locks
			args := strings.Split(strings.ReplaceAll(strings.Join(c.holder, "\n"), "FILE", path), "\n")
			child := exec.Command(args[0], args[1:]...)
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
			waitFor(t, "the child has the lock", func() bool { return locksOn(t, watch) != nil })
			wantRefused(t, w.tryRestore(), "fd ", path, "lock, which process ", "("+c.holder[0]+")", "holds now")
		})
	}
}

func TestLockThatIsGivenUpInTime(t *testing.T) {
	t.Parallel()
	n := 0
	err := patiently(func() error {
		if n++; n < 5 {
			return unix.EAGAIN
		}
		return nil
	})
	if err != nil || n != 5 {
		t.Errorf("%v after %d attempts", err, n)
	}
}
