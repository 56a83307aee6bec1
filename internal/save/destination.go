package save

import (
	"fmt"

	"ckpt/internal/kind"
	"ckpt/internal/sys"
)

// refuseDestination refuses to put the image in the place of a file that the
// process has open or mapped: the restored program would read its own image
// for that file.
func (s *subject) refuseDestination(path string, descs []*kind.Desc, mappings []mapping) {
	st, err := sys.LstatPath(path)
	if err != nil {
		return // there is none yet
	}
	refuse := func(object string) {
		s.refuse(object, "is the file that the image would replace", "write the image to another file")
	}
	for _, d := range descs {
		if d.FD >= 0 && d.Stat.Dev == st.Dev && d.Stat.Ino == st.Ino {
			refuse(fmt.Sprintf("fd %d (%s)", d.FD, d.Link))
			return
		}
	}
	for i := range mappings {
		m := &mappings[i]
		if sameFile(&kind.Desc{Stat: st}, m.vma) && m.vma.Inode != 0 {
			refuse(fmt.Sprintf("memory at %s-%s (%s)", m.Start, m.End, describeMapping(m)))
			return
		}
	}
}

// sameProcess refuses a process that has only got the number of the one that
// was looked at before.
func (s *subject) sameProcess(start uint64) error {
	if s.start == start {
		return nil
	}
	return fmt.Errorf("process %d ended, and another one has its number now: %w", s.pid, ErrNoProcess)
}
