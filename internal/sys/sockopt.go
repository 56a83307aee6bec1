package sys

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// SocketOptions are the options of a unix socket that mean something to it, see
// socket(7) and unix(7).
type SocketOptions struct {
	SendBuffer    int   `json:"sndbuf"` // bytes, as SO_SNDBUF shows it
	ReceiveBuffer int   `json:"rcvbuf"`
	SendTimeout   int64 `json:"sndtimeo,omitempty"` // us; 0 is none
	RecvTimeout   int64 `json:"rcvtimeo,omitempty"`
	PeekOff       int   `json:"peek_off"` // SO_PEEK_OFF

	// Flags are those of socketFlags that are not as in a new socket, by name.
	Flags map[string]int `json:"flags,omitempty"`
}

// socketFlags are options with a number, mostly 0 or 1, and what it is in a new
// socket.
var socketFlags = []struct {
	name    string
	option  int
	initial int
}{
	{"passcred", unix.SO_PASSCRED, 0},
	{"passsec", unix.SO_PASSSEC, 0},
	{"passpidfd", unix.SO_PASSPIDFD, 0}, // Linux 6.5
	{"passrights", 83, 1},               // SO_PASSRIGHTS, Linux 6.16
	{"rcvlowat", unix.SO_RCVLOWAT, 1},
	{"priority", unix.SO_PRIORITY, 0},
	{"timestamp", unix.SO_TIMESTAMP, 0},
	{"timestampns", unix.SO_TIMESTAMPNS, 0},
	{"broadcast", unix.SO_BROADCAST, 0},
	{"reuseaddr", unix.SO_REUSEADDR, 0},
	{"keepalive", unix.SO_KEEPALIVE, 0},
	{"oobinline", unix.SO_OOBINLINE, 0},
}

// SocketOptionsOf reads the options of a unix socket.
func SocketOptionsOf(fd int) (o SocketOptions, err error) {
	read := func(option int) (v int) {
		if err == nil {
			v, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
		}
		return v
	}
	timeout := func(option int) int64 {
		if err != nil {
			return 0
		}
		var tv *unix.Timeval
		if tv, err = unix.GetsockoptTimeval(fd, unix.SOL_SOCKET, option); err != nil {
			return 0
		}
		return tv.Sec*1e6 + tv.Usec
	}
	o.SendBuffer, o.ReceiveBuffer = read(unix.SO_SNDBUF), read(unix.SO_RCVBUF)
	o.SendTimeout, o.RecvTimeout = timeout(unix.SO_SNDTIMEO), timeout(unix.SO_RCVTIMEO)
	o.PeekOff = read(unix.SO_PEEK_OFF)
	if err != nil {
		return o, os.NewSyscallError("getsockopt", err)
	}
	for _, f := range socketFlags {
		if v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, f.option); err == nil {
			if v != f.initial && o.Flags == nil {
				o.Flags = map[string]int{}
			}
			if v != f.initial {
				o.Flags[f.name] = v
			}
		} else if !notThere(err) {
			return o, os.NewSyscallError("getsockopt "+f.name, err)
		}
	}
	return o, nil
}

// notThere says that a kernel, or this kind of socket, does not have an option.
func notThere(err error) bool {
	return errors.Is(err, unix.ENOPROTOOPT) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL)
}

// SetSocketOptions makes the options of a unix socket what they were. It
// returns the names of those that can not be set: this user or this kernel may
// not.
func SetSocketOptions(fd int, o SocketOptions) (failed []string, err error) {
	is, err := SocketOptionsOf(fd)
	if err != nil {
		return nil, err
	}
	set := func(name string, err error) {
		if err != nil {
			failed = append(failed, name)
		}
	}
	if o.SendBuffer != is.SendBuffer {
		set("sndbuf", setBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, o.SendBuffer))
	}
	if o.ReceiveBuffer != is.ReceiveBuffer {
		set("rcvbuf", setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, o.ReceiveBuffer))
	}
	if o.SendTimeout != is.SendTimeout {
		set("sndtimeo", setTimeout(fd, unix.SO_SNDTIMEO, o.SendTimeout))
	}
	if o.RecvTimeout != is.RecvTimeout {
		set("rcvtimeo", setTimeout(fd, unix.SO_RCVTIMEO, o.RecvTimeout))
	}
	if o.PeekOff != is.PeekOff {
		set("peek_off", SetPeekOff(fd, o.PeekOff))
	}
	for _, f := range socketFlags {
		want, now := f.initial, f.initial
		if v, ok := o.Flags[f.name]; ok {
			want = v
		}
		if v, ok := is.Flags[f.name]; ok {
			now = v
		}
		if want != now {
			set(f.name, unix.SetsockoptInt(fd, unix.SOL_SOCKET, f.option, want))
		}
	}
	return failed, nil
}

// setBuffer sets the size of a buffer, which the kernel doubles. It is an
// error if the user may not have that much.
func setBuffer(fd, force, option, size int) error {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, size/2) == nil {
		return nil
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, size/2); err != nil {
		return err
	}
	if is, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, option); err != nil || is < size {
		return unix.EPERM
	}
	return nil
}

// MaxSendBuffer makes the send buffer as large as this user may have it.
func MaxSendBuffer(fd int) {
	const plenty = 1 << 29
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, plenty) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, plenty) // sending tells if it is too small
	}
}

// SetPassCred sets SO_PASSCRED.
func SetPassCred(fd int, on int) error {
	return os.NewSyscallError("setsockopt SO_PASSCRED", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, on))
}

// PeekOff is SO_PEEK_OFF: where the next MSG_PEEK reads, -1 is at the front.
func PeekOff(fd int) (int, error) {
	v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEEK_OFF)
	return v, os.NewSyscallError("getsockopt SO_PEEK_OFF", err)
}

// SetPeekOff sets SO_PEEK_OFF.
func SetPeekOff(fd, off int) error {
	return os.NewSyscallError("setsockopt SO_PEEK_OFF", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEEK_OFF, off))
}

func setTimeout(fd, option int, us int64) error {
	return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, option, &unix.Timeval{Sec: us / 1e6, Usec: us % 1e6})
}
