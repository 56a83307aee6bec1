package plan

import (
	"fmt"
	"syscall"
)

// What a failed plan says, by the interpreter and by Run alike:
//
//	ckpt: WHAT: error text
//	ckpt: WHAT: unexpected result 0xN
const (
	parkText   = "map the restore plan"
	notAnError = "unexpected result 0x"
)

// maxErrno is the largest error number that a system call can return
// (MAX_ERRNO, include/linux/err.h).
const maxErrno = 4095

// errorText is entry n of the table of error texts.
func errorText(n int) string {
	if n == 0 {
		return notAnError
	}
	return syscall.Errno(n).Error()
}

// isError reports whether a result of a system call is a negated errno.
func isError(result uint64) bool { return -result-1 < maxErrno }

// describe says in words what is wrong with a result.
func describe(result uint64) string {
	if n := -result; n > 0 && n < numErrors {
		return errorText(int(n))
	}
	return fmt.Sprintf("%s%x", notAnError, result)
}
