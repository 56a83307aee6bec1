package image

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// ErrZombie says that a process has no memory any more.
var ErrZombie = errors.New("it had ended already and has no memory")

// WriteCore writes the process with that index as a core file of its own to
// path, and returns its length in bytes. It is for debuggers: what only an
// image has is not in it. What an incremental image keeps is. Checksums are looked
// at; what is not saved is a hole. Like an image, the file gets its name when it is
// whole.
func (im *Image) WriteCore(ctx context.Context, process int, path string) (int64, error) {
	p := im.Process(process)
	if p.Zombie {
		return 0, fmt.Errorf("process %d: %w", p.PID, ErrZombie)
	}
	temp, err := createTemp(ctx, path, turnLimit)
	if err != nil {
		return 0, err
	}
	defer temp.remove()
	w := coreWriter{space: im.Space(process), to: temp}
	size, err := w.write(ctx, p)
	if err == nil {
		err = temp.publish(false)
	}
	if err != nil {
		return 0, fmt.Errorf("write core %s: %w", path, err)
	}
	return size, nil
}

type coreWriter struct {
	space SpaceReader
	to    *tempFile
	read  pieceReader
}

func (w *coreWriter) write(ctx context.Context, p *Process) (int64, error) {
	segs, err := w.segments(p)
	if err != nil {
		return 0, err
	}
	end := alignUp(headersEnd(len(segs)))
	for i := range segs {
		segs[i].Pos = end
		end += segs[i].FileLen
	}
	notes, err := encodeNotes(func(f func(note) error) error {
		return eachProcessNote(p, w.space.im.manifest.Host.CPU.XSaveLayout, f)
	})
	if err != nil {
		return 0, err
	}
	at := fileRange{end, uint64(len(notes))}
	if _, err := w.to.file.WriteAt(encodeHeaders(segs, at, plainCore), 0); err != nil {
		return 0, err
	}
	var pieces []Piece
	for i := range segs {
		s := &segs[i]
		pieces = w.space.AppendPieces(pieces[:0], uint64(s.Start), s.fileEnd())
		err := w.read.each(ctx, pieces, func(addr uint64, b []byte) error {
			_, err := w.to.file.WriteAt(b, int64(s.Pos+addr-uint64(s.Start)))
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	if _, err := w.to.file.WriteAt(notes, int64(at.pos)); err != nil {
		return 0, err
	}
	return int64(at.end()), nil
}

// segments are the PT_LOADs of the core: those of the image, but for what it
// keeps, which is cut anew.
func (w *coreWriter) segments(p *Process) ([]Segment, error) {
	if !keepsAny(w.space.segs) {
		return slices.Clone(w.space.segs), nil
	}
	var runs []Run
	for i := range p.Areas {
		runs = append(runs, w.space.runs(&p.Areas[i])...)
	}
	return new(placed).cut(p.Areas, runsOf(runs), nil, maxSegments)
}

// runs are what of an area is saved, in this image or its parents.
func (s SpaceReader) runs(a *Area) []Run {
	return joined(s.AppendPieces(nil, uint64(a.Start), uint64(a.End)))
}

// pieceReader reads pieces and checks the chunks that they are in. Of each image
// it remembers the chunk that it read last.
type pieceReader struct {
	last map[*Image]*loadedChunk
}

type loadedChunk struct {
	index int
	bytes []byte
}

// each calls f with the content of all pieces, in parts.
func (r *pieceReader) each(ctx context.Context, pieces []Piece, f func(addr uint64, b []byte) error) error {
	for _, p := range pieces {
		chunks, end := p.In.chunks.memory, p.Pos+p.Len
		for i := chunkFrom(chunks, p.Pos); i < len(chunks) && chunks[i].Pos < end; i++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			c := chunks[i]
			b, err := r.load(p.In, i)
			if err != nil {
				return err
			}
			from, to := max(p.Pos, c.Pos), min(end, c.end())
			if err := f(p.Addr+from-p.Pos, b[from-c.Pos:to-c.Pos]); err != nil {
				return err
			}
		}
	}
	return nil
}

// load reads a whole chunk and checks it.
func (r *pieceReader) load(im *Image, i int) ([]byte, error) {
	if r.last == nil {
		r.last = map[*Image]*loadedChunk{}
	}
	l := r.last[im]
	if l == nil {
		l = &loadedChunk{index: -1}
		r.last[im] = l
	}
	if l.index == i {
		return l.bytes, nil
	}
	l.index = -1
	c := im.chunks.memory[i]
	l.bytes = slices.Grow(l.bytes[:0], int(c.Len))[:c.Len]
	if err := im.verifyChunk(i, c, l.bytes, nil); err != nil {
		return nil, err
	}
	l.index = i
	return l.bytes, nil
}
