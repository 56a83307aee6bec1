package proc

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// owned closes fd at the end of the test.
func owned(t *testing.T, what string, fd int, err error) int {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func fdinfo(t *testing.T, fd int) FDInfo {
	t.Helper()
	info, err := self().FDInfo(fd)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestLiveFD(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a\nb\\ (deleted)")
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_APPEND|unix.O_CLOEXEC, 0o600)
	owned(t, "open", fd, err)
	if _, err := unix.Write(fd, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(fd, unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	lock := unix.Flock_t{Type: unix.F_RDLCK, Start: 3, Len: 4}
	if err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &lock); err != nil {
		t.Fatal(err)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		t.Fatal(err)
	}
	list, err := self().FDs()
	if err != nil || !slices.Contains(list, fd) || !slices.IsSorted(list) {
		t.Errorf("descriptors are %d, %v; want %d among them", list, err, fd)
	}
	if link, err := self().FDLink(fd); err != nil || link != path {
		t.Errorf("link is %q, %v; want %q", link, err, path)
	}
	info := fdinfo(t, fd)
	const want = unix.O_RDWR | unix.O_APPEND | unix.O_CLOEXEC
	if info.Pos != 10 || info.Flags&(want|unix.O_NONBLOCK) != want || info.Ino != stat.Ino || len(info.Extra) > 0 {
		t.Errorf("fdinfo is %+v", info)
	}
	mounts, err := self().MountInfo()
	if err != nil || !slices.ContainsFunc(mounts, func(m Mount) bool { return m.ID == info.MntID }) {
		t.Errorf("mount %d is not among the %d mounts, %v", info.MntID, len(mounts), err)
	}
	all, err := Host().Locks()
	if err != nil {
		t.Fatal(err)
	}
	for _, locks := range [][]Lock{info.Locks, all} {
		for _, want := range []Lock{
			{Type: "FLOCK", Access: "WRITE", PID: os.Getpid(), End: -1},
			{Type: "OFDLCK", Access: "READ", PID: -1, Start: 3, End: 6},
		} {
			want.Mode, want.Inode = "ADVISORY", stat.Ino
			want.DevMajor, want.DevMinor = unix.Major(stat.Dev), unix.Minor(stat.Dev)
			if !slices.ContainsFunc(locks, func(k Lock) bool { k.ID = 0; return k == want }) {
				t.Errorf("%+v is not in %+v", want, locks)
			}
		}
	}
	const closed = 1 << 20
	for _, err := range []error{
		func() error { _, err := self().FDLink(closed); return err }(),
		func() error { _, err := self().FDInfo(closed); return err }(),
	} {
		if !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrGone) {
			t.Errorf("descriptor that is not open: %v", err)
		}
	}
}

func TestLiveEventFD(t *testing.T) {
	t.Parallel()
	fd, err := unix.Eventfd(42, unix.EFD_CLOEXEC|unix.EFD_SEMAPHORE)
	info := fdinfo(t, owned(t, "eventfd", fd, err))
	if e := info.EventFD; e == nil || e.Count != 42 || e.Told && !e.Semaphore || len(info.Extra) > 0 {
		t.Errorf("eventfd is %+v of %+v", info.EventFD, info)
	}
}

func TestLiveEpoll(t *testing.T) {
	t.Parallel()
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	owned(t, "epoll", fd, err)
	target, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	owned(t, "eventfd", target, err)
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: -2, Pad: 7}
	if err := unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, target, &event); err != nil {
		t.Fatal(err)
	}
	info := fdinfo(t, fd)
	if len(info.Epoll) != 1 || len(info.Extra) > 0 {
		t.Fatalf("epoll is %+v", info)
	}
	e := info.Epoll[0]
	if e.FD != target || e.Events&(unix.EPOLLIN|unix.EPOLLET) != unix.EPOLLIN|unix.EPOLLET ||
		e.Data != 7<<32|0xfffffffe || e.Ino != fdinfo(t, target).Ino {
		t.Errorf("target is %+v", e)
	}
}

func TestLiveTimerFD(t *testing.T) {
	t.Parallel()
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
	owned(t, "timerfd", fd, err)
	set := unix.ItimerSpec{Value: unix.Timespec{Sec: 1000}, Interval: unix.Timespec{Sec: 3, Nsec: 500}}
	if err := unix.TimerfdSettime(fd, 0, &set, nil); err != nil {
		t.Fatal(err)
	}
	info := fdinfo(t, fd)
	if e := info.TimerFD; e == nil || e.Clock != unix.CLOCK_MONOTONIC || e.Interval != 3e9+500 ||
		e.Value > 1000e9 || e.Value < 900e9 || e.Ticks != 0 || e.SettimeFlags != 0 || len(info.Extra) > 0 {
		t.Errorf("timerfd is %+v of %+v", info.TimerFD, info)
	}
	set.Value.Sec = 1 // an absolute time in the past
	if err := unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME, &set, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "tick", func() bool { return fdinfo(t, fd).TimerFD.Ticks > 0 })
	if e := fdinfo(t, fd).TimerFD; e.SettimeFlags != unix.TFD_TIMER_ABSTIME {
		t.Errorf("timerfd is %+v", e)
	}
}

func TestLiveSignalFD(t *testing.T) {
	t.Parallel()
	var set unix.Sigset_t
	set.Val[0] = 1<<(uint(unix.SIGUSR1)-1) | 1<<63
	fd, err := unix.Signalfd(-1, &set, unix.SFD_CLOEXEC)
	info := fdinfo(t, owned(t, "signalfd", fd, err))
	if info.SigMask == nil || *info.SigMask != set.Val[0] || len(info.Extra) > 0 {
		t.Errorf("signalfd is %+v", info)
	}
}

func TestLiveInotify(t *testing.T) {
	t.Parallel()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	owned(t, "inotify", fd, err)
	dir := t.TempDir()
	wd, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE|unix.IN_ONESHOT)
	if err != nil {
		t.Fatal(err)
	}
	var stat unix.Stat_t
	if err := unix.Stat(dir, &stat); err != nil {
		t.Fatal(err)
	}
	info := fdinfo(t, fd)
	if len(info.Inotify) != 1 || len(info.Extra) > 0 {
		t.Fatalf("inotify is %+v", info)
	}
	w := info.Inotify[0]
	if w.WD != wd || w.Ino != stat.Ino || w.Dev != unix.Major(stat.Dev)<<20|unix.Minor(stat.Dev) ||
		w.Mask&unix.IN_CREATE == 0 {
		t.Errorf("watch is %+v, want wd %d, inode %d, device %#x", w, wd, stat.Ino, stat.Dev)
	}
	handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, dir, 0)
	if err == nil && w.Handle != nil && string(w.Handle) != string(handle.Bytes()) {
		t.Errorf("handle is %x, want %x", w.Handle, handle.Bytes())
	}
}

func TestLivePidFD(t *testing.T) {
	t.Parallel()
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	info := fdinfo(t, owned(t, "pidfd", fd, err))
	if p := info.PidFD; p == nil || p.PID != os.Getpid() || len(p.NSPid) == 0 || p.NSPid[0] != os.Getpid() || len(info.Extra) > 0 {
		t.Errorf("pidfd is %+v of %+v", info.PidFD, info)
	}
}

// TestLiveKinds reads what has lines of no kind known here.
func TestLiveKinds(t *testing.T) {
	t.Parallel()
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	owned(t, "pty", master, err)
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	info := fdinfo(t, master)
	if v, ok := info.Lookup("tty-index"); !ok || v != strconv.Itoa(n) {
		t.Errorf("tty-index is %q, want %d", v, n)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range pair {
		fdinfo(t, owned(t, "socketpair", fd, nil))
	}
}

// TestLiveTimers makes POSIX timers of each way to notify.
func TestLiveTimers(t *testing.T) {
	t.Parallel()
	type sigevent struct {
		value  uint64
		signo  int32
		notify int32
		tid    int32
		_      [44]byte
	}
	for _, event := range []sigevent{
		{value: 0xdeadbeef00000001, signo: int32(unix.SIGUSR1), notify: 0},
		{value: 2, notify: sigevNone},
		{value: 3, signo: int32(unix.SIGUSR2), notify: sigevThreadID, tid: int32(os.Getpid())},
	} {
		var id int32
		_, _, errno := unix.Syscall(unix.SYS_TIMER_CREATE, unix.CLOCK_MONOTONIC,
			uintptr(unsafe.Pointer(&event)), uintptr(unsafe.Pointer(&id)))
		if errno != 0 {
			t.Fatal(errno)
		}
		t.Cleanup(func() { unix.Syscall(unix.SYS_TIMER_DELETE, uintptr(id), 0, 0) })
		list, err := self().Timers()
		if err != nil {
			t.Fatal(err)
		}
		want := Timer{
			ID: int(id), Signal: int(event.signo), SigValue: event.value, Notify: int(event.notify),
			Target: os.Getpid(), Clock: unix.CLOCK_MONOTONIC,
		}
		if !slices.Contains(list, want) {
			t.Errorf("%+v is not in %+v", want, list)
		}
	}
}
