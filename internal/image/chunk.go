package image

import (
	"encoding/binary"
	"slices"
	"sort"
)

// MaxChunk is the length of the longest chunk, in bytes: long enough that the
// table stays small (24 bytes for each), short enough for a cache.
const MaxChunk = 1 << 20

// Chunk is a piece of the file with its checksum: Sum is the xxh3-64 of the
// Len bytes at Pos.
type Chunk struct {
	Pos uint64
	Len uint32
	Sum uint64
}

func (c Chunk) end() uint64 { return c.Pos + uint64(c.Len) }

// chunkEntry is the size of a chunk in the chunk table, and chunkPayload the
// flag of a chunk of the payload area.
const (
	chunkEntry   = 24
	chunkPayload = 1
)

// chunkTable is the content of the table: pieces of memory, then pieces of the
// payload area behind it, both in the order of the file.
type chunkTable struct {
	memory, payload []Chunk
	encoded         []byte // what it was decoded from; that can be encoded in one way only
}

func (t chunkTable) len() int { return len(t.memory) + len(t.payload) }

// at is the chunk of an index below len.
func (t chunkTable) at(i int) Chunk {
	if n := len(t.memory); i >= n {
		return t.payload[i-n]
	}
	return t.memory[i]
}

func (t chunkTable) encode() []byte {
	if t.encoded != nil {
		return t.encoded
	}
	b := make([]byte, 0, chunkEntry*t.len())
	for _, c := range t.memory {
		b = appendChunk(b, c, 0)
	}
	for _, c := range t.payload {
		b = appendChunk(b, c, chunkPayload)
	}
	return b
}

func appendChunk(b []byte, c Chunk, flags uint32) []byte {
	b = binary.LittleEndian.AppendUint64(b, c.Pos)
	b = binary.LittleEndian.AppendUint32(b, c.Len)
	b = binary.LittleEndian.AppendUint32(b, flags)
	return binary.LittleEndian.AppendUint64(b, c.Sum)
}

func decodeChunks(b []byte) (chunkTable, error) {
	t := chunkTable{encoded: b}
	if len(b)%chunkEntry != 0 {
		return t, corrupt("chunk table of %d bytes", len(b))
	}
	t.memory = make([]Chunk, 0, len(b)/chunkEntry) // mostly
	for ; len(b) > 0; b = b[chunkEntry:] {
		c := Chunk{
			Pos: binary.LittleEndian.Uint64(b),
			Len: binary.LittleEndian.Uint32(b[8:]),
			Sum: binary.LittleEndian.Uint64(b[16:]),
		}
		switch flags := binary.LittleEndian.Uint32(b[12:]); {
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

// check checks that each chunk is where it can be, none overlaps another and
// those of memory do not reach from one segment into the next. The payload area
// begins at payloadPos and its last chunk ends it.
func (t chunkTable) check(owners []owner, payloadPos uint64) error {
	end := uint64(0)
	for i, c := range t.memory {
		for len(owners) > 0 && owners[0].end() <= c.Pos {
			owners = owners[1:]
		}
		if c.Pos < end || c.Len == 0 || c.Len > MaxChunk || (c.Pos|uint64(c.Len))%PageSize != 0 ||
			len(owners) == 0 || c.Pos < owners[0].pos || c.end() > owners[0].end() {
			return corrupt("chunk %d of %#x bytes at file offset %#x does not fit", i, c.Len, c.Pos)
		}
		end = c.end()
	}
	end = payloadPos
	for i, c := range t.payload {
		if c.Pos < end || c.Pos > maxFile || c.Len == 0 || c.Len > MaxChunk {
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
		return t.payload[n-1].end()
	}
	return pos
}

// sort orders the chunks as they stand in the table.
func (t chunkTable) sort() {
	byPos := func(a, b Chunk) int {
		if a.Pos < b.Pos {
			return -1
		}
		return 1
	}
	slices.SortFunc(t.memory, byPos)
	slices.SortFunc(t.payload, byPos)
}

// chunkFrom is the index of the first chunk that ends behind the file position.
func chunkFrom(chunks []Chunk, pos uint64) int {
	return sort.Search(len(chunks), func(i int) bool { return chunks[i].end() > pos })
}

// bytes is the length of all chunks.
func (t chunkTable) bytes() int64 {
	s := t.stats()
	return s.Memory + s.Payload
}

// stats counts what is in the chunks.
func (t chunkTable) stats() Stats {
	s := Stats{Chunks: t.len()}
	for _, c := range t.memory {
		s.Memory += int64(c.Len)
	}
	for _, c := range t.payload {
		s.Payload += int64(c.Len)
	}
	return s
}
