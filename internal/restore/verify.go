package restore

import (
	"context"
	"fmt"

	"ckpt/internal/image"
)

const (
	// verifyWorkers is how many goroutines compute checksums.
	verifyWorkers = 2
	// besideMost is how much is verified beside the making of the plan, in bytes:
	// that takes a millisecond, and nobody is shown how far this has come.
	besideMost = 16 << 20
)

// verifiesAsItReads reports whether the plan may find out that the image is
// damaged: nothing must have been changed by then that would stay so.
func (p *preparation) verifiesAsItReads() bool { return !p.files.context.Changes() }

// compares notes that the checksum of a chunk is the plan's business.
func (p *preparation) compares(in *image.Image, chunk int) { chunksOf(p.summed, in)[chunk] = true }

// chunksOf are the marks of an image's chunks.
func chunksOf(marks map[*image.Image][]bool, in *image.Image) []bool {
	if marks[in] == nil {
		marks[in] = make([]bool, in.Stats().Chunks)
	}
	return marks[in]
}

// verifyBeside begins to verify, while the plan is made, what that will not read:
// what belongs to nothing in the image, and memory that comes from unchanged files.
// The function that it returns waits for the verdict.
func (p *preparation) verifyBeside(ctx context.Context) (verdict func() error) {
	fromFiles := p.chunksFromFiles() // before the plan is made, which remembers what files are like
	p.verified = fromFiles
	done := make(chan error, 1)
	go func() {
		if !p.lazy {
			if err := p.image.VerifyGaps(ctx, verifyWorkers); err != nil {
				done <- err
				return
			}
		}
		others := map[*image.Image][]bool{}
		for im := p.image; im != nil; im = im.Parent() {
			others[im] = make([]bool, im.Stats().Chunks)
			for i := range others[im] {
				others[im][i] = fromFiles[im] == nil || !fromFiles[im][i]
			}
		}
		done <- p.image.VerifyAs(ctx, image.Verification{Workers: 1, Except: others, NoGaps: true})
	}()
	return func() error { return p.damaged(<-done) }
}

// verifyRest verifies what neither verifyBeside nor the plan looks at, and unpacks
// what is compressed.
func (p *preparation) verifyRest(ctx context.Context) error {
	for im, chunks := range p.verified {
		for i, looked := range chunks {
			if looked {
				p.compares(im, i)
			}
		}
	}
	return p.damaged(p.image.VerifyAs(ctx, image.Verification{
		Workers: verifyWorkers, Progress: p.o.Progress, Into: p.unpack, Except: p.summed, NoGaps: true,
	}))
}

// damaged says which image an error is about.
func (p *preparation) damaged(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", p.o.Path, err)
}

// chunksFromFiles are the chunks, up to besideMost, of areas that will be mapped from their
// files: the image has their content for the day when these are other ones.
func (p *preparation) chunksFromFiles() map[*image.Image][]bool {
	chunks, left := map[*image.Image][]bool{}, int64(besideMost)
	var pieces []image.Piece
	for _, m := range p.members {
		for i := range m.process.Areas {
			a := &m.process.Areas[i]
			if a.Kind != image.PrivateFile || !a.Whole || a.File < 0 || len(a.Dirty) > 0 || !p.files.unchanged(a.File) {
				continue
			}
			pieces = p.image.Space(m.index).AppendPieces(pieces[:0], uint64(a.Start), uint64(a.End))
			for _, piece := range pieces {
				if left -= int64(piece.Len); left < 0 {
					return chunks
				}
				if p.unpacked[piece.In] != nil {
					continue // to be unpacked, and verified by that
				}
				marks := chunksOf(chunks, piece.In)
				for i := range piece.In.Chunks(piece) {
					marks[i] = true
				}
			}
		}
	}
	return chunks
}
