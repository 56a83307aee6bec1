package proc

import "bytes"

// Lock is a lock or lease on a file, as /proc/locks and fdinfo tell it.
type Lock struct {
	ID                 int64
	Type               string // "FLOCK", "POSIX", "OFDLCK", "ACCESS", "LEASE", "DELEG"
	Mode               string // "ADVISORY"; of leases "ACTIVE", "BREAKING" or "BREAKER"
	Access             string // "READ", "WRITE", "UNLCK"; of old share locks "NONE", "RW"
	PID                int    // the owner; -1 for OFDLCK, 0: not in this pid namespace
	DevMajor, DevMinor uint32
	Inode              uint64
	Start, End         int64 // End is the last byte, -1: to the end of the file
	Blocked            bool  // waits for the lock with the same ID
}

// Locks reads /proc/locks: all locks of all processes whose owner is in the
// pid namespace of f, about 1 us each.
func (f FS) Locks() ([]Lock, error) {
	return parseFile(f.root(), "locks", maxList, parseLocks)
}

func parseLocks(l *lines) ([]Lock, error) {
	var list []Lock
	for l.next() {
		lock, ok := parseLock(l.text)
		if !ok {
			return nil, l.bad("lock")
		}
		list = append(list, lock)
	}
	return list, nil
}

// parseLock reads one of
//
//	1: POSIX  ADVISORY  WRITE 4711 fe:00:247278 0 EOF
//	1: -> POSIX  ADVISORY  READ  4712 fe:00:247278 10 19
//
// (lock_get_status in fs/locks.c).
func parseLock(b []byte) (k Lock, ok bool) {
	f := bytes.Fields(b)
	if len(f) > 1 && string(f[1]) == "->" {
		k.Blocked = true
		f = append(f[:1], f[2:]...)
	}
	if len(f) != 8 {
		return k, false
	}
	id, colon := bytes.CutSuffix(f[0], []byte(":"))
	if !colon || !signed(&k.ID, id) || !signed(&k.PID, f[4]) {
		return k, false
	}
	k.Type, k.Mode, k.Access = string(f[1]), string(f[2]), string(f[3])
	if !lockWords[0][k.Type] || !lockWords[1][k.Mode] || !lockWords[2][k.Access] {
		return k, false
	}
	k.End = -1
	return k, k.setInode(f[5]) && signed(&k.Start, f[6]) &&
		(string(f[7]) == "EOF" || signed(&k.End, f[7]) && k.End >= 0)
}

// lockWords are the words the second to fourth column can have.
var lockWords = [3]map[string]bool{
	{"FLOCK": true, "POSIX": true, "OFDLCK": true, "ACCESS": true, "LEASE": true, "DELEG": true},
	{
		"ADVISORY": true, "*NOINODE*": true, "MANDATORY": true, "MSNFS": true, // the last two before 5.15
		"ACTIVE": true, "BREAKING": true, "BREAKER": true,
	},
	{"READ": true, "WRITE": true, "UNLCK": true, "NONE": true, "RW": true},
}

// setInode reads major:minor:inode, the first two hexadecimal.
func (k *Lock) setInode(b []byte) bool {
	if string(b) == "<none>:0" {
		return true
	}
	major, rest, _ := cut(b, ':')
	minor, inode, _ := cut(rest, ':')
	return unsigned(&k.DevMajor, major, 16) && unsigned(&k.DevMinor, minor, 16) &&
		unsigned(&k.Inode, inode, 10)
}
