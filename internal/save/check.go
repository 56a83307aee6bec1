package save

import (
	"os"

	"ckpt/internal/proc"
)

// Report is what Check found out about a process.
type Report struct {
	PID       int       `json:"pid"`
	Name      string    `json:"name"`
	Threads   int       `json:"threads"`
	Mapped    uint64    `json:"mapped"` // bytes of address space
	ToSave    uint64    `json:"to_save"`
	Files     int       `json:"files"`     // open file descriptions
	Obstacles []Finding `json:"obstacles"` // why it can not be saved
	Warnings  []Finding `json:"warnings"`  // what will be different afterwards
	CatchUSR2 bool      `json:"catches_sigusr2"`
}

// refusal is the error for a process with obstacles, else nil.
func (r *Report) refusal() error {
	if len(r.Obstacles) == 0 {
		return nil
	}
	return &RefusedError{r.Name, r.Obstacles}
}

// Check tells whether a process would survive saving and restoring. It reads
// /proc only: the process is neither stopped nor changed.
func Check(pid int, helpers []int) (*Report, error) {
	r, s, err := check(proc.Host(), pid, helpers, "", proc.Process.Smaps)
	if err == nil && len(r.Obstacles) == 0 {
		err = gone(pid, s.count(r))
	}
	return r, err
}

// check is Check for an image that is to be at path, with mappings from such a
// source.
func check(pfs proc.FS, pid int, helpers []int, path string, maps func(proc.Process) ([]proc.VMA, error)) (*Report, *subject, error) {
	s, err := look(pfs, pid, helpers)
	if err != nil {
		return nil, nil, explain(pfs, pid, err)
	}
	r := &Report{PID: pid, Name: s.name(), Threads: s.status.Threads, Mapped: s.status.VmSize}
	if len(s.obstacles) == 0 {
		if err := s.checkSharers(pfs, helpers); err != nil {
			return nil, nil, err
		}
		if err := s.checkInside(pfs, r, path, maps); err != nil {
			return nil, nil, explain(pfs, pid, err)
		}
	}
	r.Obstacles, r.Warnings = s.obstacles, s.warnings
	r.CatchUSR2 = s.status.SigCgt&(1<<(sigUSR2-1)) != 0
	return r, s, nil
}

const sigUSR2 = 12

// checkInside looks at memory and descriptors.
func (s *subject) checkInside(pfs proc.FS, r *Report, path string, maps func(proc.Process) ([]proc.VMA, error)) error {
	mem, err := os.Open(s.proc.Path("mem"))
	if err != nil {
		return err
	}
	defer mem.Close()
	vmas, err := maps(s.proc)
	if err != nil {
		return err
	}
	mappings := s.classify(dropLeftovers(vmas, mem, nil))
	files, err := openFiles(s)
	if err != nil {
		return err
	}
	defer files.Close()
	if err := files.listDescriptors(); err != nil {
		return err
	}
	files.addMappings(s, mappings)
	s.refuseDestination(path, files.descs, mappings)
	if _, err := files.describe(pfs, nil); err != nil {
		return err
	}
	r.Files = len(files.descs)
	for _, m := range mappings {
		s.areas = append(s.areas, m.Area)
	}
	return nil
}

// count finds out how much there is to save, which takes time for large
// processes: a save has no use for it.
func (s *subject) count(r *Report) error {
	scanner, err := newPageScanner(s.proc)
	if err != nil {
		return err
	}
	defer scanner.Close()
	runs, err := findRuns(scanner, s.areas)
	if err != nil {
		return err
	}
	for _, run := range runs {
		r.ToSave += run.Len
	}
	return nil
}
