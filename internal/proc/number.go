package proc

import (
	"bytes"
	"strconv"
)

// unsigned reads all of b as a number in base. It reports whether b is one,
// without sign or space, and fits.
func unsigned[T uint32 | uint64](dst *T, b []byte, base int) bool {
	v, err := strconv.ParseUint(string(b), base, 64)
	*dst = T(v)
	return err == nil && uint64(*dst) == v
}

// signed reads all of b as a decimal number with or without a minus.
func signed[T int | int64](dst *T, b []byte) bool {
	if len(b) > 0 && b[0] == '+' {
		return false
	}
	v, err := strconv.ParseInt(string(b), 10, 64)
	*dst = T(v)
	return err == nil && int64(*dst) == v
}

// count reads all of b as a decimal number that is not negative.
func count(dst *int, b []byte) bool { return signed(dst, b) && *dst >= 0 && b[0] != '-' }

// flag reads "0" or "1".
func flag(dst *bool, b []byte) bool {
	*dst = string(b) == "1"
	return *dst || string(b) == "0"
}

// kilobytes reads "  12 kB" as 12288.
func kilobytes(dst *uint64, b []byte) bool {
	digits, ok := bytes.CutSuffix(bytes.TrimLeft(b, " \t"), []byte(" kB"))
	if !ok || !unsigned(dst, digits, 10) || *dst > ^uint64(0)>>10 {
		return false
	}
	*dst <<= 10
	return true
}

// integers reads numbers with blanks between them.
func integers(b []byte) ([]int, bool) {
	var list []int
	for _, f := range bytes.Fields(b) {
		var n int
		if !signed(&n, f) {
			return nil, false
		}
		list = append(list, n)
	}
	return list, true
}

// four reads exactly four numbers.
func four(dst *[4]int, b []byte) bool {
	list, ok := integers(b)
	return ok && len(list) == 4 && copy(dst[:], list) == 4
}

// cut splits b at the first sep. Without one all of b is before it.
func cut(b []byte, sep byte) (before, after []byte, ok bool) {
	i := bytes.IndexByte(b, sep)
	if i < 0 {
		return b, nil, false
	}
	return b[:i], b[i+1:], true
}
