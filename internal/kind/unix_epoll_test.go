package kind

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestUnixInEpoll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.unixPair(unix.SOCK_STREAM)
	set := w.keep(unix.EpollCreate1(unix.EPOLL_CLOEXEC))
	if err := unix.EpollCtl(set, unix.EPOLL_CTL_ADD, b, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: 77}); err != nil {
		t.Fatal(err)
	}
	w.save(a, b, set)
	w.restore()
	events := make([]unix.EpollEvent, 2)
	if n, err := unix.EpollWait(set, events, 0); n != 0 || err != nil {
		t.Errorf("%d events, %v", n, err)
	}
	send(t, a, "x")
	if n, err := unix.EpollWait(set, events, int(time.Second/time.Millisecond)); n != 1 || err != nil || events[0].Fd != 77 {
		t.Errorf("%d events, %v, %+v", n, err, events)
	}
}
