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

// readStep is how much is read before its checksums are compared, in bytes: it
// should be in the processor's cache then, the last level of which is enough.
const readStep = fillStep

// reader adds the steps that read memory, for one walker.
type reader struct {
	w    *writer
	b    *plan.Builder
	name string      // of the steps
	done image.Piece // what this walker has read last, in one row
	sums []plan.Checksum
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
	part := p.First(0)
	for _, c := range p.In.Chunks(p) {
		n := min(c.Pos+uint64(c.Len), p.Pos+p.Len) - part.Pos
		if n > readStep && part.Len > 0 {
			r.readPart(part)
			n, part = n-part.Len, p.After(part.Pos+part.Len-p.Pos)
		}
		part.Len = n
	}
	r.readPart(part)
}

// readPart is read for what is read at once.
func (r *reader) readPart(p image.Piece) {
	r.fetch(p)
	r.done.Len += p.Len
	r.sums = r.sums[:0]
	for i, c := range p.In.Chunks(p) {
		if c.Pos < r.done.Pos || c.Pos+uint64(c.Len) > p.Pos+p.Len {
			continue // another walker reads a part of it, or nobody does
		}
		r.sums = append(r.sums, plan.Checksum{Addr: r.done.Addr + c.Pos - r.done.Pos, Len: uint64(c.Len), Want: c.Sum, Name: c.Pos})
		r.w.p.compares(p.In, i)
	}
	if len(r.sums) > 0 {
		r.b.Sums(fmt.Sprintf("%s: %v: %s", p.In.File().Name(), image.ErrCorrupt, r.name), plan.Imm(0), r.sums)
	}
}

// readsAlone reports whether nobody else reads what the reader of a piece does. In
// a chain, processes may have been forked since and have the same memory of one
// image.
func (p *preparation) readsAlone(of image.Piece) bool {
	return len(p.members) == 1 || p.image.Parent() == nil && !of.In.Shares(of)
}

// fetch adds the step that gets the bytes of a piece from where they are.
func (r *reader) fetch(p image.Piece) {
	fd, n := r.w.p.files.imageFDs[p.In].Fd(), plan.Imm(p.Len)
	r.b.Call(r.name, abi.SysPread64, plan.Imm(uint64(fd)), plan.Imm(p.Addr), n, plan.Imm(p.Pos)).Want(n)
	if r.w.p.unpacked[p.In] != nil && r.w.p.readsAlone(p) {
		// Otherwise all would be in memory twice at the end.
		r.b.Call("give the decompressed copy back", abi.SysFallocate, plan.Imm(uint64(fd)),
			plan.Imm(abi.FallocPunchHole|abi.FallocKeepSize), plan.Imm(p.Pos), n).MayFail()
	}
}
