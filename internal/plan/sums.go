package plan

import (
	"encoding/binary"
	"io"

	"github.com/zeebo/xxh3"
)

// Checksum says that the XXH3-64 of the Len bytes at Addr has to be Want. There
// must be more than 240. Name, not 0, is what a failure calls them: the place in
// the file that they were read from.
type Checksum struct{ Addr, Len, Want, Name uint64 }

// Sums adds a step that compares checksums. Addresses are relative to base.
func (b *Builder) Sums(what string, base Arg, sums []Checksum) {
	from := b.Reserve(len(sums) * sumSize)
	to := Arg{from.Slot, from.Imm + uint64(len(sums)*sumSize)}
	table := b.data.bytes[from.Imm-DataOffset:]
	for i, s := range sums {
		entry := table[i*sumSize:][:sumSize]
		binary.LittleEndian.PutUint64(entry[sumAddr:], s.Addr)
		binary.LittleEndian.PutUint64(entry[sumLen:], s.Len)
		binary.LittleEndian.PutUint64(entry[sumWant:], s.Want)
		binary.LittleEndian.PutUint64(entry[sumName:], s.Name)
	}
	b.add(Op{Code: Sums, Args: [6]Arg{from, to, base}, What: what}).Want(Imm(0))
}

// sums executes a Sums.
func (m *Machine) sums(from, to, base uint64) (uint64, error) {
	for ; from != to; from += sumSize {
		var entry [sumSize]byte
		if _, err := m.Memory.ReadAt(entry[:], int64(from)); err != nil {
			return 0, err
		}
		u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(entry[at:]) }
		h := xxh3.New()
		if _, err := io.Copy(h, io.NewSectionReader(m.Memory, int64(base+u64(sumAddr)), int64(u64(sumLen)))); err != nil {
			return 0, err
		}
		if h.Sum64() != u64(sumWant) {
			return u64(sumName), nil
		}
	}
	return 0, nil
}
