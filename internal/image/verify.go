package image

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/zeebo/xxh3"
)

// Verify reads the whole image with so many goroutines, and then its parents, and
// checks every checksum, and that all else between headers and notes is zero
// (headers and notes were checked by Open). The error wraps ErrCorrupt and names
// the first bad chunk, its area and its place in the file, and is a *LinkError if
// that is a parent's. progress may be nil; it is told how many bytes of memory and
// payload were checked, by one goroutine at a time.
func (im *Image) Verify(ctx context.Context, workers int, progress func(done, total int64)) error {
	return im.VerifyAs(ctx, Verification{Workers: workers, Progress: progress})
}

// Verification says what of an image and its parents is verified, and how.
type Verification struct {
	Workers  int
	Progress func(done, total int64)
	// Into may give something to write to for an image: all memory is written to
	// the places that it has in the file if that is not compressed.
	Into func(*Image) io.WriterAt
	// Except says of the chunks of an image, by their indexes in its table, which
	// are left out: somebody else looks at their checksums, or nobody.
	Except map[*Image][]bool
	// NoGaps leaves out what belongs to nothing, which should be zero. See VerifyGaps.
	NoGaps bool
}

// VerifyAs is Verify of a part, or with a copy.
func (im *Image) VerifyAs(ctx context.Context, as Verification) error {
	var before, all int64
	for at := im; at != nil; at = at.parent {
		all += at.bytesExcept(as.Except[at])
	}
	if progress := as.Progress; progress != nil {
		as.Progress = func(done, _ int64) { progress(before+done, all) }
	}
	if err := im.verifyAlone(ctx, as); err != nil {
		return err
	}
	for at := im; at.parent != nil; at = at.parent {
		before += at.bytesExcept(as.Except[at])
		if err := at.parent.verifyAlone(ctx, as); err != nil {
			return &LinkError{*at.manifest.Parent, err}
		}
	}
	return nil
}

// VerifyGaps is what Verification.NoGaps leaves out.
func (im *Image) VerifyGaps(ctx context.Context, workers int) error {
	if err := im.verifyRest(ctx, workers); err != nil {
		return err
	}
	for at := im; at.parent != nil; at = at.parent {
		if err := at.parent.verifyRest(ctx, workers); err != nil {
			return &LinkError{*at.manifest.Parent, err}
		}
	}
	return nil
}

// bytesExcept is how long all chunks are but those.
func (im *Image) bytesExcept(except []bool) int64 {
	n := im.chunks.bytes()
	for i, left := range except {
		if left {
			n -= int64(im.chunks.at(i).Len)
		}
	}
	return n
}

// verifyAlone is Verify without the parents.
func (im *Image) verifyAlone(ctx context.Context, as Verification) error {
	if !as.NoGaps {
		if err := im.verifyRest(ctx, max(as.Workers, 1)); err != nil {
			return err
		}
	}
	v := verifier{im: im, progress: as.Progress}
	if as.Into != nil {
		v.to = as.Into(im)
	}
	except := as.Except[im]
	for i := range im.chunks.len() {
		if i < len(except) && except[i] {
			continue
		}
		v.chunks = append(v.chunks, i)
		n := v.chunk(i).Len
		v.total += int64(n)
		v.longest = max(v.longest, n)
	}
	var group sync.WaitGroup
	for range max(as.Workers, 1) {
		group.Go(func() { v.work(ctx) })
	}
	group.Wait()
	if v.err != nil {
		return v.err
	}
	return ctx.Err()
}

// verifier hands the chunks of an image to the goroutines that check them.
type verifier struct {
	im       *Image
	to       io.WriterAt
	chunks   []int  // those to check, by their index
	total    int64  // bytes of all chunks
	longest  uint32 // bytes of the longest
	progress func(done, total int64)

	mu   sync.Mutex
	next int // index in chunks of the next one to check
	done int64
	err  error // of the first chunk in the file that has one
	bad  int   // its index
}

func (v *verifier) chunk(i int) Chunk { return v.im.chunks.at(i) }

// take returns the indices of chunks to check: one, or those that begin in the
// same compressed frame, so that nobody waits for others to decompress it. After
// an error there are no more; those in front of the bad one are being checked
// already.
func (v *verifier) take() []int {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err != nil || v.next == len(v.chunks) {
		return nil
	}
	from := v.next
	v.next++
	if packed := v.im.content.packed; packed != nil {
		for end := uint64(packed.FrameEnd(int64(v.chunk(v.chunks[from]).Pos))); v.next < len(v.chunks) && v.chunk(v.chunks[v.next]).Pos < end; {
			v.next++
		}
	}
	return v.chunks[from:v.next]
}

func (v *verifier) report(i int, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		if v.err == nil || i < v.bad {
			v.err, v.bad = err, i
		}
		return
	}
	v.done += int64(v.chunk(i).Len)
	if v.progress != nil {
		v.progress(v.done, v.total)
	}
}

func (v *verifier) work(ctx context.Context) {
	buf := make([]byte, min(v.longest, verifyPiece))
	for ctx.Err() == nil {
		indexes := v.take()
		if len(indexes) == 0 {
			return
		}
		for _, i := range indexes {
			c := v.chunk(i)
			err := v.gap(ctx, i)
			if err == nil {
				err = v.im.verifyChunk(i, c, buf, v.to)
			}
			v.report(i, err)
		}
	}
}

// gap checks what is in front of a chunk of a compressed image and belongs to
// nothing. That of a plain one is looked at by verifyRest.
func (v *verifier) gap(ctx context.Context, i int) error {
	if !v.im.Compressed() {
		return nil
	}
	end := v.im.headers
	if i > 0 {
		end = v.chunk(i - 1).end()
	}
	return v.im.checkZero(ctx, end, v.chunk(i).Pos)
}

// verifyPiece is how much is read at once, in bytes: what fits into the processor's
// L2 cache, and is not much new memory for a small image.
const verifyPiece = 128 << 10

// verifyChunk reads a chunk, in pieces as long as buf, and checks it. If to is not
// nil, memory is written there as well.
func (im *Image) verifyChunk(i int, c Chunk, buf []byte, to io.WriterAt) error {
	h := xxh3.New()
	for at, end := int64(c.Pos), int64(c.end()); at < end; {
		b := buf[:min(int64(len(buf)), end-at)]
		if _, err := im.content.ReadAt(b, at); err != nil {
			return readError(im.describe(i, c), err)
		}
		h.Write(b)
		if to != nil && i < len(im.chunks.memory) {
			if _, err := to.WriteAt(b, at); err != nil {
				return fmt.Errorf("decompress: %w", err)
			}
		}
		at += int64(len(b))
	}
	if sum := h.Sum64(); sum != c.Sum {
		return corrupt("%s: checksum is %#x instead of %#x", im.describe(i, c), sum, c.Sum)
	}
	return nil
}

// ReadChunk reads a chunk of memory, of the index i in the table, into buf, and checks
// it. buf must have room for MaxChunk bytes.
func (im *Image) ReadChunk(i int, buf []byte) ([]byte, error) {
	c := im.chunks.memory[i]
	buf = buf[:c.Len]
	return buf, im.verifyChunk(i, c, buf, nil)
}
