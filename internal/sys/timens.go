package sys

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// NewTimeNamespace makes a time namespace for the next program that the calling
// thread executes. monotonic and boottime are what it adds to the clocks of the
// machine, in nanoseconds. It needs CAP_SYS_ADMIN and Linux 5.6.
func NewTimeNamespace(monotonic, boottime int64) error {
	if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	// The kernel wants 0 <= nanoseconds < 1e9 also for negative offsets.
	split := func(ns int64) (seconds, rest int64) {
		seconds, rest = ns/1e9, ns%1e9
		if rest < 0 {
			seconds, rest = seconds-1, rest+1e9
		}
		return seconds, rest
	}
	ms, mns := split(monotonic)
	bs, bns := split(boottime)
	text := fmt.Sprintf("monotonic %d %d\nboottime %d %d\n", ms, mns, bs, bns)
	// /proc/self would name the thread group's leader, and /proc/thread-self
	// does not have the file.
	return os.WriteFile(fmt.Sprintf("/proc/%d/timens_offsets", unix.Gettid()), []byte(text), 0)
}
