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
// image has is not in it. Checksums are looked at; what is not saved is a hole.
// Like an image, the file gets its name when it is whole.
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
	w := coreWriter{im: im, to: temp, cached: -1}
	size, err := w.write(ctx, p, im.placed.processes[process])
	if err == nil {
		err = temp.publish(false)
	}
	if err != nil {
		return 0, fmt.Errorf("write core %s: %w", path, err)
	}
	return size, nil
}

type coreWriter struct {
	im     *Image
	to     *tempFile
	buf    []byte // the chunk that was read last
	cached int    // its index
}

func (w *coreWriter) write(ctx context.Context, p *Process, from []Segment) (int64, error) {
	segs := slices.Clone(from)
	end := alignUp(headersEnd(len(segs)))
	for i := range segs {
		segs[i].Pos = end
		end += segs[i].FileLen
	}
	notes, err := encodeNotes(func(f func(note) error) error {
		return eachProcessNote(p, w.im.manifest.Host.CPU.XSaveLayout, f)
	})
	if err != nil {
		return 0, err
	}
	at := fileRange{end, uint64(len(notes))}
	if _, err := w.to.file.WriteAt(encodeHeaders(segs, at, false), 0); err != nil {
		return 0, err
	}
	for i := range segs {
		if err := w.copy(ctx, fileRange{from[i].Pos, from[i].FileLen}, segs[i].Pos); err != nil {
			return 0, err
		}
	}
	if _, err := w.to.file.WriteAt(notes, int64(at.pos)); err != nil {
		return 0, err
	}
	return int64(at.end()), nil
}

// copy copies the chunks in a part of the image to pos.
func (w *coreWriter) copy(ctx context.Context, part fileRange, pos uint64) error {
	chunks := w.im.chunks.memory
	for i := chunkFrom(chunks, part.pos); i < len(chunks) && chunks[i].Pos < part.end(); i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		c := chunks[i]
		if err := w.load(i, c); err != nil {
			return err
		}
		from, to := max(part.pos, c.Pos), min(part.end(), c.end())
		if _, err := w.to.file.WriteAt(w.buf[from-c.Pos:to-c.Pos], int64(pos+from-part.pos)); err != nil {
			return err
		}
	}
	return nil
}

// load reads a whole chunk and checks it.
func (w *coreWriter) load(i int, c Chunk) error {
	if w.cached == i {
		return nil
	}
	w.cached = -1
	w.buf = slices.Grow(w.buf[:0], int(c.Len))[:c.Len]
	if err := w.im.verifyChunk(i, c, w.buf); err != nil {
		return err
	}
	w.cached = i
	return nil
}
