package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// EpollCtlAdd is the operation of epoll_ctl(2) that plans contain.
const EpollCtlAdd = unix.EPOLL_CTL_ADD

// Events of epoll_ctl(2).
const (
	EpollIn        = unix.EPOLLIN
	EpollOut       = unix.EPOLLOUT
	EpollOneshot   = unix.EPOLLONESHOT
	EpollExclusive = unix.EPOLLEXCLUSIVE
	EpollET        = 1 << 31 // unix.EPOLLET is negative on some architectures
	EpollWakeup    = unix.EPOLLWAKEUP

	// EpollPrivate are the bits that stay when a registration with
	// EPOLLONESHOT has fired and is disabled (EP_PRIVATE_BITS in
	// fs/eventpoll.c).
	EpollPrivate uint32 = EpollWakeup | EpollOneshot | EpollET | EpollExclusive
)

// EpollCreate makes a close-on-exec epoll(7) set.
func EpollCreate() (*os.File, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	return os.NewFile(uintptr(fd), "epoll"), nil
}

// EpollAdd registers fd with the set epfd.
func EpollAdd(epfd, fd int, events uint32, data uint64) error {
	e := epollEvent(events, data)
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, fd, &e))
}

// EpollReady returns the data of what is ready in the set epfd, at most 64,
// without waiting.
func EpollReady(epfd int) ([]uint64, error) {
	var events [64]unix.EpollEvent
	n := 0
	err := retry(func() (err error) {
		n, err = unix.EpollWait(epfd, events[:], 0)
		return err
	})
	if err != nil {
		return nil, os.NewSyscallError("epoll_wait", err)
	}
	var data []uint64
	for _, e := range events[:n] {
		data = append(data, epollData(&e))
	}
	return data, nil
}
