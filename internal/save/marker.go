package save

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/zeebo/xxh3"

	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// What an incremental save has to know of the last one is in the process itself,
// and ends with it: a userfaultfd, by which the kernel notes what is written to, and
// a memfd, the marker, that names the image since which it does. Both have high
// numbers, are closed by execve(2), and in no image.
//
// From before the first note is taken back until the next image is complete, the
// marker names none. So an engine that dies in between leaves a process whose next
// image is complete, and never one with pages missing.

// markerName is the name of the memfd.
const (
	markerName = "ckpt-incremental"
	markerLink = "/memfd:" + markerName + " (deleted)"
	markerSize = 2 * pageSize // with a path of PATH_MAX bytes and more
)

const userfaultfdLink = "anon_inode:[userfaultfd]"

// marker is the content of the memfd: a checksum, and this as JSON. A child
// inherits its parent's, which says nothing about the child.
type marker struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // with the pid it names the process for good
	// FDs are the numbers that the userfaultfd has or, as long as it is not Ready,
	// may have.
	FDs   []int        `json:"fds"`
	Ready bool         `json:"ready,omitempty"`
	Image *markedImage `json:"image,omitempty"` // nil: what was written since any is not known
}

// markedImage is the image since which is noted what is written to.
type markedImage struct {
	ID   string `json:"id"`
	Seal string `json:"seal"`
	Path string `json:"path"` // absolute
}

// held is a marker in a process.
type held struct {
	marker
	fd   int // of the memfd
	file *os.File
}

// findHeld finds the markers that a process holds open: its own, if it has one, and
// those that it inherited.
func findHeld(p proc.Process) ([]*held, error) {
	fds, err := p.FDs()
	if err != nil {
		return nil, err
	}
	var all []*held
	for _, fd := range fds {
		link, err := p.FDLink(fd)
		if errors.Is(err, fs.ErrNotExist) || err == nil && link != markerLink {
			continue
		}
		var h *held
		if err == nil {
			h, err = openHeld(p, fd)
		}
		if err != nil {
			closeHeld(all)
			return nil, err
		}
		all = append(all, h)
	}
	return all, nil
}

func openHeld(p proc.Process, fd int) (*held, error) {
	f, err := os.OpenFile(p.Path(fmt.Sprintf("fd/%d", fd)), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	h := &held{fd: fd, file: f}
	var b [markerSize]byte
	n, _ := f.ReadAt(b[:], 0)
	if n == len(b) {
		h.decode(b[:])
	}
	return h, nil
}

// decode reads what encode wrote; a marker that was only written half names no
// image and no process.
func (m *marker) decode(b []byte) {
	text := b[16:]
	if n := binary.LittleEndian.Uint64(b[8:]); n <= uint64(len(text)) {
		text = text[:n]
	}
	var read marker
	if binary.LittleEndian.Uint64(b) == xxh3.Hash(text) && json.Unmarshal(text, &read) == nil {
		*m = read
	}
}

func (m *marker) encode() ([]byte, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	if len(text) > markerSize-16 {
		return nil, fmt.Errorf("the path of the image has %d bytes, which is too long", len(text))
	}
	b := make([]byte, markerSize)
	binary.LittleEndian.PutUint64(b, xxh3.Hash(text))
	binary.LittleEndian.PutUint64(b[8:], uint64(len(text)))
	copy(b[16:], text)
	return b, nil
}

// name makes the marker name an image; nil is none.
func (h *held) name(im *markedImage) error {
	h.Image = im
	b, err := h.encode()
	if err == nil {
		_, err = h.file.WriteAt(b, 0)
	}
	return err
}

// of reports whether it is the process's own.
func (h *held) of(pid int, start uint64) bool { return h.PID == pid && h.Start == start }

func closeHeld(all []*held) {
	for _, h := range all {
		_ = h.file.Close() // nothing is buffered
	}
}

// ourDescriptors are the numbers of markers and of their userfaultfds.
func ourDescriptors(p proc.Process, all []*held) (fds []int) {
	for _, h := range all {
		fds = append(fds, h.fd)
		for _, fd := range h.FDs {
			if isUserfaultfd(p, fd) && !slices.Contains(fds, fd) {
				fds = append(fds, fd)
			}
		}
	}
	return fds
}

// ourFDs are the numbers of the descriptors that incremental saves have left in the
// process.
func (s *subject) ourFDs() []int {
	if s.ours == nil {
		var fds []int
		if all, err := findHeld(s.proc); err == nil { // else they are taken for the program's
			fds = ourDescriptors(s.proc, all)
			closeHeld(all)
		}
		s.ours = &fds
	}
	return *s.ours
}

// watched reports whether incremental saves watch the process's memory.
func (s *subject) watched() bool {
	return slices.ContainsFunc(s.ourFDs(), func(fd int) bool { return isUserfaultfd(s.proc, fd) })
}

// isUserfaultfd reports whether a descriptor whose number a marker names is a
// userfaultfd as we make them, or one that was not set up yet: a number that ours did
// not come to have can be that of one of the program's.
func isUserfaultfd(p proc.Process, fd int) bool {
	if link, err := p.FDLink(fd); err != nil || link != userfaultfdLink {
		return false
	}
	info, err := p.FDInfo(fd)
	if err != nil {
		return false
	}
	var api, features uint64
	shown, _ := info.Lookup("API") // as userfaultfd_show_fdinfo in fs/userfaultfd.c prints it
	if n, _ := fmt.Sscanf(shown, "%x:%x:", &api, &features); n != 2 {
		return false
	}
	return features == 0 || features&sys.UserfaultfdWPAsync != 0
}
