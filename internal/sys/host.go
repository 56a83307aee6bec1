package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// Uname returns the host's name and its kernel's release.
func Uname() (node, release string, err error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", "", os.NewSyscallError("uname", err)
	}
	return unix.ByteSliceToString(u.Nodename[:]), unix.ByteSliceToString(u.Release[:]), nil
}

// Clocks that a checkpoint records; see clock_gettime(2).
const (
	ClockRealtime  = unix.CLOCK_REALTIME
	ClockMonotonic = unix.CLOCK_MONOTONIC
	ClockBoottime  = unix.CLOCK_BOOTTIME
)

// ClockNow returns a clock's time in nanoseconds.
func ClockNow(clock int32) (int64, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(clock, &ts); err != nil {
		return 0, os.NewSyscallError("clock_gettime", err)
	}
	return ts.Nano(), nil
}
