package image

import (
	"encoding/binary"
	"slices"
	"sort"
)

// MaxChunk is the length of the longest chunk, in bytes: long enough that the
// table stays small (32 bytes for each), short enough for a cache.
const MaxChunk = 1 << 20

// Chunk is a piece of saved memory with its checksum. The bytes of [Addr,
// Addr+Len) are at Pos in the file, and Sum is their xxh3-64.
type Chunk struct {
	Addr, Pos uint64
	Len       uint32
	Sum       uint64
}

func (c Chunk) end() uint64 { return c.Addr + uint64(c.Len) }

// chunkEntry is the size of a chunk in the chunk table, and chunkPayload the
// flag of a chunk of the payload area.
const (
	chunkEntry   = 32
	chunkPayload = 1
)

// chunkTable is the content of the table: pieces of memory by address, then
// pieces of the payload area, whose Addr is their distance from its start.
type chunkTable struct {
	memory, payload []Chunk
}

func (t chunkTable) len() int { return len(t.memory) + len(t.payload) }

func (t chunkTable) append(b []byte) []byte {
	for _, c := range t.memory {
		b = appendChunk(b, c, 0)
	}
	for _, c := range t.payload {
		b = appendChunk(b, c, chunkPayload)
	}
	return b
}

func appendChunk(b []byte, c Chunk, flags uint32) []byte {
	b = binary.LittleEndian.AppendUint64(b, c.Addr)
	b = binary.LittleEndian.AppendUint64(b, c.Pos)
	b = binary.LittleEndian.AppendUint32(b, c.Len)
	b = binary.LittleEndian.AppendUint32(b, flags)
	return binary.LittleEndian.AppendUint64(b, c.Sum)
}

func decodeChunks(b []byte) (chunkTable, error) {
	var t chunkTable
	if len(b)%chunkEntry != 0 {
		return t, corrupt("chunk table of %d bytes", len(b))
	}
	for ; len(b) > 0; b = b[chunkEntry:] {
		c := Chunk{
			Addr: binary.LittleEndian.Uint64(b),
			Pos:  binary.LittleEndian.Uint64(b[8:]),
			Len:  binary.LittleEndian.Uint32(b[16:]),
			Sum:  binary.LittleEndian.Uint64(b[24:]),
		}
		switch flags := binary.LittleEndian.Uint32(b[20:]); {
		case flags == chunkPayload:
			t.payload = append(t.payload, c)
		case flags == 0 && len(t.payload) == 0:
			t.memory = append(t.memory, c)
		default:
			return t, corrupt("chunk at %#x has flags %#x", c.Pos, flags)
		}
	}
	return t, nil
}

// check checks that each chunk lies where it says and none overlaps another.
// The payload area begins at payloadPos and its last chunk ends it.
func (t chunkTable) check(segs []Segment, payloadPos uint64) error {
	end := uint64(0)
	for i, c := range t.memory {
		s := segmentAt(segs, c.Addr)
		if c.Addr < end || c.Len == 0 || c.Len > MaxChunk || (c.Addr|uint64(c.Len))%PageSize != 0 || s == nil ||
			c.end() > uint64(s.Start)+s.FileLen || c.Pos != s.Pos+c.Addr-uint64(s.Start) {
			return corrupt("chunk %d of %#x+%#x at file offset %#x does not fit", i, c.Addr, c.Len, c.Pos)
		}
		end = c.end()
	}
	end = 0
	for i, c := range t.payload {
		if c.Addr < end || c.Addr > maxFile || c.Len == 0 || c.Len > MaxChunk || c.Pos != payloadPos+c.Addr {
			return corrupt("chunk %d of payload at file offset %#x+%#x does not fit", len(t.memory)+i, c.Pos, c.Len)
		}
		end = c.end()
	}
	return nil
}

// maxFile bounds file positions, so that sums of them do not overflow.
const maxFile = 1 << 62

// end is where the payload area ends, if it begins at pos.
func (t chunkTable) end(pos uint64) uint64 {
	if n := len(t.payload); n > 0 {
		return pos + t.payload[n-1].end()
	}
	return pos
}

// sort orders the chunks as they stand in the table.
func (t chunkTable) sort() {
	byAddr := func(a, b Chunk) int {
		if a.Addr < b.Addr {
			return -1
		}
		return 1
	}
	slices.SortFunc(t.memory, byAddr)
	slices.SortFunc(t.payload, byAddr)
}

// chunkFrom is the index of the first chunk that ends behind addr.
func chunkFrom(chunks []Chunk, addr uint64) int {
	return sort.Search(len(chunks), func(i int) bool { return chunks[i].end() > addr })
}

// segmentAt returns the segment that addr is in, or nil.
func segmentAt(segs []Segment, addr uint64) *Segment {
	i := sort.Search(len(segs), func(i int) bool { return uint64(segs[i].End) > addr })
	if i == len(segs) || uint64(segs[i].Start) > addr {
		return nil
	}
	return &segs[i]
}
