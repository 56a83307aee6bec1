package proc

import (
	"bytes"
	"strconv"
	"strings"
)

// FDInfo is /proc/PID/fdinfo/FD. What only some kinds of file have is nil for
// the others.
type FDInfo struct {
	Pos   int64
	Flags uint32 // O_*; O_CLOEXEC is the descriptor's, the rest the open file's
	MntID int    // a MountInfo.ID
	Ino   uint64 // 0 before kernel 5.14

	Locks []Lock // held by this open file, or through it by the process

	EventFD *EventFD
	Epoll   []EpollTarget
	TimerFD *TimerFD
	SigMask *uint64 // of a signalfd; bit 0 is signal 1
	Inotify []InotifyWatch
	PidFD   *PidFD

	Extra []string // lines with any other key
}

// Lookup finds the value of a key in Extra, e.g. "tty-index" of a pty master.
func (i *FDInfo) Lookup(key string) (value string, ok bool) {
	for _, line := range i.Extra {
		if k, v, ok := strings.Cut(line, ":"); ok && k == key {
			return strings.TrimLeft(v, " \t"), true
		}
	}
	return "", false
}

// FDInfo reads what the kernel tells about an open descriptor, about 10 us and
// more for each target of an epoll or lock.
func (p Process) FDInfo(fd int) (FDInfo, error) {
	return parseFile(p.dir, "fdinfo/"+strconv.Itoa(fd), maxList, parseFDInfo)
}

func parseFDInfo(l *lines) (FDInfo, error) {
	var info FDInfo
	var seen [3]bool
	for l.next() {
		name, value, _ := cut(l.text, ':')
		value = bytes.TrimLeft(value, " \t")
		ok := true
		switch key := string(name); key {
		case "pos":
			seen[0], ok = true, signed(&info.Pos, value)
		case "flags":
			seen[1], ok = true, unsigned(&info.Flags, value, 8)
		case "mnt_id":
			seen[2], ok = true, signed(&info.MntID, value)
		case "ino":
			ok = unsigned(&info.Ino, value, 10)
		case "lock":
			var lock Lock
			lock, ok = parseLock(value)
			info.Locks = append(info.Locks, lock)
		default:
			var known bool
			if known, ok = info.setKind(key, value, l.text); !known {
				info.Extra = append(info.Extra, string(l.text))
			}
		}
		if !ok {
			return info, l.bad("value")
		}
	}
	if seen != [3]bool{true, true, true} {
		return info, l.errorf("no pos, flags or mnt_id")
	}
	return info, nil
}
