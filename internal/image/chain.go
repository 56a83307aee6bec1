package image

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// An incremental image holds what was written to since its parent was made, and
// keeps the rest: it names the parent, which can have a parent of its own. The
// last one of such a chain is complete in itself.

// MaxParents is how many parents an image has at most.
const MaxParents = 64

// sealLen is the length of a seal, in bytes.
const sealLen = 16

// ErrNoParent says that the parent of an image is not where it should be.
var ErrNoParent = errors.New("it is not there")

// LinkError says which parent of an image can not be used, and why: it wraps
// ErrNoParent, ErrCorrupt or what opening it gave.
type LinkError struct {
	Parent
	Err error
}

func (e *LinkError) Error() string {
	return fmt.Sprintf("it goes on from image %s (%s): %v", e.Path, shortID(e.ID), e.Err)
}

func (e *LinkError) Unwrap() error { return e.Err }

// shortID is enough of an id to tell images apart that somebody has beside each
// other.
func shortID(id string) string { return id[:min(len(id), 12)] }

// checkParent checks the name of the parent. It is not compared with anything.
func (m *Manifest) checkParent() error {
	seals := []string{}
	if m.Parent != nil {
		seals = append(seals, m.Parent.Seal)
		if m.Parent.ID == "" || m.Parent.Path == "" {
			return errors.New("its parent has no id or no path")
		}
	}
	if m.Flattened != "" {
		seals = append(seals, m.Flattened)
	}
	for _, s := range seals {
		if b, err := hex.DecodeString(s); err != nil || hex.EncodeToString(b) != s || len(b) != sealLen {
			return fmt.Errorf("seal %q", s)
		}
	}
	if m.Version == 2 && len(seals) > 0 {
		return errors.New("it has a parent, which version 2 has not")
	}
	return nil
}

// Seal is the checksum of headers and notes, and thereby of all checksums, in
// hexadecimal. Together with the id it tells the image from any other file.
func (im *Image) Seal() string { return im.seal }

// Parent is the parent of the image; nil if it is complete in itself. It is
// closed together with the image.
func (im *Image) Parent() *Image { return im.parent }

// Path is the name by which the image was opened.
func (im *Image) Path() string { return im.file.Name() }

// Stands reports whether the image can stand for the one that p names: it is that
// one, or was made of it.
func (im *Image) Stands(p Parent) bool {
	return im.manifest.ID == p.ID && (im.seal == p.Seal || im.manifest.Flattened == p.Seal)
}

// KeptName is the name under which an image is kept, as the parent of the one that
// takes its place at path.
func KeptName(path, id string) string { return path + "." + id }

// openParents opens the parent of the image, and those of that one.
func (im *Image) openParents() error {
	ids := []string{im.manifest.ID}
	for at := im; at.manifest.Parent != nil; at = at.parent {
		p := *at.manifest.Parent
		switch {
		case len(ids) > MaxParents:
			return corrupt("it has more than %d parents", MaxParents)
		case slices.Contains(ids, p.ID):
			return &LinkError{p, corrupt("that goes on from this one")}
		}
		ids = append(ids, p.ID)
		var err error
		if at.parent, err = at.openParent(p); err != nil {
			return &LinkError{p, err}
		}
		if err := at.checkKept(); err != nil {
			return &LinkError{p, err}
		}
	}
	return im.checkComplete()
}

// openParent finds the parent: where it was, or beside this image, if both were
// moved; and there under the name that it has since another image took its place.
func (im *Image) openParent(p Parent) (*Image, error) {
	dir := filepath.Dir(im.file.Name())
	there := p.Path
	if !filepath.IsAbs(there) {
		there = filepath.Join(dir, there)
	}
	beside := filepath.Join(dir, filepath.Base(p.Path))
	worst := fmt.Errorf("%w (%s)", ErrNoParent, there)
	for i, path := range []string{there, KeptName(there, p.ID), beside, KeptName(beside, p.ID)} {
		if i >= 2 && beside == there {
			break
		}
		found, err := openAlone(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			worst = err
			continue
		case found.Stands(p):
			return found, nil
		case found.manifest.ID == p.ID:
			worst = corrupt("%s is not as it was when this one was made", path)
		case errors.Is(worst, ErrNoParent):
			worst = fmt.Errorf("%w (%s is another image)", ErrNoParent, path)
		}
		found.Close()
	}
	return nil, worst
}

// checkKept finds the processes of the image in its parent, and checks that what
// they keep is memory of that one, and comes from the same where it is in no
// chunk.
func (im *Image) checkKept() error {
	index := make(map[int]int, len(im.parent.manifest.Processes))
	for i := range im.parent.manifest.Processes {
		index[im.parent.manifest.Processes[i].PID] = i
	}
	im.ancestors = make([]int, len(im.manifest.Processes))
	for i := range im.manifest.Processes {
		p := &im.manifest.Processes[i]
		there, found := index[p.PID]
		if im.ancestors[i] = there; !found {
			im.ancestors[i] = -1
		}
		var areas []Area
		if found {
			areas = im.parent.manifest.Processes[there].Areas
		}
		for _, s := range im.placed.processes[i] {
			if !s.Kept {
				continue
			}
			own := areaAt(p.Areas, uint64(s.Start))
			for at := uint64(s.Start); at < uint64(s.End); {
				a := areaAt(areas, at)
				if a == nil || !a.inImage() || a.zeroIsImplied() != own.zeroIsImplied() {
					return corrupt("process %d has no such memory at %#x", p.PID, at)
				}
				at = uint64(a.End)
			}
		}
	}
	return nil
}

// checkComplete checks that nothing of the last image of the chain is a parent's.
func (im *Image) checkComplete() error {
	for im.parent != nil {
		im = im.parent
	}
	for i, segs := range im.placed.processes {
		if keepsAny(segs) {
			return corrupt("process %d: memory is the parent's, but there is none", im.manifest.Processes[i].PID)
		}
	}
	return nil
}
