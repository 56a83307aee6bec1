package kind

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/sys"
)

// twoProcesses is a context for an image of two: 100 has file 0 at 5, 200 at 3
// and 7, and 200 has a POSIX lock on it.
func twoProcesses(t *testing.T) *RestoreContext {
	t.Helper()
	m := &image.Manifest{
		Processes: []image.Process{
			{PID: 100, PGID: 100, Descriptors: []image.Descriptor{{FD: 5, File: 0}}},
			{PID: 200, PGID: 100, Descriptors: []image.Descriptor{{FD: 3, File: 0}, {FD: 7, File: 0, CloseOnExec: true}, {FD: 9, File: 1}}},
		},
		Files: []image.OpenFile{
			{ID: 0, Kind: "x", Path: "/x", Locks: []image.FileLock{{Type: lockPOSIX, Write: true, End: -1, PID: 200}}},
			{ID: 1, Kind: "x", Path: "/y", Owner: &image.FileOwner{Type: sys.FOwnerPID, PID: 200}},
		},
	}
	return &RestoreContext{
		Manifest: m, Process: &m.Processes[0], PIDs: map[int]int{100: 11, 200: 12}, Groups: map[int]int{100: 13},
		Warn: func(object, text string) { t.Errorf("warning %s: %s", object, text) },
	}
}

func TestNumbersOfSeveralProcesses(t *testing.T) {
	t.Parallel()
	r := twoProcesses(t)
	if got := r.Numbers(&r.Manifest.Files[0]); !slices.Equal(got, []int{3, 5, 7}) {
		t.Errorf("numbers %v", got)
	}
	if p := r.Home(&r.Manifest.Files[1]); p.PID != 200 {
		t.Errorf("file 1 is at home in %d", p.PID)
	}
	if pid, ok := r.NewPID(200); pid != 12 || !ok {
		t.Errorf("200 is %d, %v", pid, ok)
	}
	if _, ok := r.NewPID(os.Getpid()); ok {
		t.Error("a process that is not in the image has a number")
	}
	if group, ok := r.NewGroup(100); group != 13 || !ok {
		t.Errorf("group 100 is %d, %v", group, ok)
	}
}

// A lock is taken by the process that had it, at its number; an owner is set by
// one that has the file.
func TestWhoDoesIt(t *testing.T) {
	t.Parallel()
	r := twoProcesses(t)
	var done []int
	r.Final = func(p *image.Process, f *image.OpenFile, add Final) {
		b := plan.NewBuilder()
		if err := add(b, r.NumbersIn(p, f)); err != nil {
			t.Error(err)
		}
		done = append(done, p.PID, f.ID)
	}
	for i := range r.Manifest.Files {
		if err := remakeFinally(r, &r.Manifest.Files[i]); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(done, []int{200, 0, 200, 1}) {
		t.Errorf("process and file: %v", done)
	}
}

// A child of one process takes over the locks that only its own descriptor
// shows.
func TestHoldersBringTheirLocks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fd := w.open(file(t, "content"), unix.O_RDWR, 0)
	lk := unix.Flock_t{Type: unix.F_WRLCK, Len: 3}
	if err := unix.FcntlFlock(uintptr(fd), unix.F_SETLK, &lk); err != nil {
		t.Fatal(err)
	}
	d, other := w.desc(fd), w.desc(fd)
	d.Info.Locks = nil
	d.PID = 1 << 22 // as if of another process
	d.AddHolder(d)
	d.AddHolder(other)
	f := &image.OpenFile{}
	if err := saveLocks(d, f); err != nil {
		t.Fatal(err)
	}
	if len(f.Locks) != 1 || f.Locks[0].PID != os.Getpid() || d.number(os.Getpid()) != fd {
		t.Errorf("locks %+v, number %d", f.Locks, d.number(os.Getpid()))
	}
}
