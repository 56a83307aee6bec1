package kind

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

func addressOf(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(&b[0]))) }

// messageQueue opens a POSIX message queue without a name.
func (w *world) messageQueue() int {
	w.t.Helper()
	name, err := unix.BytePtrFromString(fmt.Sprintf("ckpt-test-%d", os.Getpid()))
	if err != nil {
		w.t.Fatal(err)
	}
	fd, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(name)), unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600, 0, 0, 0)
	if errno != 0 {
		w.t.Skipf("no message queues: %v", errno)
	}
	_, _, _ = unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(name)), 0, 0)
	return w.keep(int(fd), nil)
}
