package proc

import (
	"fmt"
	"os"
)

// Link is where a symbolic link of /proc points.
type Link struct {
	Path    string
	Deleted bool // see SplitDeleted
}

// Exe is the file that is executed. A kernel thread and a zombie have none:
// fs.ErrNotExist. Needs permission to ptrace, as Cwd and Root.
func (p Process) Exe() (Link, error) { return p.link("exe") }

// Cwd is the working directory; a zombie has none.
func (p Process) Cwd() (Link, error) { return p.link("cwd") }

// Root is the root directory; a zombie has none.
func (p Process) Root() (Link, error) { return p.link("root") }

// MapFile is the path of a link to the file that is mapped from start to end.
// Following it needs CAP_CHECKPOINT_RESTORE (proc_pid_map_files(5)).
func (p Process) MapFile(start, end uint64) string {
	return p.Path(fmt.Sprintf("map_files/%x-%x", start, end))
}

func (p Process) link(name string) (Link, error) {
	s, err := os.Readlink(p.dir.path(name))
	if err != nil {
		return Link{}, p.dir.explain(err)
	}
	var l Link
	l.Path, l.Deleted = SplitDeleted(s)
	return l, nil
}
