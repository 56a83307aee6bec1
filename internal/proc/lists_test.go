package proc

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLocks(t *testing.T) {
	t.Parallel()
	text := `1: POSIX  ADVISORY  WRITE 4711 fe:00:247278 0 EOF
1: -> POSIX  ADVISORY  READ  4712 fe:00:247278 10 9223372036854775806
1:  -> POSIX  ADVISORY  WRITE 4713 fe:00:247278 10 19
2: LEASE  ACTIVE    READ  17 103:fffff:18446744073709551615 0 EOF
3: FLOCK  ADVISORY  WRITE 0 00:13:1 0 EOF
4: ACCESS *NOINODE* READ  5 <none>:0 0 EOF
`
	want := []Lock{
		{ID: 1, Type: "POSIX", Mode: "ADVISORY", Access: "WRITE", PID: 4711, DevMajor: 0xfe, Inode: 247278, End: -1},
		{
			ID: 1, Type: "POSIX", Mode: "ADVISORY", Access: "READ", PID: 4712, DevMajor: 0xfe, Inode: 247278,
			Start: 10, End: 1<<63 - 2, Blocked: true,
		},
		{
			ID: 1, Type: "POSIX", Mode: "ADVISORY", Access: "WRITE", PID: 4713, DevMajor: 0xfe, Inode: 247278,
			Start: 10, End: 19, Blocked: true,
		},
		{
			ID: 2, Type: "LEASE", Mode: "ACTIVE", Access: "READ", PID: 17,
			DevMajor: 0x103, DevMinor: 0xfffff, Inode: 1<<64 - 1, End: -1,
		},
		{ID: 3, Type: "FLOCK", Mode: "ADVISORY", Access: "WRITE", DevMinor: 0x13, Inode: 1, End: -1},
		{ID: 4, Type: "ACCESS", Mode: "*NOINODE*", Access: "READ", PID: 5, End: -1},
	}
	if diff := cmp.Diff(want, mustParse(t, text, parseLocks)); diff != "" {
		t.Error(diff)
	}
	for _, line := range []string{
		"",
		"1: POSIX ADVISORY WRITE 4711 fe:00:247278 0",
		"1 POSIX ADVISORY WRITE 4711 fe:00:247278 0 EOF",
		"1: POSIX ADVISORY WRITE 4711 fe:00:247278 0 EOF x",
		"1: UNKNOWN UNKNOWN READ 4711 fe:00:247278 0 EOF",
		"1: POSIX ADVISORY EXEC 4711 fe:00:247278 0 EOF",
		"1: POSIX ADVISORY WRITE x fe:00:247278 0 EOF",
		"1: POSIX ADVISORY WRITE 4711 fe:247278 0 EOF",
		"1: POSIX ADVISORY WRITE 4711 fe:00:247278 0 -1",
		"1: POSIX ADVISORY WRITE 4711 fe:00:247278 0 9223372036854775808",
		"1: -> -> POSIX ADVISORY WRITE 4711 fe:00:247278 0 EOF",
	} {
		wantBad(t, line+"\n", 1, parseLocks)
	}
}

func TestTimers(t *testing.T) {
	t.Parallel()
	text := `ID: 3
signal: 60/00007fff86e452a8
notify: signal/tid.2634
ClockID: 0
ID: 2147483647
signal: 0/ffffffffffffffff
notify: none/pid.0
ClockID: -6
`
	got := mustParse(t, text, parseTimers)
	want := []Timer{
		{ID: 3, Signal: 60, SigValue: 0x7fff86e452a8, Notify: sigevThreadID, Target: 2634},
		{ID: 2147483647, SigValue: 1<<64 - 1, Notify: sigevNone, Clock: -6},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !got[0].ThreadDirected() || got[1].ThreadDirected() {
		t.Error("ThreadDirected is wrong")
	}
	got = mustParse(t, "ID: 0\nsignal: 10/0\nnotify: thread/pid.5\nClockID: 1\n", parseTimers)
	if got[0].Notify != sigevThread || got[0].Target != 5 {
		t.Errorf("SIGEV_THREAD timer is %+v", got[0])
	}
	const a, b, c = "ID: 0\n", "signal: 10/0\n", "notify: signal/pid.5\n"
	wantBad(t, "signal: 1/0\n", 1, parseTimers)
	wantBad(t, a+a, 2, parseTimers)
	wantBad(t, a+"signal: 1\n", 2, parseTimers)
	wantBad(t, a+b+"notify: smoke/pid.5\n", 3, parseTimers)
	wantBad(t, a+b+"notify: signal/gid.5\n", 3, parseTimers)
	wantBad(t, a+b+"notify: signal/pid.-5\n", 3, parseTimers)
	wantBad(t, a+b+c, 4, parseTimers)
	wantBad(t, a+b+c+"ClockID: x\n", 4, parseTimers)
}

func TestMountInfo(t *testing.T) {
	t.Parallel()
	text := `36 35 98:0 /mnt1 /mnt\0402\134x\011 rw,noatime master:1 propagate_from:2 - ext3 /dev/root rw,errors=continue
1 0 0:1048575 net:[4026532281] / ro - tmpfs  rw
2 1 0:5 /a//deleted /b\012- ro - fuse.sshfs u@h:/a\043b rw,user_id=0
`
	want := []Mount{
		{
			ID: 36, Parent: 35, Major: 98, Root: "/mnt1", MountPoint: "/mnt 2\\x\t", Options: []string{"rw", "noatime"},
			Optional: []string{"master:1", "propagate_from:2"}, FSType: "ext3", Source: "/dev/root",
			SuperOptions: []string{"rw", "errors=continue"},
		},
		{
			ID: 1, Minor: 1048575, Root: "net:[4026532281]", MountPoint: "/", Options: []string{"ro"},
			FSType: "tmpfs", SuperOptions: []string{"rw"},
		},
		{
			ID: 2, Parent: 1, Minor: 5, Root: "/a//deleted", MountPoint: "/b\n-", Options: []string{"ro"},
			FSType: "fuse.sshfs", Source: "u@h:/a#b", SuperOptions: []string{"rw", "user_id=0"},
		},
	}
	if diff := cmp.Diff(want, mustParse(t, text, parseMountInfo)); diff != "" {
		t.Error(diff)
	}
	for _, line := range []string{
		"",
		"36 35 98:0 / / rw ext3 /dev/root rw",
		"36 35 98:0 / / - ext3 /dev/root rw",
		"36 35 98:0 / / rw - ext3 /dev/root",
		"36 35 98 / / rw - ext3 /dev/root rw",
		"x 35 98:0 / / rw - ext3 /dev/root rw",
		"36 35 98:0 / /a\\9 rw - ext3 /dev/root rw",
	} {
		wantBad(t, line+"\n", 1, parseMountInfo)
	}
}
