package sys

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// open creates a file of the test, or opens it once more.
func open(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := OpenFile(name, ORdwr|OCreat, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestDataExtents(t *testing.T) {
	t.Parallel()
	f := open(t, filepath.Join(t.TempDir(), "sparse"))
	const mega = 1 << 20
	page := int64(os.Getpagesize())
	for _, off := range []int64{0, 3 * mega} {
		if _, err := f.WriteAt(make([]byte, page), off); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(8 * mega); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		size int64
		want [][2]int64
	}{
		{8 * mega, [][2]int64{{0, page}, {3 * mega, page}}},
		{3*mega + 7, [][2]int64{{0, page}, {3 * mega, 7}}},
		{mega, [][2]int64{{0, page}}},
		{0, nil},
	} {
		got, err := DataExtents(int(f.Fd()), c.size)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("of %d bytes: %v, %v, want %v", c.size, got, err, c.want)
		}
	}
}

func TestSharedDescriptions(t *testing.T) {
	t.Parallel()
	f := open(t, filepath.Join(t.TempDir(), "x"))
	fd, pid := int(f.Fd()), os.Getpid()
	other := open(t, f.Name())
	pidfd, err := PidfdOpen(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(pidfd)
	shared, err := PidfdGetfd(pidfd, fd)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(shared)
	if r, err := KcmpFile(pid, fd, pid, shared); err != nil || r != 0 {
		t.Errorf("kcmp of a shared one: %d, %v", r, err)
	}
	if r, err := KcmpFile(pid, fd, pid, int(other.Fd())); err != nil || r != 1 && r != 2 {
		t.Errorf("kcmp of another one: %d, %v", r, err)
	}
	if _, err := PidfdGetfd(pidfd, 1<<20); !errors.Is(err, syscall.EBADF) {
		t.Errorf("pidfd_getfd of a closed one: %v", err)
	}
}

func TestLocksStandAgainstEachOther(t *testing.T) {
	t.Parallel()
	a := open(t, filepath.Join(t.TempDir(), "x"))
	b := open(t, a.Name())
	fa, fb := int(a.Fd()), int(b.Fd())
	if err := TryFlock(fa, true); err != nil {
		t.Fatal(err)
	}
	if err := TryFlock(fb, false); !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("flock: %v", err)
	}
	if err := TryOFDLock(fa, true, 10, 19); err != nil {
		t.Fatal(err)
	}
	if err := TryOFDLock(fb, false, 19, -1); !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("lock of bytes: %v", err)
	}
	if err := TryOFDLock(fb, true, 20, -1); err != nil {
		t.Errorf("lock behind: %v", err)
	}
	if holder, err := POSIXLockHolder(fa, true, 0, 10); err != nil || holder != -1 {
		t.Errorf("holder %d, %v, want -1: an open file description", holder, err)
	}
	if holder, err := POSIXLockHolder(fa, true, 0, 9); err != nil || holder != 0 {
		t.Errorf("holder %d, %v, want nobody", holder, err)
	}
}

func TestWriteLeaseTellsWhoElseIsThere(t *testing.T) {
	t.Parallel()
	a := open(t, filepath.Join(t.TempDir(), "x"))
	if err := SetLease(int(a.Fd()), LeaseWrite); err != nil {
		t.Fatal(err)
	}
	if err := SetLease(int(a.Fd()), LeaseNone); err != nil {
		t.Fatal(err)
	}
	open(t, a.Name())
	if err := SetLease(int(a.Fd()), LeaseWrite); !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("with another one open: %v", err)
	}
}

func TestFileStat(t *testing.T) {
	t.Parallel()
	f := open(t, filepath.Join(t.TempDir(), "x"))
	const mtime = 1234567890123456789
	if err := SetMtime(int(f.Fd()), mtime); err != nil {
		t.Fatal(err)
	}
	if err := SetMode(int(f.Fd()), 0o4751); err != nil {
		t.Fatal(err)
	}
	byFD, err := StatFD(int(f.Fd()))
	if err != nil || byFD.Mtime != mtime || byFD.Mode != ModeRegular|0o4751 || byFD.Nlink != 1 {
		t.Errorf("%+v, %v", byFD, err)
	}
	if byPath, err := StatPath(f.Name()); err != nil || byPath != byFD {
		t.Errorf("%+v, %v, want %+v", byPath, err, byFD)
	}
	if _, err := StatPath(f.Name() + ".gone"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	for path, want := range map[string]bool{"/proc/self/maps": true, "/sys/kernel": true, f.Name(): false} {
		if magic, err := FSMagic(path); err != nil || IsPseudoFS(magic) != want {
			t.Errorf("%s: %#x, %v", path, magic, err)
		}
	}
}

// A descriptor must keep O_NONBLOCK, and the lack of it, through os.File.
func TestOpenFileLeavesNonblockAlone(t *testing.T) {
	t.Parallel()
	for _, want := range []int{0, ONonblock} {
		f, err := OpenFile("/dev/zero", ORdonly|want, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if flags, err := StatusFlags(int(f.Fd())); err != nil || flags&ONonblock != want {
			t.Errorf("flags %#o, %v, want %#o", flags, err, want)
		}
	}
}
