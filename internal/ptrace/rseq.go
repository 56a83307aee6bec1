package ptrace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"syscall"

	"ckpt/internal/abi"
	"ckpt/internal/sys"
)

// Rseq tells where the thread has registered its restartable sequences area.
// It is zero when there is none, and also on a kernel older than 5.13, which
// cannot tell (EIO, EINVAL).
func (t *Thread) Rseq() (abi.RseqConfig, error) {
	c, err := sys.PtraceRseq(t.tid)
	if errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EINVAL) {
		afterRequest()
		return abi.RseqConfig{}, nil
	}
	return c, t.request(err)
}

// rseqCSOffset is where struct rseq points to the active critical section
// (include/uapi/linux/rseq.h).
const rseqCSOffset = 8

// RseqRip gives the address at which a thread stopped at rip goes on: the abort
// address if it is inside an active restartable sequence, else rip itself.
//
// The kernel would abort the sequence by itself when the thread is next
// preempted, but only while rip is inside: after an injected call, or in a
// restored process, the sequence would run on as if it had never been
// interrupted.
func RseqRip(mem io.ReaderAt, c abi.RseqConfig, rip uint64) (uint64, error) {
	if c.Area == 0 {
		return rip, nil
	}
	var ptr [8]byte
	if _, err := mem.ReadAt(ptr[:], int64(c.Area+rseqCSOffset)); err != nil {
		return 0, fmt.Errorf("rseq area at %#x: %w", c.Area, err)
	}
	at := binary.LittleEndian.Uint64(ptr[:])
	if at == 0 {
		return rip, nil
	}
	// struct rseq_cs: version, flags, start_ip, post_commit_offset, abort_ip.
	var cs [32]byte
	if _, err := mem.ReadAt(cs[:], int64(at)); err != nil {
		return 0, fmt.Errorf("rseq critical section at %#x: %w", at, err)
	}
	start := binary.LittleEndian.Uint64(cs[8:])
	length := binary.LittleEndian.Uint64(cs[16:])
	abort := binary.LittleEndian.Uint64(cs[24:])
	if rip-start < length {
		return abort, nil
	}
	return rip, nil
}
