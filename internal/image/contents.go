package image

import (
	"errors"
	"io"
	"os"

	"ckpt/internal/seekable"
)

// contents are the bytes of an image as the format counts them, whether they are
// in the file like that or compressed.
type contents struct {
	io.ReaderAt
	packed *seekable.Reader // nil if they are not compressed
	size   uint64
	inFile uint64 // length of the file
	// budget is how much of it may be allocated to find out what the image is.
	budget uint64
}

// A plain image allocates no more than its file has bytes. In a compressed one,
// headers and notes may be smaller in the file by a factor of packedBudget: a
// writer compresses them no further.
const (
	packedBudget = 256
	leastBudget  = 1 << 20
)

func budgetOf(file uint64) uint64 { return leastBudget + packedBudget*file }

func contentOf(f *os.File, size uint64) (contents, error) {
	if !seekable.Is(f) {
		return contents{ReaderAt: f, size: size, inFile: size, budget: size}, nil
	}
	r, err := seekable.NewReader(f, int64(size))
	switch {
	case errors.Is(err, seekable.ErrFormat):
		return contents{}, notImage("compressed by zstd, but not by ckpt; an image in it is usable after zstd -d")
	case errors.Is(err, seekable.ErrCorrupt):
		return contents{}, corrupt("%w", err)
	case err != nil:
		return contents{}, err
	}
	return contents{r, r, uint64(r.Size()), size, budgetOf(size)}, nil
}

// spend takes n bytes of the budget.
func (c *contents) spend(n uint64) error {
	if n > c.budget {
		return corrupt("headers and notes are too long for a file of %d bytes", c.inFile)
	}
	c.budget -= n
	return nil
}

// Compressed reports whether the image is compressed.
func (im *Image) Compressed() bool { return im.content.packed != nil }
