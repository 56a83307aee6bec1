package kind

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"ckpt/internal/image"
)

// What does not fit together is damage, and nothing worse.
func TestHostileUnix(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(det *unixDetail){
		"type":              func(det *unixDetail) { det.Type = 99 },
		"state":             func(det *unixDetail) { det.State = "floating" },
		"no peer":           func(det *unixDetail) { det.Peer++ },
		"own peer":          func(det *unixDetail) { det.Peer = det.Ino },
		"one-sided":         func(det *unixDetail) { det.State = unixClosed },
		"shut down":         func(det *unixDetail) { det.Shutdown = 17 },
		"pending elsewhere": func(det *unixDetail) { det.State, det.Peer = unixPending, det.Ino },
		"who waits":         func(det *unixDetail) { det.State, det.Pending = unixListening, []uint32{1} },
		"length":            func(det *unixDetail) { det.Queue.Messages[0].Len = 1 << 40 },
		"negative":          func(det *unixDetail) { det.Queue.Messages[0].Len = -1 },
		"empty part":        func(det *unixDetail) { det.Queue.Messages[0].Len = 0 },
		"file":              func(det *unixDetail) { det.Queue.Messages[0].Files = []int{12} },
		"more than there":   func(det *unixDetail) { det.Queue.Data.Size = 1 },
	} {
		w := newWorld(t)
		a, b := w.unixPair(unix.SOCK_STREAM)
		send(t, b, "waiting")
		w.save(a, b)
		w.editUnix(damage)
		if err := w.tryRestore(); !errors.Is(err, image.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Two sockets with one inode.
func TestHostileUnixTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.save(w.unixSocket(unix.SOCK_DGRAM, ""))
	f := w.Manifest.Files[0]
	f.ID = 1
	w.Manifest.Files = append(w.Manifest.Files, f)
	r := w.restoreContext(func(_ *image.OpenFile, fd *os.File) { _ = fd.Close() })
	defer r.Close()
	if err := Remake(r, &r.Manifest.Files[0]); !errors.Is(err, image.ErrCorrupt) {
		t.Error(err)
	}
}
