package proc

import (
	"os"
	"strconv"
)

// FDs lists the open descriptors, sorted. Needs permission to ptrace, as
// FDLink and FDInfo; of a zombie only root may look and sees none.
func (p Process) FDs() ([]int, error) { return p.dir.numbers("fd") }

// FDLink is what the descriptor refers to, as the kernel writes it: a path,
// "pipe:[17]", "anon_inode:[eventpoll]"; see SplitDeleted for its end. A
// descriptor that is not open is fs.ErrNotExist.
func (p Process) FDLink(fd int) (string, error) {
	s, err := os.Readlink(p.dir.path("fd/" + strconv.Itoa(fd)))
	if err != nil {
		return "", p.dir.explain(err)
	}
	return s, nil
}
