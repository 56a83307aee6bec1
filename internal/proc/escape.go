package proc

import (
	"bytes"
	"strings"
)

// newline undoes the one escape in maps: the kernel writes a newline in a path
// as \012 and a backslash as itself (seq_path in fs/seq_file.c), so a name that
// really contains these four characters looks the same.
func newline(b []byte) string {
	return strings.ReplaceAll(string(b), `\012`, "\n")
}

// octal undoes the escapes \ooo of mountinfo, where the backslash is escaped
// as well, so that nothing is ambiguous (mangle in fs/proc_namespace.c).
func octal(b []byte) (string, bool) {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b), true
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			out = append(out, b[i])
			continue
		}
		var v uint32
		if len(b) < i+4 || !unsigned(&v, b[i+1:i+4], 8) || v > 0xff {
			return "", false
		}
		out = append(out, byte(v))
		i += 3
	}
	return string(out), true
}

// comm undoes the escapes of Name in status: \n for a newline, \\ for a
// backslash, nothing else (proc_task_name in fs/proc/array.c).
func comm(b []byte) (string, bool) {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == '\\' {
			i++
			switch {
			case i < len(b) && b[i] == 'n':
				c = '\n'
			case i < len(b) && b[i] == '\\':
			default:
				return "", false
			}
		}
		out = append(out, c)
	}
	return string(out), true
}

const deletedSuffix = " (deleted)"

// SplitDeleted takes the " (deleted)" off a path that the kernel appends when
// the name is gone (d_path in fs/d_path.c). A file whose name really ends so
// looks the same; fstat on the descriptor or mapping, and stat on both names,
// tell the two apart.
func SplitDeleted(link string) (path string, deleted bool) {
	return strings.CutSuffix(link, deletedSuffix)
}
