package restore

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"ckpt/internal/image"
	"ckpt/internal/kind"
	"ckpt/internal/sys"
)

// CheckCopies refuses an image of which there can not be several processes at the
// same time, because all would write to the same file, each as if it were alone. A
// file that is only appended to is told of by warn. lazy says that copies can share the
// memory that is mapped from the image.
func CheckCopies(path string, warn func(object, text string)) (lazy bool, err error) {
	im, err := image.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("%s: %w", path, ErrNoImage)
	} else if err != nil {
		return false, err
	}
	defer im.Close()
	m := im.Manifest()
	var obstacles []error
	for i := range m.Files {
		f := &m.Files[i]
		switch {
		case f.Kind != "regular":
		case f.Flags&sys.OAccMode != sys.ORdonly && f.Flags&sys.OAppend == 0, mappedForWriting(m, f.ID):
			obstacles = append(obstacles, &kind.UnsupportedError{Object: object(holder(m, f), f), Reason: "all copies would write to it", Advice: "restore one copy, or save the program when it has closed the file"})
		case f.Flags&sys.OAccMode != sys.ORdonly:
			warn(object(holder(m, f), f), "all copies append to it")
		}
	}
	if len(obstacles) > 0 {
		return false, &RefusedError{obstacles}
	}
	if lazy = !compressed(im); !lazy {
		warn("--copies", "the image is compressed: each copy reads all memory before it runs, and shares none")
	}
	return lazy, nil
}

// mappedForWriting reports whether a process can write to a file by a mapping.
func mappedForWriting(m *image.Manifest, id int) bool {
	return slices.ContainsFunc(m.Processes, func(p image.Process) bool {
		return slices.ContainsFunc(p.Areas, func(a image.Area) bool {
			return a.Kind == image.SharedFile && a.File == id && (a.Prot&image.ProtWrite != 0 || a.HasFlag("mw"))
		})
	})
}

// holder is a process that has the file open, to name it by.
func holder(m *image.Manifest, f *image.OpenFile) *image.Process {
	for i := range m.Processes {
		if m.Processes[i].HasDescriptor(f.ID) {
			return &m.Processes[i]
		}
	}
	return &m.Processes[0]
}
