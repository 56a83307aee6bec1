package save

import (
	"fmt"

	"ckpt/internal/image"
	"ckpt/internal/kind"
	"ckpt/internal/sys"
)

// refuseDestination refuses to put the image in the place of a file that one of
// the processes has open: the restored program would read its own image for
// that file.
func (f *files) refuseDestination(path string) {
	st, err := sys.LstatPath(path)
	if err != nil {
		return // there is none yet
	}
	for _, d := range f.descs {
		if d.FD >= 0 && d.Stat.Dev == st.Dev && d.Stat.Ino == st.Ino {
			f.owner(d).refuseReplacing(fmt.Sprintf("fd %d (%s)", d.FD, d.Link))
			return
		}
	}
}

// refuseDestination is the same for files that are mapped.
func (s *subject) refuseDestination(path string, mappings []mapping) {
	st, err := sys.LstatPath(path)
	if err != nil {
		return
	}
	for i := range mappings {
		m := &mappings[i]
		if m.Kind == image.Anonymous {
			continue // if it is mapped from an image, that stays when another gets its name
		}
		if sameFile(&kind.Desc{Stat: st}, m.vma) && m.vma.Inode != 0 {
			s.refuseReplacing(fmt.Sprintf("memory at %s-%s (%s)", m.Start, m.End, describeMapping(m)))
			return
		}
	}
}

func (s *subject) refuseReplacing(object string) {
	s.refuse(object, "is the file that the image would replace", "write the image to another file")
}

// sameProcess refuses a process that has only got the number of the one that
// was looked at before.
func (s *subject) sameProcess(start uint64) error {
	if s.start == start {
		return nil
	}
	return fmt.Errorf("process %d ended, and another one has its number now: %w", s.pid, ErrNoProcess)
}
