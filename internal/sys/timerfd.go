package sys

import (
	"encoding/binary"
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// More clocks, and flags of timerfd_settime(2).
const (
	ClockRealtimeAlarm   = unix.CLOCK_REALTIME_ALARM
	TimerfdAbstime       = unix.TFD_TIMER_ABSTIME
	TimerfdCancelOnSet   = unix.TFD_TIMER_CANCEL_ON_SET
	TimerfdSetTicksIoctl = 0x40085400 // TFD_IOC_SET_TICKS, _IOW('T', 0, __u64)
)

// CreateTimerfd makes a close-on-exec timerfd without blocking, disarmed.
func CreateTimerfd(clock int) (*os.File, error) {
	fd, err := unix.TimerfdCreate(clock, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	return os.NewFile(uintptr(fd), "timerfd"), nil
}

// UpdateTimerfd is timerfd_gettime(2) for its side effect: a periodic timer
// that has expired stands still until somebody reads it or asks for its time;
// then the kernel counts what was missed and starts it again.
func UpdateTimerfd(fd int) error {
	var t unix.ItimerSpec
	return os.NewSyscallError("timerfd_gettime", unix.TimerfdGettime(fd, &t))
}

// TimerfdTicksSettable reports whether the kernel has TFD_IOC_SET_TICKS
// (CONFIG_CHECKPOINT_RESTORE), by asking for what is refused with EINVAL only
// where it is known.
func TimerfdTicksSettable(fd int) bool {
	var none uint64
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), TimerfdSetTicksIoctl, uintptr(unsafe.Pointer(&none)))
	return errors.Is(errno, unix.EINVAL)
}

// ItimerSpecBytes is struct itimerspec as it is in memory; times in ns, not
// negative.
func ItimerSpecBytes(interval, value int64) []byte {
	const second = 1e9
	var b []byte
	for _, v := range []int64{interval / second, interval % second, value / second, value % second} {
		b = binary.NativeEndian.AppendUint64(b, uint64(v))
	}
	return b
}
