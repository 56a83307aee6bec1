package proc

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFDInfo(t *testing.T) {
	t.Parallel()
	const head = "pos:\t-1\nflags:\t02104002\nmnt_id:\t15\nino:\t4242\n"
	mask := uint64(0x8000000000000200)
	for name, c := range map[string]struct {
		text string
		want FDInfo
	}{
		"plain": {"", FDInfo{}},
		"locks": {
			"lock:\t1: FLOCK  ADVISORY  WRITE 359 00:13:11691 0 EOF\nlock:\t2: OFDLCK ADVISORY  READ  -1 fe:00:7 10 19\n",
			FDInfo{Locks: []Lock{
				{ID: 1, Type: "FLOCK", Mode: "ADVISORY", Access: "WRITE", PID: 359, DevMinor: 0x13, Inode: 11691, End: -1},
				{ID: 2, Type: "OFDLCK", Mode: "ADVISORY", Access: "READ", PID: -1, DevMajor: 0xfe, Inode: 7, Start: 10, End: 19},
			}},
		},
		"eventfd": {
			"eventfd-count:               2a\neventfd-id: 3\neventfd-semaphore: 1\n",
			FDInfo{EventFD: &EventFD{Count: 42, ID: 3, Semaphore: true, Told: true}},
		},
		"eventfd of 5.10": {"eventfd-count: ffffffffffffffff\neventfd-id: 0\n", FDInfo{EventFD: &EventFD{Count: 1<<64 - 1}}},
		"epoll": {
			"tfd:        5 events: 8000001d data: ffffffffffffffff  pos:7 ino:61af sdev:fe00000\n" +
				"tfd:     1024 events:       19 data:                0  pos:0 ino:1 sdev:9\n",
			FDInfo{Epoll: []EpollTarget{
				{FD: 5, Events: 0x8000001d, Data: 1<<64 - 1, Pos: 7, Ino: 0x61af, Dev: 0xfe00000},
				{FD: 1024, Events: 0x19, Ino: 1, Dev: 9},
			}},
		},
		"timerfd": {
			"clockid: 7\nticks: 3\nsettime flags: 01\nit_value: (0, 49406829)\nit_interval: (9223372036, 854775807)\n",
			FDInfo{TimerFD: &TimerFD{Clock: 7, Ticks: 3, SettimeFlags: 1, Value: 49406829, Interval: 1<<63 - 1}},
		},
		"signalfd": {"sigmask:\t8000000000000200\n", FDInfo{SigMask: &mask}},
		"inotify": {
			"inotify wd:3 ino:9e7e sdev:800013 mask:800afce ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:7e9e0000640d1b6d\n" +
				"inotify wd:a ino:a111 sdev:13 mask:2 ignored_mask:1\n" +
				"inotify wd:b ino:a111 sdev:13 mask:2 ignored_mask:0 \n",
			FDInfo{Inotify: []InotifyWatch{
				{
					WD: 3, Ino: 0x9e7e, Dev: 0x800013, Mask: 0x800afce, HandleType: 1,
					Handle: []byte{0x7e, 0x9e, 0, 0, 0x64, 0xd, 0x1b, 0x6d},
				},
				{WD: 10, Ino: 0xa111, Dev: 0x13, Mask: 2, IgnoredMask: 1},
				{WD: 11, Ino: 0xa111, Dev: 0x13, Mask: 2},
			}},
		},
		"pidfd":           {"Pid:\t17\nNSpid:\t17\t3\n", FDInfo{PidFD: &PidFD{PID: 17, NSPid: []int{17, 3}}}},
		"pidfd of nobody": {"Pid:\t-1\nNSpid:\t-1\n", FDInfo{PidFD: &PidFD{PID: -1, NSPid: []int{-1}}}},
		"others": {
			"tty-index:\t3\nscm_fds: 0\n  op=1, task_works=0\n\n",
			FDInfo{Extra: []string{"tty-index:\t3", "scm_fds: 0", "  op=1, task_works=0", ""}},
		},
	} {
		c.want.Pos, c.want.Flags, c.want.MntID, c.want.Ino = -1, 0o2104002, 15, 4242
		got := mustParse(t, head+c.text, parseFDInfo)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	info := mustParse(t, head+"tty-index:\t3\n", parseFDInfo)
	if v, ok := info.Lookup("tty-index"); v != "3" || !ok {
		t.Errorf("tty-index is %q, %v", v, ok)
	}
	if v, ok := info.Lookup("tty"); ok {
		t.Errorf("tty is %q", v)
	}
}

func TestFDInfoBad(t *testing.T) {
	t.Parallel()
	const head = "pos:\t0\nflags:\t02\nmnt_id:\t15\n"
	wantBad(t, "pos:\t0\nflags:\t02\n", 3, parseFDInfo)
	wantBad(t, "pos:\t0\nmnt_id:\t1\n", 3, parseFDInfo)
	wantBad(t, "pos:\t0\nflags:\t08\n", 2, parseFDInfo)
	for _, line := range []string{
		"pos:\tx",
		"flags:\t040000000000",
		"ino:\t-1",
		"lock:\t1: FLOCK ADVISORY WRITE 359 00:13:11691 0",
		"eventfd-count: g",
		"eventfd-semaphore: 2",
		"tfd:        5 events: 1d data: 0",
		"tfd:        5 events: 100000000 data: 0  pos:7 ino:61af sdev:9",
		"tfd:       -5 events: 1 data: 0  pos:7 ino:61af sdev:9",
		"tfd:        5 events 1 data: 0  pos:7 ino:61af sdev:9",
		"it_value: (0, 1000000000)",
		"it_value: (9223372037, 0)",
		"it_value: (9223372036, 854775808)",
		"it_interval: 0, 1",
		"it_interval: (0,1)",
		"sigmask:\t10000000000000000",
		"inotify wd:1 ino:1 sdev:1 mask:2",
		"inotify wd:80000000 ino:1 sdev:1 mask:2 ignored_mask:0",
		"inotify wd:1 ino:1 sdev:1 mask:2 ignored_mask:0 fhandle-bytes:3 fhandle-type:1 f_handle:0102",
		"inotify wd:1 ino:1 sdev:1 mask:2 ignored_mask:0 fhandle-bytes:2 fhandle-type:1 f_handle:010",
		"Pid:\tx",
		"NSpid:\t1 x",
	} {
		wantBad(t, head+line+"\n", 4, parseFDInfo)
	}
}
