package plan

import (
	"fmt"
	"syscall"
)

// What a failed plan says, by the interpreter and by Run alike:
//
//	ckpt: WHAT: error text
//	ckpt: WHAT: unexpected result 0xN
//	ckpt: WHAT: wrong checksum at file offset 0xN
const (
	parkText   = "map the restore plan"
	notAnError = "unexpected result 0x"
	wrongSum   = "wrong checksum at file offset 0x"
)

// maxErrno is the largest error number that a system call can return
// (MAX_ERRNO, include/linux/err.h).
const maxErrno = 4095

// errorText is entry n of the table of error texts.
func errorText(n int) string {
	switch n {
	case 0:
		return notAnError
	case wrongSumText:
		return wrongSum
	}
	return syscall.Errno(n).Error()
}

// isError reports whether a result of a system call is a negated errno.
func isError(result uint64) bool { return -result-1 < maxErrno }

// describe says in words what is wrong with the result of an op.
func describe(code Code, result uint64) string {
	if code == Sums {
		return fmt.Sprintf("%s%x", wrongSum, result)
	}
	if n := -result; n > 0 && n < numErrors {
		return errorText(int(n))
	}
	return fmt.Sprintf("%s%x", notAnError, result)
}
