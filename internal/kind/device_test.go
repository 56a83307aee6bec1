package kind

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestDevicesComeBack(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"} {
		for _, flags := range []int{unix.O_RDONLY, unix.O_RDWR | unix.O_APPEND | unix.O_NONBLOCK} {
			w := newWorld(t)
			fd := w.open(name, flags, 0)
			if n, err := unix.Read(fd, make([]byte, 10)); err != nil {
				t.Fatal(n, err)
			}
			wantFlags, wantRdev := flagsOf(t, fd), statOf(t, fd).Rdev
			w.save(fd)
			if kind := w.Manifest.Files[0].Kind; kind != "device" {
				t.Errorf("%s is of kind %s", name, kind)
			}
			// A chroot may have had it elsewhere.
			if flags == unix.O_RDONLY {
				w.Manifest.Files[0].Path = "/nowhere/device"
			}
			w.restore()
			if got := statOf(t, fd).Rdev; got != wantRdev {
				t.Errorf("%s: device %x, want %x", name, got, wantRdev)
			}
			if got := flagsOf(t, fd); got != wantFlags {
				t.Errorf("%s: flags %#o, want %#o", name, got, wantFlags)
			}
		}
	}
}
