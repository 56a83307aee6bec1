package save

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"ckpt/internal/kind"
)

// TestNotCopied: who may not copy a descriptor is told why.
func TestNotCopied(t *testing.T) {
	t.Parallel()
	d := &kind.Desc{PID: 1, FD: 7, Link: "socket:[1]"}
	for errno, says := range map[error]string{syscall.ENOSYS: "Linux 5.6", syscall.EPERM: "as root"} {
		err := notCopied(d, os.NewSyscallError("pidfd_getfd", errno))
		if _, ok := errors.AsType[*kind.UnsupportedError](err); !ok || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "fd 7") {
			t.Errorf("%v: %v", errno, err)
		}
	}
	if err := notCopied(d, syscall.EBADF); !errors.Is(err, syscall.EBADF) {
		t.Error(err)
	}
}
