package restore

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"syscall"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/kind"
	"ckpt/internal/plan"
	"ckpt/internal/sys"
)

// files makes the open files of the saved process in this one, at descriptor
// numbers that the saved process does not use, and plans how they get to their
// own.
type files struct {
	p       *preparation
	context *kind.RestoreContext
	taken   map[int]bool     // numbers of the saved process's descriptors
	made    map[int]*os.File // by OpenFile.ID
	madeAt  map[int]*os.File // by number, where that differs
	finals  []final
	null    *os.File
	imageFD *os.File // the image, for the plan's reads
	errFD   *os.File // where the interpreter complains
	same    map[int]bool
}

// final is what a kind adds to the plan, for one file.
type final struct {
	file *image.OpenFile
	add  kind.Final
}

func newFiles(p *preparation) *files {
	f := &files{p: p, taken: map[int]bool{}, made: map[int]*os.File{}, madeAt: map[int]*os.File{}, same: map[int]bool{}}
	for _, d := range p.process.Descriptors {
		f.taken[d.FD] = true
	}
	var pids, groups map[int]int
	if g := p.guardian; g != nil {
		pids, groups = g.ids(p.process)
	}
	f.context = &kind.RestoreContext{
		PIDs: pids, Groups: groups,
		Manifest: p.m, Process: p.process, Policy: p.o.Policy,
		Payload: p.payload, Warn: p.o.Warn,
		Made: func(of *image.OpenFile, fd *os.File) { f.made[of.ID] = fd },
		MadeAt: func(_ *image.OpenFile, n int, fd *os.File) {
			f.madeAt[n] = fd
		},
		Final: func(_ *image.Process, of *image.OpenFile, add kind.Final) {
			f.finals = append(f.finals, final{of, add})
		},
	}
	return f
}

// remake makes all files. Everything that stands in the way is collected, so
// that the user hears of it at once.
func (f *files) remake() error {
	var err error
	if f.null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
		return err
	}
	for n := range f.context.Stdio {
		// Copies, since the numbers themselves get new owners.
		if fd, err := sys.Dup(n); err == nil {
			f.context.Stdio[n] = os.NewFile(uintptr(fd), fmt.Sprintf("descriptor %d", n))
		}
	}
	needed := f.needed()
	var obstacles []error
	for i := range f.p.m.Files {
		of := &f.p.m.Files[i]
		if !needed[of.ID] {
			continue
		}
		if err := kind.Remake(f.context, of); err != nil {
			obstacles = append(obstacles, err)
		}
	}
	if len(obstacles) == 0 {
		if err := f.context.Connect(); err != nil {
			obstacles = append(obstacles, err)
		}
	}
	if len(obstacles) > 0 {
		return &RefusedError{obstacles}
	}
	return f.renumber()
}

// needed are the files that descriptors refer to, also those in flight, or that
// something has to be mapped from. A library that has changed is not mapped: its content comes
// from the image.
func (f *files) needed() map[int]bool {
	needed := map[int]bool{}
	for _, d := range f.p.process.Descriptors {
		needed[d.File] = true
	}
	for i := range f.p.m.Files {
		if f.p.m.Files[i].InFlight {
			needed[f.p.m.Files[i].ID] = true
		}
	}
	for i := range f.p.process.Areas {
		a := &f.p.process.Areas[i]
		if a.File >= 0 && (!a.Whole || a.Kind == image.SharedFile || f.unchanged(a.File)) {
			needed[a.File] = true
		}
	}
	return needed
}

// unchanged reports whether a mapped file is the very one that was saved.
func (f *files) unchanged(id int) bool {
	same, known := f.same[id]
	if !known {
		same = kind.Unchanged(&f.p.m.Files[id]) == nil
		f.same[id] = same
	}
	return same
}

// renumber moves everything that the plan uses to numbers that the saved
// process does not, so that the plan's moves never collide.
func (f *files) renumber() error {
	var err error
	move := func(from *os.File) *os.File {
		if from == nil || err != nil {
			return from
		}
		var to *os.File
		if to, err = f.moveAway(from); err == nil && to != from {
			_ = from.Close() // to has its place
		}
		return to
	}
	for id, file := range f.made {
		f.made[id] = move(file)
	}
	for n, file := range f.madeAt {
		f.madeAt[n] = move(file)
	}
	f.null = move(f.null)
	if err != nil {
		return err
	}
	if f.imageFD, err = f.moveAway(f.p.image.File()); err != nil {
		return err
	}
	messages := f.context.Stdio[2]
	if f.p.guardian != nil {
		messages = f.p.messages
	}
	if messages == nil {
		messages = f.null
	}
	// In the final process kinds use numbers that the saved process does not,
	// the lowest ones.
	if f.errFD, err = f.copyAway(messages, messageFD); err != nil {
		f.errFD, err = f.copyAway(messages, 3) // there is a low limit of open files
	}
	return err
}

// messageFD is the lowest number for the descriptor for messages: the highest
// with some room above it in a descriptor table that has not grown.
const messageFD = 48

// moveAway returns file itself if its number is free in the saved process,
// else a copy with another number.
func (f *files) moveAway(file *os.File) (*os.File, error) {
	if fd := int(file.Fd()); fd > 2 && !f.taken[fd] {
		return file, nil
	}
	return f.copyAway(file, 3)
}

// copyAway copies a descriptor to a number, not below from, that the saved
// process does not use.
func (f *files) copyAway(file *os.File, from int) (*os.File, error) {
	for ; ; from++ {
		fd, err := sys.DupFrom(int(file.Fd()), from)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file.Name(), err)
		}
		if !f.taken[fd] {
			return os.NewFile(uintptr(fd), file.Name()), nil
		}
		_ = syscall.Close(fd) // just opened
		for from = fd; f.taken[from+1]; from++ {
		}
	}
}

// forMapping is the number that an area's file has in the fresh process.
func (f *files) forMapping(id int) (int, error) {
	file := f.made[id]
	if file == nil {
		return -1, fmt.Errorf("its file %s was not opened", f.p.m.Files[id].Path)
	}
	return int(file.Fd()), nil
}

// passed are the descriptors that must survive the execve.
func (f *files) passed() []*os.File {
	list := []*os.File{f.imageFD, f.errFD, f.null}
	for _, file := range f.made {
		list = append(list, file)
	}
	for _, file := range f.madeAt {
		list = append(list, file)
	}
	return list
}

// place puts every open file at its numbers, closes all else but the
// descriptor for messages, and then lets the kinds add what can only be done
// in the final process.
func (f *files) place(b *plan.Builder) error {
	for _, d := range f.p.process.Descriptors {
		from := f.null
		if file := f.madeAt[d.FD]; file != nil {
			from = file
		} else if file := f.made[d.File]; file != nil {
			from = file
		}
		flags := uint64(0)
		if d.CloseOnExec {
			flags = sys.OCloexec
		}
		what := fmt.Sprintf("place descriptor %d (%s)", d.FD, f.p.m.Files[d.File].Path)
		b.Call(what, abi.SysDup3, plan.Imm(uint64(from.Fd())), plan.Imm(uint64(d.FD)), plan.Imm(flags)).Want(plan.Imm(uint64(d.FD)))
	}
	f.closeOthers(b)
	defer f.closeInFlight(b)
	for _, fin := range f.finals {
		if fds := f.finalNumbers(fin.file); len(fds) > 0 {
			if err := fin.add(b, fds); err != nil {
				return fmt.Errorf("%s: %w", object(f.p.process, fin.file), err)
			}
		}
	}
	return nil
}

// finalNumbers are the numbers of a file in the final process: its own, or the
// one that it has for now if it is in flight.
func (f *files) finalNumbers(of *image.OpenFile) []int {
	if file := f.made[of.ID]; of.InFlight && file != nil {
		return []int{int(file.Fd())}
	}
	return f.context.Numbers(of)
}

// inFlight are the numbers of the files in flight.
func (f *files) inFlight() []int {
	var fds []int
	for id, file := range f.made {
		if f.p.m.Files[id].InFlight {
			fds = append(fds, int(file.Fd()))
		}
	}
	slices.Sort(fds)
	return fds
}

func (f *files) closeInFlight(b *plan.Builder) {
	for _, fd := range f.inFlight() {
		b.Call("close what is in flight", abi.SysClose, plan.Imm(uint64(fd)))
	}
}

// closeOthers closes every number that is not one of the saved process's or
// still needed.
func (f *files) closeOthers(b *plan.Builder) {
	next := 0
	closeUpTo := func(end int) {
		if next < end {
			b.Call(fmt.Sprintf("close descriptors %d-%d", next, end-1), abi.SysCloseRange, plan.Imm(uint64(next)), plan.Imm(uint64(end-1)))
		}
		next = end + 1
	}
	keep := slices.Collect(maps.Keys(f.taken))
	keep = append(keep, int(f.errFD.Fd()))
	keep = append(keep, f.inFlight()...)
	slices.Sort(keep)
	for _, fd := range keep {
		closeUpTo(fd)
	}
	closeUpTo(1 << 31)
}

// Close closes everything that was made.
func (f *files) Close() {
	for _, file := range f.passed() {
		if file != nil {
			_ = file.Close() // nothing was written through it
		}
	}
	for _, file := range f.context.Stdio {
		if file != nil {
			_ = file.Close() // a copy
		}
	}
	f.context.Close()
}
