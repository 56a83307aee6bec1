package save

import (
	"cmp"
	"context"
	"io"
	"slices"

	"ckpt/internal/image"
)

// object is shared anonymous memory. It is in the image once: the mappings of
// all processes are windows on it. What nobody has mapped any more does not
// exist.
type object struct {
	image.Object
	windows []window // that show every byte that there is once, in order
}

// window is a part of an object that a process has mapped.
type window struct {
	offset, length uint64
	process        int // index
	addr           uint64
}

func (w *window) end() uint64 { return w.offset + w.length }

// findObjects finds the objects behind the areas of all processes.
func findObjects(processes [][]image.Area) []object {
	var all []object
	at := map[uint64]int{}
	for p, areas := range processes {
		for i := range areas {
			a := &areas[i]
			if a.Kind != image.SharedAnonymous {
				continue
			}
			n, known := at[a.Object]
			if !known {
				n = len(all)
				at[a.Object] = n
				all = append(all, object{Object: image.Object{ID: a.Object}})
			}
			o := &all[n]
			o.Size = max(o.Size, a.Offset+a.Size())
			o.windows = append(o.windows, window{a.Offset, a.Size(), p, uint64(a.Start)})
		}
	}
	for i := range all {
		all[i].windows = disjoint(all[i].windows)
	}
	return all
}

// disjoint takes parts of the windows that show everything that they show
// together, once.
func disjoint(windows []window) []window {
	slices.SortStableFunc(windows, func(a, b window) int { return cmp.Compare(a.offset, b.offset) })
	var out []window
	shown := uint64(0)
	for _, w := range windows {
		if w.end() <= shown {
			continue
		}
		if w.offset < shown {
			w.addr, w.length, w.offset = w.addr+shown-w.offset, w.end()-shown, shown
		}
		out, shown = append(out, w), w.end()
	}
	return out
}

// runs are what of the object goes into the image.
func (o *object) runs() []image.Run {
	var runs []image.Run
	for _, w := range o.windows {
		if n := len(runs); n > 0 && runs[n-1].Start+runs[n-1].Len == w.offset {
			runs[n-1].Len += w.length
			continue
		}
		runs = append(runs, image.Run{Start: w.offset, Len: w.length})
	}
	return runs
}

// objectMemory is the content of an object, as seen through its windows.
type objectMemory struct {
	windows []window
	memory  []io.ReaderAt // of the processes
}

func (m *objectMemory) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		at := uint64(off) + uint64(n)
		i, _ := slices.BinarySearchFunc(m.windows, at, func(w window, at uint64) int {
			if w.end() <= at {
				return -1
			}
			return 1
		})
		if i == len(m.windows) || m.windows[i].offset > at {
			return n, io.EOF
		}
		w := &m.windows[i]
		part := b[n : n+int(min(uint64(len(b)-n), w.end()-at))]
		k, err := m.memory[w.process].ReadAt(part, int64(w.addr+at-w.offset))
		n += k
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// findObjects finds the objects behind the areas of all processes. With their
// content in the image once, the areas have none of their own.
func (c *collector) findObjects() []image.ObjectSpace {
	var areas [][]image.Area
	for _, m := range c.members {
		areas = append(areas, m.p.Areas)
	}
	c.objects = findObjects(areas)
	var spaces []image.ObjectSpace
	for i := range c.objects {
		o := &c.objects[i]
		c.manifest.Objects = append(c.manifest.Objects, o.Object)
		spaces = append(spaces, image.ObjectSpace{Object: o.Object, Runs: o.runs()})
		c.total += int64(total(o.runs()))
	}
	return spaces
}

// copyObjects copies the objects' content. A twin shares it with the process, so
// that this can not wait.
func (c *collector) copyObjects(ctx context.Context) error {
	var memory []io.ReaderAt
	for _, m := range c.members {
		memory = append(memory, m.frozen.mem)
	}
	for i := range c.objects {
		o := &c.objects[i]
		into := &copier{
			mem: &objectMemory{o.windows, memory}, image: c.image.Object(i), path: c.o.Path,
			buffers: c.before.buffers, step: c.step,
		}
		if err := into.copy(ctx, o.runs()); err != nil {
			return err
		}
	}
	return nil
}
