package save

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"ckpt/internal/abi"
	"ckpt/internal/ptrace"
	"ckpt/internal/sys"
)

// Offsets in the memory by which the image is handed over, which has handSize bytes.
const (
	handHeader  = 0
	handIovec   = 64
	handControl = 128
	handSize    = handControl + sys.CmsgRightsSize
)

// handImage gives the image to a twin or shadow, which has a table of descriptors of
// its own, and tells its descriptor number there. At at are handSize bytes of mem that
// the twin has too and that nobody else uses.
func (c *collector) handImage(to *ptrace.Twin, mem ptrace.Memory, at uint64) (*twinWriter, error) {
	if _, err := to.Call(abi.SysSocketpair, sys.AFUnix, sys.SockDatagram, 0, at); err != nil {
		return nil, fmt.Errorf("socket of the copy: %w", err)
	}
	b := make([]byte, 8)
	if _, err := mem.ReadAt(b, int64(at)); err != nil {
		return nil, err
	}
	here, there := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	if err := c.sendImage(to.Tid(), int(here)); err != nil {
		return nil, err
	}
	fd, err := receive(to, mem, at, uint64(there))
	if err != nil {
		return nil, err
	}
	return &twinWriter{c: c, twin: to, fd: fd}, nil
}

// sendImage sends the image into a socket of a process.
func (c *collector) sendImage(tid, fd int) error {
	socket, err := takeDescriptor(tid, fd)
	if err != nil {
		return err
	}
	defer syscall.Close(socket)
	return sys.SendDescriptor(socket, int(c.image.File().Fd()))
}

// receive lets the twin take what was sent.
func receive(to *ptrace.Twin, mem ptrace.Memory, at, socket uint64) (uint64, error) {
	b := make([]byte, handSize)
	word := func(off int, v uint64) { binary.LittleEndian.PutUint64(b[off:], v) }
	word(handHeader+16, at+handIovec) // msg_iov, msg_iovlen, msg_control, msg_controllen: see recvmsg(2)
	word(handHeader+24, 1)
	word(handHeader+32, at+handControl)
	word(handHeader+40, sys.CmsgRightsSize)
	word(handIovec, at+handIovec+16)
	word(handIovec+8, 1)
	if _, err := mem.WriteAt(b, int64(at)); err != nil {
		return 0, err
	}
	if _, err := to.Call(abi.SysRecvmsg, socket, at+handHeader, sys.MsgDontWait|sys.MsgCmsgCloexec); err != nil {
		return 0, fmt.Errorf("give the image to the copy: %w", err)
	}
	if _, err := mem.ReadAt(b, int64(at)); err != nil {
		return 0, err
	}
	if n := binary.LittleEndian.Uint64(b[handHeader+40:]); n != sys.CmsgRightsSize-4 && n != sys.CmsgRightsSize {
		return 0, errors.New("give the image to the copy: it did not arrive") // a security module forbids it
	}
	return uint64(binary.LittleEndian.Uint32(b[handControl+sys.CmsgRightsFD:])), nil
}
