package sys

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// EpollEventSize is the size of struct epoll_event, which is packed on x86-64
// only.
const EpollEventSize = 12

// EpollEventBytes is struct epoll_event as it is in memory.
func EpollEventBytes(events uint32, data uint64) []byte {
	b := binary.LittleEndian.AppendUint32(nil, events)
	return binary.LittleEndian.AppendUint64(b, data)
}

// epollEvent is the same for x/sys, which knows data as two halves.
func epollEvent(events uint32, data uint64) unix.EpollEvent {
	return unix.EpollEvent{Events: events, Fd: int32(data), Pad: int32(data >> 32)}
}

func epollData(e *unix.EpollEvent) uint64 {
	return uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32
}
