package kind

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// listener makes a socket that listens.
func (w *world) listener() int {
	w.t.Helper()
	fd := w.keep(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	if err := unix.Listen(fd, 1); err != nil {
		w.t.Fatal(err)
	}
	return fd
}

// own is a duplicate of fd, as a file.
func (w *world) own(fd int) *os.File {
	w.t.Helper()
	n, err := sys.Dup(fd)
	if err != nil {
		w.t.Fatal(err)
	}
	f := os.NewFile(uintptr(n), "handed over")
	w.t.Cleanup(func() { f.Close() })
	return f
}

func TestSocketIsHandedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fd := w.listener()
	_, err := w.describe(fd)
	wantRefused(t, err, "TCP", "--fd")
	w.Given = []int{fd}
	w.save(fd)

	wantRefused(t, w.tryRestore(), "handed over", "--fd")
	connected := w.own(w.keep(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)))
	w.HandedOver = map[int]*os.File{fd: connected}
	wantRefused(t, w.tryRestore(), "a listening socket (TCP)", "handed over is a socket (TCP)")
	file, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w.HandedOver = map[int]*os.File{fd: file}
	wantRefused(t, w.tryRestore(), "a terminal or device")

	other := w.listener()
	w.HandedOver = map[int]*os.File{fd: w.own(other)}
	w.restore()
	if a, b := w.desc(fd), w.desc(other); a.Stat.Ino != b.Stat.Ino {
		t.Errorf("%s, want %s", a.Link, b.Link)
	}
}

// What can not be anybody else's is not handed over.
func TestNothingButChannelsIsHandedOver(t *testing.T) {
	t.Parallel()
	for mode, want := range map[uint32]bool{sys.ModeSocket: true, sys.ModeFIFO: true, sys.ModeChar: true, sys.ModeRegular: false, 0: false} {
		c := &SaveContext{Given: []int{7}}
		d := &Desc{PID: 1, FD: 3, Stat: Stat{Mode: mode}, Holders: []Holder{{1, 3}, {2, 7}}}
		if n, ok := c.givenAs(d); ok != want || ok && n != 7 {
			t.Errorf("%o: %d, %v", mode, n, ok)
		}
	}
	if AsksFor(&image.OpenFile{Kind: "given", Detail: []byte(`{"number":5,"mode":0}`)}, 6) {
		t.Error("asks for a descriptor that is not its own")
	}
}
