package save

import (
	"os"
	"slices"

	"ckpt/internal/image"
	"ckpt/internal/proc"
)

// Report is what Check found out about a process and its descendants.
type Report struct {
	PID       int             `json:"pid"`
	Name      string          `json:"name"`
	Processes []ProcessReport `json:"processes"` // the first one and its descendants
	Threads   int             `json:"threads"`   // of all
	Mapped    uint64          `json:"mapped"`    // bytes of address space
	ToSave    uint64          `json:"to_save"`
	Files     int             `json:"files"`     // open file descriptions
	Obstacles []Finding       `json:"obstacles"` // why they can not be saved
	Warnings  []Finding       `json:"warnings"`  // what will be different afterwards
}

// ProcessReport is what belongs to one of them.
type ProcessReport struct {
	PID     int    `json:"pid"`
	PPID    int    `json:"ppid"`
	Name    string `json:"name"`
	Zombie  bool   `json:"zombie,omitempty"`
	Threads int    `json:"threads"`
	Mapped  uint64 `json:"mapped"`
	ToSave  uint64 `json:"to_save"`
	// The signals that it has handlers for, or ignores; signal 1 in the lowest bit.
	Catches, Ignores uint64 `json:"-"`
}

// refusal is the error for a process with obstacles, else nil.
func (r *Report) refusal() error {
	if len(r.Obstacles) == 0 {
		return nil
	}
	return &RefusedError{r.Name, r.Obstacles}
}

// Check tells whether a process and its descendants would survive saving and
// restoring. It reads /proc only: they are neither stopped nor changed, nor do they
// wait for it more than a few milliseconds. helpers and given are as in Options.
func Check(pid int, helpers []int, given ...int) (*Report, error) {
	k := kin{fs: proc.Host(), root: pid, helpers: helpers, given: given, patience: vforkLimit}
	r, subjects, err := check(&k, "", gentleMaps)
	if err == nil && len(r.Obstacles) == 0 {
		err = gone(pid, r.count(subjects))
	}
	return r, err
}

// check is Check for an image that is to be at path, with mappings from such a
// source.
func check(k *kin, path string, maps func(*subject) ([]proc.VMA, error)) (*Report, []*subject, error) {
	subjects, err := k.look()
	if err == nil {
		subjects, err = k.awaitVfork(subjects)
	}
	if err != nil {
		return nil, nil, explain(k.fs, k.root, err)
	}
	awaitPager(subjects)
	files := 0
	for tries := 0; len(obstacles(subjects)) == 0; tries++ {
		files, err = checkInside(k, subjects, path, maps)
		if err == nil {
			break
		}
		// Those that have ended meanwhile need not be saved, and files that have
		// been closed neither.
		left := slices.DeleteFunc(slices.Clone(subjects), func(s *subject) bool { return s.pid != k.root && s.over() })
		if len(left) == len(subjects) && tries >= checkTries {
			return nil, nil, explain(k.fs, k.root, err)
		}
		for _, s := range left {
			s.findings, s.areas = findings{}, nil
		}
		subjects = left
	}
	return newReport(subjects, files), subjects, nil
}

func newReport(subjects []*subject, files int) *Report {
	root := subjects[0]
	r := &Report{
		PID: root.pid, Name: root.name(), Files: files,
		Obstacles: obstacles(subjects), Warnings: warnings(subjects),
	}
	for _, s := range subjects {
		p := ProcessReport{PID: s.pid, PPID: s.stat.PPid, Name: s.comm, Zombie: s.zombie, Threads: s.status.Threads, Mapped: s.status.VmSize, Catches: s.status.SigCgt, Ignores: s.status.SigIgn}
		r.Processes = append(r.Processes, p)
		r.Threads += p.Threads
		r.Mapped += p.Mapped
	}
	return r
}

// checkTries is how often to look at processes that change while they are
// looked at.
const checkTries = 3

// checkInside looks at memory and descriptors, and tells how many open files
// there are.
func checkInside(k *kin, subjects []*subject, path string, maps func(*subject) ([]proc.VMA, error)) (int, error) {
	refuseSharers, err := k.startSharers(subjects)
	if err != nil {
		return 0, err
	}
	files, err := openFiles(subjects...)
	if err != nil {
		return 0, err
	}
	defer files.Close()
	if err := files.listDescriptors(); err != nil {
		return 0, err
	}
	files.refuseDestination(path)
	for _, s := range subjects {
		if s.zombie || s.shares.Memory != 0 {
			continue
		}
		if err := s.checkMemory(files, path, maps); err != nil {
			return 0, err
		}
	}
	if err := k.refuseIPC(subjects); err != nil {
		return 0, err
	}
	if _, err := files.describe(k, nil); err != nil {
		return 0, err
	}
	return len(files.descs), refuseSharers()
}

func (s *subject) checkMemory(files *files, path string, maps func(*subject) ([]proc.VMA, error)) error {
	mem, err := os.Open(s.proc.Path("mem"))
	if err != nil {
		return err
	}
	defer mem.Close()
	vmas, err := maps(s)
	if err != nil {
		return err
	}
	s.images = mappedImages(vmas, mem)
	mappings := s.classify(dropLeftovers(vmas, mem, nil, s.images))
	files.addMappings(s, mappings)
	s.refuseDestination(path, mappings)
	for _, m := range mappings {
		s.areas = append(s.areas, m.Area)
	}
	return nil
}

// over reports whether the process has ended since it was looked at.
func (s *subject) over() bool {
	st, err := s.proc.Status()
	return err != nil || st.Over() && !s.zombie
}

// count finds out how much there is to save, which takes time for large
// processes: a save has no use for it.
func (r *Report) count(subjects []*subject) error {
	var areas [][]image.Area
	for i, s := range subjects {
		areas = append(areas, s.areas)
		if s.zombie || s.shares.Memory != 0 {
			continue
		}
		n, err := s.count()
		if err != nil && (i == 0 || !s.over()) {
			return err
		}
		r.Processes[i].ToSave = n
		r.ToSave += n
	}
	for _, o := range findObjects(areas) {
		r.ToSave += total(o.runs())
	}
	return nil
}

// count is how much of the process's memory there is to save, but for that which
// is stored by itself.
func (s *subject) count() (uint64, error) {
	scanner, err := newPageScanner(s.proc)
	if err != nil {
		return 0, err
	}
	defer scanner.Close()
	scanner.gentle = true
	runs, err := findRuns(scanner.inArea, s.areas, true)
	return total(runs), err
}
