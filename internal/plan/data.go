package plan

import "fmt"

// dataBuilder collects the data of a plan. Every piece begins at a multiple of
// 8 from DataOffset, which is a multiple of 64 itself.
type dataBuilder struct {
	bytes []byte
	known map[string]uint64 // small pieces that need not stand twice
}

// maxShared is the size of the largest piece that is looked up before it is
// added again: sigactions, rlimits, names; larger ones are hardly ever equal.
const maxShared = 128

// Data adds bytes to the plan's data and returns their address. Equal pieces
// may share one address: the data is only to be read. For memory that an op
// writes to see Reserve.
func (b *Builder) Data(piece []byte) Arg {
	if len(piece) > maxShared {
		return b.AlignedData(piece, 8)
	}
	if off, ok := b.data.known[string(piece)]; ok {
		return Arg{Base, off}
	}
	a := b.AlignedData(piece, 8)
	if b.data.known == nil {
		b.data.known = make(map[string]uint64)
	}
	b.data.known[string(piece)] = a.Imm
	return a
}

// AlignedData is Data at a multiple of align, a power of two from 8 to the
// page size, and never shared. (An XSAVE area must be aligned to 64.)
func (b *Builder) AlignedData(piece []byte, align int) Arg {
	a := b.ReserveAligned(len(piece), align)
	copy(b.data.bytes[a.Imm-DataOffset:], piece)
	return a
}

// CString adds s and a zero byte to the plan's data and returns its address.
func (b *Builder) CString(s string) Arg {
	return b.Data(append([]byte(s), 0))
}

// Reserve adds n zero bytes to the plan's data, for ops to write to, and
// returns their address.
func (b *Builder) Reserve(n int) Arg { return b.ReserveAligned(n, 8) }

// ReserveAligned is Reserve at a multiple of align, as in AlignedData.
func (b *Builder) ReserveAligned(n, align int) Arg {
	if n < 0 || align < 8 || align > pageSize || align&(align-1) != 0 {
		b.fail(fmt.Errorf("plan: cannot reserve %d bytes aligned to %d", n, align))
		return Arg{Base, DataOffset}
	}
	at := (DataOffset + len(b.data.bytes) + align - 1) &^ (align - 1)
	end := (at + n + 7) &^ 7
	b.data.bytes = append(b.data.bytes, make([]byte, end-DataOffset-len(b.data.bytes))...)
	return Arg{Base, uint64(at)}
}
