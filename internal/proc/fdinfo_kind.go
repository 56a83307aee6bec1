package proc

import (
	"bytes"
	"encoding/hex"
)

// EventFD is the state of an eventfd(2).
type EventFD struct {
	Count     uint64
	ID        int
	Semaphore bool // EFD_SEMAPHORE, if Told
	Told      bool // kernels before 6.5 do not tell what Semaphore is
}

// EpollTarget is one registration of an epoll(7) set. The target's file is
// told by inode and device, since the number tfd may be closed or be another
// file by now.
type EpollTarget struct {
	FD     int
	Events uint32
	Data   uint64
	Pos    int64
	Ino    uint64
	Dev    uint32 // the kernel's dev_t: major<<20 | minor
}

// TimerFD is the state of a timerfd_create(2) timer.
type TimerFD struct {
	Clock        int
	Ticks        uint64 // expirations not read yet
	SettimeFlags uint32 // TFD_TIMER_*
	Value        int64  // time left, ns; 0: disarmed
	Interval     int64  // ns
}

// InotifyWatch is one watch of an inotify(7) descriptor.
type InotifyWatch struct {
	WD          int
	Ino         uint64
	Dev         uint32 // as in EpollTarget
	Mask        uint32
	IgnoredMask uint32
	HandleType  uint32 // of name_to_handle_at(2)
	Handle      []byte // nil where the file system has no handles
}

// PidFD is what a pidfd_open(2) descriptor refers to.
type PidFD struct {
	PID   int   // as numbered in the FS; -1: it is gone, 0: not in this namespace
	NSPid []int // from the FS's namespace inwards
}

// setKind takes in a line that only one kind of file has: the show_fdinfo
// functions of fs/eventfd.c, eventpoll.c, timerfd.c, signalfd.c,
// notify/fdinfo.c and pidfs.c. known is false for any other key.
func (i *FDInfo) setKind(key string, value, line []byte) (known, ok bool) {
	switch key {
	case "eventfd-count", "eventfd-id", "eventfd-semaphore":
		return true, i.eventFD().set(key, value)
	case "clockid", "ticks", "settime flags", "it_value", "it_interval":
		return true, i.timerFD().set(key, value)
	case "tfd":
		t, ok := parseEpoll(line)
		i.Epoll = append(i.Epoll, t)
		return true, ok
	case "inotify wd":
		w, ok := parseInotify(line)
		i.Inotify = append(i.Inotify, w)
		return true, ok
	case "sigmask":
		i.SigMask = new(uint64)
		return true, unsigned(i.SigMask, value, 16)
	case "Pid":
		return true, signed(&i.pidFD().PID, value)
	case "NSpid":
		i.pidFD().NSPid, ok = integers(value)
		return true, ok
	}
	return false, true
}

func (i *FDInfo) eventFD() *EventFD {
	if i.EventFD == nil {
		i.EventFD = new(EventFD)
	}
	return i.EventFD
}

func (i *FDInfo) timerFD() *TimerFD {
	if i.TimerFD == nil {
		i.TimerFD = new(TimerFD)
	}
	return i.TimerFD
}

func (i *FDInfo) pidFD() *PidFD {
	if i.PidFD == nil {
		i.PidFD = new(PidFD)
	}
	return i.PidFD
}

func (e *EventFD) set(key string, value []byte) bool {
	switch key {
	case "eventfd-count":
		return unsigned(&e.Count, value, 16)
	case "eventfd-id":
		return signed(&e.ID, value)
	}
	e.Told = true
	return flag(&e.Semaphore, value)
}

func (t *TimerFD) set(key string, value []byte) bool {
	switch key {
	case "clockid":
		return signed(&t.Clock, value)
	case "ticks":
		return unsigned(&t.Ticks, value, 10)
	case "settime flags":
		return unsigned(&t.SettimeFlags, value, 8)
	case "it_value":
		return seconds(&t.Value, value)
	}
	return seconds(&t.Interval, value)
}

// seconds reads "(3, 500000000)", seconds and nanoseconds, as nanoseconds.
func seconds(dst *int64, b []byte) bool {
	inner, ok := bytes.CutPrefix(b, []byte("("))
	inner, end := bytes.CutSuffix(inner, []byte(")"))
	sec, nsec, comma := bytes.Cut(inner, []byte(", "))
	var s, n uint64
	const second = 1e9
	if !ok || !end || !comma || !unsigned(&s, sec, 10) || !unsigned(&n, nsec, 10) ||
		n >= second || s > (1<<63-1-n)/second {
		return false
	}
	*dst = int64(s*second + n)
	return true
}

// pair takes "key:  value" off the front of b.
func pair(b []byte) (key string, value, rest []byte, ok bool) {
	name, rest, ok := cut(bytes.TrimLeft(b, " "), ':')
	value, rest, _ = cut(bytes.TrimLeft(rest, " "), ' ')
	return string(name), value, rest, ok
}

// parseEpoll reads
//
//	tfd:       17 events:       19 data:  1a2b  pos:0 ino:61af sdev:7
func parseEpoll(b []byte) (t EpollTarget, ok bool) {
	found := 0
	for len(b) > 0 {
		key, value, rest, ok := pair(b)
		switch key {
		case "tfd":
			ok = ok && count(&t.FD, value)
		case "events":
			ok = ok && unsigned(&t.Events, value, 16)
		case "data":
			ok = ok && unsigned(&t.Data, value, 16)
		case "pos":
			ok = ok && signed(&t.Pos, value)
		case "ino":
			ok = ok && unsigned(&t.Ino, value, 16)
		case "sdev":
			ok = ok && unsigned(&t.Dev, value, 16)
		default:
			found--
		}
		if !ok {
			return t, false
		}
		found++
		b = rest
	}
	return t, found == 6
}

// parseInotify reads
//
//	inotify wd:1 ino:2a sdev:fe00000 mask:fce ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:2a000000d1c40e4b
func parseInotify(b []byte) (w InotifyWatch, ok bool) {
	b = bytes.TrimPrefix(b, []byte("inotify "))
	var wd, size uint32
	found := 0
	for len(b) > 0 {
		key, value, rest, ok := pair(b)
		switch key {
		case "wd":
			ok = ok && unsigned(&wd, value, 16) && wd < 1<<31
			w.WD = int(wd)
		case "ino":
			ok = ok && unsigned(&w.Ino, value, 16)
		case "sdev":
			ok = ok && unsigned(&w.Dev, value, 16)
		case "mask":
			ok = ok && unsigned(&w.Mask, value, 16)
		case "ignored_mask":
			ok = ok && unsigned(&w.IgnoredMask, value, 16)
		case "fhandle-bytes":
			ok = ok && unsigned(&size, value, 16)
			found--
		case "fhandle-type":
			ok = ok && unsigned(&w.HandleType, value, 16)
			found--
		case "f_handle":
			var err error
			w.Handle, err = hex.DecodeString(string(value))
			ok = ok && err == nil
			found--
		default:
			found--
		}
		if !ok {
			return w, false
		}
		found++
		b = rest
	}
	return w, found == 5 && len(w.Handle) == int(size)
}
