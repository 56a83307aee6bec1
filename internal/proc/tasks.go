package proc

import (
	"errors"
	"os"
	"slices"
	"strconv"
)

// Tasks lists the threads of the process, sorted. It is complete only if none
// is made meanwhile: stop those it lists and look again until nothing is new.
func (p Process) Tasks() ([]int, error) { return p.dir.numbers("task") }

// Processes lists the processes that there are, sorted.
func (f FS) Processes() ([]int, error) {
	dir, err := os.Open(f.Root)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil && n > 0 {
			pids = append(pids, n)
		}
	}
	slices.Sort(pids)
	return pids, nil
}

// Children lists the children, those of one Thread in the order they were
// made, or those of all threads of a process. It is reliable only if parent
// and children are stopped. Missing (fs.ErrNotExist) where the kernel has no
// CONFIG_PROC_CHILDREN.
func (p Process) Children() ([]int, error) {
	if p.TID != 0 {
		return p.childrenOf(".")
	}
	tids, err := p.Tasks()
	if err != nil {
		return nil, err
	}
	var all []int
	for _, tid := range tids {
		list, err := p.childrenOf("task/" + strconv.Itoa(tid))
		if err != nil && (!errors.Is(err, ErrGone) || !p.dir.exists()) {
			return nil, err // only a thread may have gone meanwhile
		}
		all = append(all, list...)
	}
	return all, nil
}

func (p Process) childrenOf(task string) ([]int, error) {
	d := directory(p.dir.path(task))
	b, err := d.bytes("children", maxList)
	if err != nil {
		return nil, err
	}
	list, ok := integers(b)
	if !ok {
		l := lines{name: d.path("children"), n: 1, text: b}
		return nil, l.bad("children")
	}
	return list, nil
}
