package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// Flags of memfd_create(2) beside MFD_CLOEXEC.
const (
	MFDAllowSealing = unix.MFD_ALLOW_SEALING
	MFDNoexecSeal   = unix.MFD_NOEXEC_SEAL
	MFDExec         = unix.MFD_EXEC
)

// Seals of a memfd, see F_ADD_SEALS in fcntl(2).
const (
	SealSeal        = unix.F_SEAL_SEAL
	SealShrink      = unix.F_SEAL_SHRINK
	SealGrow        = unix.F_SEAL_GROW
	SealWrite       = unix.F_SEAL_WRITE
	SealFutureWrite = unix.F_SEAL_FUTURE_WRITE
	SealExec        = unix.F_SEAL_EXEC
)

// CreateMemfd makes a close-on-exec memfd, see memfd_create(2).
func CreateMemfd(name string, flags int) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), "/memfd:"+name), nil
}

// Seals are the seals of a memfd. EINVAL says that fd is something else.
func Seals(fd int) (int, error) { return fcntl(fd, unix.F_GET_SEALS, 0) }

// AddSeals adds seals to a memfd.
func AddSeals(fd, seals int) error {
	_, err := fcntl(fd, unix.F_ADD_SEALS, seals)
	return err
}
