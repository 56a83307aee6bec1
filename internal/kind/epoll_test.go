package kind

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

func (w *world) epoll() int {
	w.t.Helper()
	return w.keep(unix.EpollCreate1(unix.EPOLL_CLOEXEC))
}

func (w *world) register(ep, fd int, events uint32, data uint64) {
	w.t.Helper()
	if err := sys.EpollAdd(ep, fd, events, data); err != nil {
		w.t.Fatal(err)
	}
}

func ready(t *testing.T, ep int) []uint64 {
	t.Helper()
	data, err := sys.EpollReady(ep)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(data)
	return data
}

// registrations are what the kernel lists, without what changes.
func (w *world) registrations(ep int) []proc.EpollTarget {
	list := w.desc(ep).Info.Epoll
	for i := range list {
		list[i].Ino, list[i].Pos = 0, 0
	}
	slices.SortFunc(list, func(a, b proc.EpollTarget) int { return int(int64(a.Data) - int64(b.Data)) })
	return list
}

func TestEpollKeepsRegistrations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ep := w.epoll()
	r, wr := w.pipe(0)
	event := w.keep(unix.Eventfd(1, unix.EFD_CLOEXEC))
	w.register(ep, r, sys.EpollIn|sys.EpollET, 1<<63|1)
	w.register(ep, wr, sys.EpollOut|sys.EpollExclusive, 1<<40|2)
	w.register(ep, event, sys.EpollIn|sys.EpollOneshot, 3)
	w.save(ep, r, wr, event)
	before := w.registrations(ep)
	w.restore()
	if after := w.registrations(ep); !slices.Equal(after, before) {
		t.Errorf("%+v, want %+v", after, before)
	}
	if got, want := ready(t, ep), []uint64{3, 1<<40 | 2}; !slices.Equal(got, want) {
		t.Errorf("ready %x, want %x", got, want)
	}
	// They can be changed, since they are known by their numbers.
	if err := unix.EpollCtl(ep, unix.EPOLL_CTL_MOD, event, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: 9}); err != nil {
		t.Errorf("change: %v", err)
	}
	if err := unix.EpollCtl(ep, unix.EPOLL_CTL_DEL, wr, nil); err != nil {
		t.Errorf("remove: %v", err)
	}
	writeAll(t, wr, "x")
	if got, want := ready(t, ep), []uint64{9, 1<<63 | 1}; !slices.Equal(got, want) {
		t.Errorf("ready %x, want %x", got, want)
	}
}

func TestEpollNested(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	outer, inner := w.epoll(), w.epoll()
	r, wr := w.pipe(0)
	w.register(inner, r, sys.EpollIn, 1)
	w.register(outer, inner, sys.EpollIn, 2)
	w.save(outer, r, inner, wr)
	w.restore()
	if got := ready(t, outer); len(got) != 0 {
		t.Errorf("ready %x", got)
	}
	writeAll(t, wr, "x")
	if got := ready(t, outer); !slices.Equal(got, []uint64{2}) {
		t.Errorf("ready %x", got)
	}
}

func TestEpollDisabledOneshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ep := w.epoll()
	r, wr := w.pipe(0)
	w.register(ep, r, sys.EpollIn|sys.EpollOneshot, 1)
	w.shut(wr)
	if got := ready(t, ep); !slices.Equal(got, []uint64{1}) {
		t.Fatalf("ready %x", got)
	}
	other := w.keep(unix.Eventfd(1, unix.EFD_CLOEXEC))
	w.register(ep, other, sys.EpollIn, 2)
	w.save(other, r, ep)
	before := w.registrations(ep)
	w.restore()
	if got := ready(t, ep); !slices.Equal(got, []uint64{2}) {
		t.Errorf("ready %x: the disabled one was reported", got)
	}
	if after := w.registrations(ep); !slices.Equal(after, before) {
		t.Errorf("%+v, want %+v", after, before)
	}
}

// A registration outlives its number as long as there is a duplicate.
func TestEpollRegistrationWithoutItsNumber(t *testing.T) {
	t.Parallel()
	for _, reused := range []bool{false, true} {
		w := newWorld(t)
		ep := w.epoll()
		kept := w.keep(unix.Eventfd(1, unix.EFD_CLOEXEC))
		number := w.keep(unix.FcntlInt(uintptr(kept), unix.F_DUPFD_CLOEXEC, 400))
		w.register(ep, number, sys.EpollIn, 7)
		fds := []int{ep, kept}
		if reused {
			other := w.keep(unix.Eventfd(0, unix.EFD_CLOEXEC))
			if err := unix.Dup3(other, number, unix.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
			w.register(ep, number, sys.EpollIn, 8)
			fds = append(fds, number)
		} else {
			unix.Close(number)
		}
		w.save(fds...)
		before := w.registrations(ep)
		w.restore()
		if after := w.registrations(ep); !slices.Equal(after, before) {
			t.Errorf("reused %v: %+v, want %+v", reused, after, before)
		}
		if got := ready(t, ep); !slices.Equal(got, []uint64{7}) {
			t.Errorf("reused %v: ready %x", reused, got)
		}
		flags, err := unix.FcntlInt(uintptr(number), unix.F_GETFD, 0)
		if (err == nil) != reused || reused && flags != unix.FD_CLOEXEC {
			t.Errorf("reused %v: number %d has flags %#x, %v", reused, number, flags, err)
		}
		if reused {
			if got := w.desc(number).Info.EventFD.Count; got != 0 {
				t.Errorf("number %d is another file", number)
			}
		}
	}
}

func TestEpollOfWhatIsNotOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ep := w.epoll()
	hidden := w.keep(unix.Eventfd(1, unix.EFD_CLOEXEC))
	number := w.keep(unix.FcntlInt(uintptr(hidden), unix.F_DUPFD_CLOEXEC, 500))
	w.register(ep, number, sys.EpollIn, 7)
	unix.Close(number)
	w.all = []*Desc{w.desc(ep)} // as if another process had it
	_, err := w.describe(ep)
	wantRefused(t, err, "500", "not open")
}
