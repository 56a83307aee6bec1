package image

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"ckpt/internal/sys"
)

// verifyRest checks that what is between the headers and the notes and in no
// chunk is zero. Holes of the file are, so only what is on the disk is read, or
// in the page cache. Of a compressed image it is what is behind the last chunk;
// see verifier.gap.
func (im *Image) verifyRest(ctx context.Context, workers int) error {
	gaps, err := im.gaps()
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	var next atomic.Int64
	failed := make([]error, len(gaps))
	for range workers {
		group.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(gaps) {
					return
				}
				if failed[i] = im.checkZero(ctx, gaps[i].pos, gaps[i].end()); failed[i] != nil {
					next.Store(int64(len(gaps)))
				}
			}
		})
	}
	group.Wait()
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

// gaps are the stretches of the file that verifyRest has to read, in order.
func (im *Image) gaps() (gaps []fileRange, err error) {
	at := im.headers // all in front of it is checked
	data := [][2]int64{{0, int64(im.notes.pos)}}
	lists := [][]Chunk{im.chunks.memory, im.chunks.payload}
	if !im.Compressed() {
		if data, err = sys.DataExtents(int(im.file.Fd()), int64(im.notes.pos)); err != nil {
			return nil, fmt.Errorf("look for holes: %w", err)
		}
	} else if all := slices.Concat(lists...); len(all) > 0 {
		at, lists = all[len(all)-1].end(), nil
	}
	gap := func(until uint64) {
		// Data extents are in order, as the gaps are: those behind us go.
		for at < until && len(data) > 0 {
			from, to := uint64(data[0][0]), uint64(data[0][0]+data[0][1])
			if from >= until {
				break
			}
			if from, end := max(from, at), min(to, until); from < end {
				gaps = append(gaps, fileRange{from, end - from})
			}
			if to > until {
				break
			}
			data = data[1:]
		}
	}
	for _, chunks := range lists {
		for _, c := range chunks {
			gap(c.Pos)
			at = c.end()
		}
	}
	for _, p := range im.parts {
		gap(p.pos)
		at = p.end()
	}
	gap(im.notes.pos)
	return gaps, nil
}

var (
	zeros       [64 << 10]byte
	zeroBuffers = sync.Pool{New: func() any { return new([len(zeros)]byte) }}
)

// checkZero checks that [from, to) of the file is zero.
func (im *Image) checkZero(ctx context.Context, from, to uint64) error {
	if from >= to {
		return nil
	}
	buf := zeroBuffers.Get().(*[len(zeros)]byte)
	defer zeroBuffers.Put(buf)
	for from < to {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := buf[:min(to-from, uint64(len(buf)))]
		if _, err := im.content.ReadAt(b, int64(from)); err != nil {
			return readError(fmt.Sprintf("file at %#x", from), err)
		}
		if !bytes.Equal(b, zeros[:len(b)]) {
			i := 0
			for b[i] == 0 {
				i++
			}
			return corrupt("byte at file offset %#x is not zero, but belongs to nothing", from+uint64(i))
		}
		from += uint64(len(b))
	}
	return nil
}
