package kind

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strconv"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// content is a file without a name, which nobody could open again: it lives in
// the image. Open files with the same Dev and Ino are of one file.
type content struct {
	Dev     uint64            `json:"dev"`
	Ino     uint64            `json:"ino"`
	Size    int64             `json:"size"`
	Mtime   int64             `json:"mtime"` // ns since the epoch; 0 is unknown
	Mode    uint32            `json:"mode"`
	UID     uint32            `json:"uid"`
	GID     uint32            `json:"gid"`
	Payload *image.PayloadRef `json:"payload,omitempty"`
	// FromMapping says that the file could not be read when it was saved, but
	// its mapped pages are in the image as memory of the shared areas. Size is
	// then only what is known of it: a lower bound.
	FromMapping bool `json:"from_mapping,omitempty"`
}

// saveContent describes the file behind d and stores what is in it, once for
// all its open files.
func saveContent(c *SaveContext, d *Desc) (content, error) {
	src, err := openContent(c, d)
	if err != nil {
		if d.FD < 0 {
			return mappedContent(d), nil
		}
		return content{}, &UnsupportedError{d.object(),
			"it has no name and its content can not be read: " + err.Error(), "save as root"}
	}
	defer src.Close()
	st, err := sys.StatFD(int(src.Fd()))
	if err != nil {
		return content{}, fmt.Errorf("%s: %w", d.object(), err)
	}
	det := content{
		Dev: st.Dev, Ino: st.Ino, Size: st.Size, Mtime: st.Mtime, Mode: st.Mode & sys.ModePerm, UID: st.UID, GID: st.GID,
	}
	if !c.Frozen {
		return det, nil
	}
	ref, err := c.stored(det.key(), func() (image.PayloadRef, error) {
		extents, err := sys.DataExtents(int(src.Fd()), st.Size)
		if err != nil {
			return image.PayloadRef{}, err
		}
		return c.AddPayload(src, st.Size, extents)
	})
	if err != nil {
		return content{}, fmt.Errorf("%s: save its content: %w", d.object(), err)
	}
	det.Payload = &ref
	return det, nil
}

// openContent opens the file behind d once more, for reading and with an offset
// of its own.
func openContent(c *SaveContext, d *Desc) (*os.File, error) {
	p := c.FS.Process(d.PID)
	if d.FD >= 0 {
		return sys.OpenFile(p.Path("fd/"+strconv.Itoa(d.FD)), sys.ORdonly, 0)
	}
	if d.Area == nil {
		return nil, fs.ErrNotExist
	}
	return sys.OpenFile(p.MapFile(d.Area.Start, d.Area.End), sys.ORdonly, 0)
}

// mappedContent is what is known of a file that only a mapping tells of.
func mappedContent(d *Desc) content {
	det := content{FromMapping: true, Mode: 0o600, Size: d.Stat.Size, Mtime: d.Stat.Mtime, Dev: d.Stat.Dev, Ino: d.Stat.Ino}
	if d.Area != nil {
		det.Dev, det.Ino = uint64(d.Area.DevMajor)<<32|uint64(d.Area.DevMinor), d.Area.Inode
		det.Size = max(det.Size, int64(d.Area.Offset+d.Area.Size()))
	}
	return det
}

func (det *content) key() string { return fmt.Sprintf("%x:%x", det.Dev, det.Ino) }

// remake opens f, of which det is the content, again. create makes an empty
// file, open for reading and writing, that has no name; it is asked only for
// the first of the open files that share it.
func (det *content) remake(r *RestoreContext, f *image.OpenFile, create func() (*os.File, error)) error {
	base, err := Object(r, "content:"+det.key(), func() (*os.File, error) {
		file, err := create()
		if err != nil {
			return nil, err
		}
		r.Hold(file)
		if err := det.fill(r, f, file); err != nil {
			return nil, err
		}
		// Mappings may still be filled, and the mode may forbid what the open
		// files are allowed: both come last.
		r.AtEnd(func() (func() error, error) { return nil, det.finish(r, f, file) })
		return file, nil
	})
	if err != nil {
		return fmt.Errorf("%s: make it again: %w", r.object(f), err)
	}
	file, err := sys.Reopen(int(base.Fd()), f.Flags&fileFlags)
	if err != nil {
		return fmt.Errorf("%s: open it again: %w", r.object(f), err)
	}
	r.Made(f, file)
	return nil
}

// fill gives the file its size and what is in it.
func (det *content) fill(r *RestoreContext, f *image.OpenFile, file *os.File) error {
	size, err := det.size(r, f)
	if err != nil {
		return err
	}
	if err := file.Truncate(size); err != nil {
		return err
	}
	if det.Payload == nil {
		return nil
	}
	if det.Payload.Size != det.Size {
		return fmt.Errorf("%w: file of %d bytes with a content of %d", image.ErrCorrupt, det.Size, det.Payload.Size)
	}
	src := r.Payload(*det.Payload)
	for _, e := range det.Payload.Extents {
		if e.Off < 0 || e.Len < 0 || e.Off > size-e.Len {
			return fmt.Errorf("%w: content at %d+%d of a file of %d bytes", image.ErrCorrupt, e.Off, e.Len, size)
		}
		n, err := io.Copy(io.NewOffsetWriter(file, e.Off), io.NewSectionReader(src, e.Off, e.Len))
		if err != nil {
			return fmt.Errorf("write its content: %w", err)
		}
		if n != e.Len {
			return fmt.Errorf("%w: content at %d+%d ends early", image.ErrCorrupt, e.Off, e.Len)
		}
	}
	return nil
}

// size is the length of the file, which is at least what is mapped of it if
// only mappings could tell.
func (det *content) size(r *RestoreContext, f *image.OpenFile) (int64, error) {
	size := det.Size
	if det.FromMapping {
		for i := range r.Manifest.Processes {
			for _, a := range r.Manifest.Processes[i].Areas {
				if a.File != f.ID {
					continue
				}
				if a.Offset > math.MaxInt64-a.Size() {
					return 0, fmt.Errorf("%w: area %s maps beyond the end of all files", image.ErrCorrupt, a.Start)
				}
				size = max(size, int64(a.Offset+a.Size()))
			}
		}
	}
	if size < 0 {
		return 0, fmt.Errorf("%w: file of %d bytes", image.ErrCorrupt, size)
	}
	return size, nil
}

// finish sets owner, permissions and time.
func (det *content) finish(r *RestoreContext, f *image.OpenFile, file *os.File) error {
	if det.FromMapping {
		return nil
	}
	st, err := sys.StatFD(int(file.Fd()))
	if err != nil {
		return fmt.Errorf("%s: %w", r.object(f), err)
	}
	if st.UID != det.UID || st.GID != det.GID {
		if err := file.Chown(int(det.UID), int(det.GID)); err != nil {
			// Only root can give a file away, and it has no name by which
			// anybody else could ask for it.
			r.Warn(r.object(f), fmt.Sprintf("it belonged to user %d and group %d, it belongs to you now", det.UID, det.GID))
		}
	}
	if err := sys.SetMode(int(file.Fd()), det.Mode&sys.ModePerm); err != nil {
		return fmt.Errorf("%s: %w", r.object(f), err)
	}
	if det.Mtime == 0 {
		return nil
	}
	if err := sys.SetMtime(int(file.Fd()), det.Mtime); err != nil {
		return fmt.Errorf("%s: %w", r.object(f), err)
	}
	return nil
}
