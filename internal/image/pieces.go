package image

// Piece says that the bytes [Addr, Addr+Len) of the process's memory are at
// Pos in the image file.
type Piece struct{ Addr, Pos, Len uint64 }

// AppendPieces appends the saved memory of [start, end) to pieces, in order and
// in pieces as long as possible.
func (im *Image) AppendPieces(pieces []Piece, start, end uint64) []Piece {
	chunks := im.chunks.memory
	for i := chunkFrom(chunks, start); i < len(chunks) && chunks[i].Addr < end; i++ {
		c := chunks[i]
		from, to := max(start, c.Addr), min(end, c.end())
		p := Piece{Addr: from, Pos: c.Pos + from - c.Addr, Len: to - from}
		if n := len(pieces); n > 0 {
			last := &pieces[n-1]
			if last.Addr+last.Len == p.Addr && last.Pos+last.Len == p.Pos {
				last.Len += p.Len
				continue
			}
		}
		pieces = append(pieces, p)
	}
	return pieces
}
