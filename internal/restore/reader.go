package restore

import (
	"fmt"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// The checksums of an image are looked at where its memory is read: by the plan,
// when the bytes have just come into the cache. A mismatch ends the plan, and with
// it all that was made. What the plan does not read, or not as whole chunks, is
// verified in front of it.

// reader adds the steps that read memory, for one walker.
type reader struct {
	w    *writer
	b    *plan.Builder
	name string      // of the steps
	done image.Piece // what this walker has read last, in one row
}

// read adds the steps that read a piece, and compare the checksums of the chunks
// that are complete with it.
func (r *reader) read(p image.Piece) {
	if !r.w.p.sums || r.w.p.unpacked[p.In] != nil {
		r.fetch(p) // what is unpacked is verified by that
		return
	}
	if d := r.done; d.In != p.In || d.Addr+d.Len != p.Addr || d.Pos+d.Len != p.Pos {
		r.done = p.First(0)
	}
	for i, c := range p.In.Chunks(p) {
		end := c.Pos + uint64(c.Len)
		part := p.After(max(c.Pos, p.Pos) - p.Pos)
		part = part.First(min(end, p.Pos+p.Len) - part.Pos)
		r.fetch(part)
		r.done.Len += part.Len
		if c.Pos < r.done.Pos || end > part.Pos+part.Len {
			continue // another walker reads a part of it, or nobody does
		}
		r.b.Sum(fmt.Sprintf("%s: %v: %s: checksum is not %#x", p.In.File().Name(), image.ErrCorrupt, p.In.DescribeChunk(i), c.Sum),
			plan.Imm(r.done.Addr+c.Pos-r.done.Pos), plan.Imm(uint64(c.Len)), c.Sum)
		r.w.p.compares(p.In, i)
	}
}

// compares notes that the checksum of a chunk is the plan's business.
func (p *preparation) compares(in *image.Image, chunk int) {
	if p.summed[in] == nil {
		p.summed[in] = map[int]bool{}
	}
	p.summed[in][chunk] = true
}

// fetch adds the step that gets the bytes of a piece from where they are.
func (r *reader) fetch(p image.Piece) {
	fd, n := r.w.p.files.imageFDs[p.In].Fd(), plan.Imm(p.Len)
	r.b.Call(r.name, abi.SysPread64, plan.Imm(uint64(fd)), plan.Imm(p.Addr), n, plan.Imm(p.Pos)).Want(n)
	if r.w.p.unpacked[p.In] != nil && len(r.w.p.members) == 1 {
		// Nobody else reads it. Otherwise all would be in memory twice at the end.
		r.b.Call("give the decompressed copy back", abi.SysFallocate, plan.Imm(uint64(fd)),
			plan.Imm(abi.FallocPunchHole|abi.FallocKeepSize), plan.Imm(p.Pos), n).MayFail()
	}
}
