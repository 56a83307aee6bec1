package save

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// Programs write to pages here and there. Of such, process_vm_readv(2) reads hundreds
// by one call, at half of the time that a call for each takes; of long runs it is much
// slower than /proc/PID/mem.

// scattered reads short runs of a process's memory.
type scattered struct {
	pid     int
	read    image.ReadMemory // what can not be read so, one run at a time
	refused atomic.Bool      // the kernel, or a sandbox, does not let us
}

// scatteredMost is the longest run, in bytes, that counts as short.
const scatteredMost = 16 << 10

// into reads runs, one behind the other. short is told of those that have less than
// they should, and how much that is.
func (s *scattered) into(buf []byte, runs []image.Run, short func(r image.Run, have int)) error {
	for len(runs) > 0 {
		n := s.together(buf, runs)
		for ; len(runs) > 0 && n >= int(runs[0].Len); runs = runs[1:] {
			n, buf = n-int(runs[0].Len), buf[runs[0].Len:]
		}
		if len(runs) == 0 {
			break
		}
		r := runs[0]
		have, err := s.read(buf[:r.Len], r.Start)
		if err != nil {
			return err
		}
		if have < int(r.Len) {
			short(r, have)
		}
		runs, buf = runs[1:], buf[r.Len:]
	}
	return nil
}

// together reads as many of the first runs as that is possible for by one call, and
// gives the bytes read.
func (s *scattered) together(buf []byte, runs []image.Run) int {
	if s.refused.Load() {
		return 0
	}
	var ranges []sys.RemoteRange
	size := 0
	for _, r := range runs {
		if r.Len > scatteredMost || len(ranges) == sys.MaxRemoteRanges {
			break
		}
		ranges = append(ranges, sys.RemoteRange{Start: r.Start, Len: int(r.Len)})
		size += int(r.Len)
	}
	if len(ranges) < 2 {
		return 0
	}
	n, err := sys.ReadRemote(s.pid, ranges, buf[:size])
	if err != nil && !errors.Is(err, syscall.EFAULT) {
		s.refused.Store(true)
	}
	return n
}

// batch is some runs of a list, and where they begin in what the whole list has, in bytes.
type batch struct {
	runs []image.Run
	at   uint64
}

// batches cuts a list into batches of a buffer's length at most, and long runs into
// several.
func batches(runs []image.Run) (all []batch) {
	queue := pieces{runs: runs, most: copyPiece}
	last, size, at := batch{}, uint64(0), uint64(0)
	for p, ok := queue.next(); ok; p, ok = queue.next() {
		if size+p.Len > copyPiece {
			all = append(all, last)
			last, size = batch{at: at}, 0
		}
		last.runs, size, at = append(last.runs, p), size+p.Len, at+p.Len
	}
	if len(last.runs) > 0 {
		all = append(all, last)
	}
	return all
}

// inBatches does something with all runs, in batches, on a goroutine for each of the
// buffers.
func inBatches(ctx context.Context, buffers [][]byte, runs []image.Run, do func(b batch, buf []byte) error) error {
	all := batches(runs)
	var begun atomic.Int64
	next := func() (b batch, ok bool) {
		i := int(begun.Add(1)) - 1
		if i >= len(all) {
			return b, false
		}
		return all[i], true
	}
	return inTurns(ctx, buffers, next, do)
}
