package plan

import (
	"fmt"
	"strconv"
	"strings"
)

// argKind says how an argument is printed.
type argKind struct {
	// constant prints an argument that depends on no slot; nil: as hex.
	constant func(v uint64) string
	// size gives the number of bytes that the argument points to, 0 if that is
	// not known before the plan runs.
	size func(op *Op, i int) uint64
	// cstring is set for arguments that point to a string.
	cstring bool
}

var (
	hex     = argKind{constant: hexNumber}
	address = argKind{constant: pointer}
	number  = argKind{constant: signed}
	octal   = argKind{constant: func(v uint64) string { return fmt.Sprintf("%#o", v) }}
	fd      = argKind{constant: descriptor}
	text    = argKind{constant: pointer, cstring: true}
	// textOrHex is a string or a number, as prctl takes them.
	textOrHex = argKind{constant: hexNumber, cstring: true}
	// buffer is as long as the next argument says.
	buffer = argKind{constant: pointer, size: func(op *Op, i int) uint64 {
		if i+1 >= len(op.Args) || op.Args[i+1].Slot != Zero {
			return 0
		}
		return op.Args[i+1].Imm
	}}
)

// structure is a pointer to a structure of n bytes.
func structure(n uint64) argKind {
	return argKind{constant: pointer, size: func(*Op, int) uint64 { return n }}
}

func hexNumber(v uint64) string {
	if v < 10 {
		return strconv.FormatUint(v, 10)
	}
	return fmt.Sprintf("%#x", v)
}

func pointer(v uint64) string {
	if v == 0 {
		return "NULL"
	}
	return fmt.Sprintf("%#x", v)
}

// signed prints a number that may be a negative int or long: both are passed
// as 64 bits, an int often without its sign.
func signed(v uint64) string {
	if v>>31 == 1 {
		return strconv.Itoa(int(int32(v)))
	}
	return strconv.FormatInt(int64(v), 10)
}

// atFDCWD is AT_FDCWD, include/uapi/linux/fcntl.h.
const atFDCWD = -100

func descriptor(v uint64) string {
	if int32(v) == atFDCWD {
		return "AT_FDCWD"
	}
	return strconv.Itoa(int(int32(v)))
}

// flag is a name for the bits in value.
type flag struct {
	value uint64
	name  string
}

// flags prints a combination of bits. Names for several bits come before those
// for one of them; a name for 0 is used if nothing is set.
func flags(names ...flag) argKind {
	return argKind{constant: func(v uint64) string {
		var set []string
		rest := v
		for _, f := range names {
			if f.value == v && v == 0 {
				return f.name
			}
			if f.value != 0 && rest&f.value == f.value {
				set = append(set, f.name)
				rest &^= f.value
			}
		}
		if rest != 0 || len(set) == 0 {
			set = append(set, hexNumber(rest))
		}
		return strings.Join(set, "|")
	}}
}

// choice prints one of several values.
func choice(names ...flag) argKind {
	return argKind{constant: func(v uint64) string {
		for _, f := range names {
			if f.value == v {
				return f.name
			}
		}
		return signed(v)
	}}
}
