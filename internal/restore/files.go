package restore

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"syscall"

	"ckpt/internal/image"
	"ckpt/internal/kind"
	"ckpt/internal/plan"
	"ckpt/internal/sys"
)

// files makes the open files of all saved processes in this one, at descriptor
// numbers that none of them uses, and plans how they get to their own: whatever
// process is started inherits them all, takes its own, and closes the others.
type files struct {
	p         *preparation
	context   *kind.RestoreContext
	taken     map[int]bool        // numbers of the saved processes' descriptors
	made      map[int]*os.File    // by OpenFile.ID
	madeAt    map[number]*os.File // where it is another one than made
	late      []late
	finals    map[*image.Process][]final
	terminals map[*image.Process]*terminal // by the leader of the session that it controls
	null      *os.File
	imageFDs  map[*image.Image]*os.File // the image and its parents, for the plan's reads
	errFD     *os.File                  // where the interpreter complains
	same      map[int]bool
}

// number is a descriptor number of a file, in whatever process.
type number struct{ file, fd int }

// late is a file that a kind opens by the plan.
type late struct {
	file *image.OpenFile
	open func(b *plan.Builder, fd plan.Slot)
}

// final is what a kind adds to the plan of a process, for one file.
type final struct {
	file *image.OpenFile
	add  kind.Final
}

func newFiles(p *preparation) *files {
	f := &files{
		p: p, taken: map[int]bool{}, made: map[int]*os.File{}, madeAt: map[number]*os.File{},
		finals: map[*image.Process][]final{}, terminals: map[*image.Process]*terminal{}, same: map[int]bool{},
		imageFDs: map[*image.Image]*os.File{},
	}
	for i := range p.m.Processes {
		for _, d := range p.m.Processes[i].Descriptors {
			f.taken[d.FD] = true
		}
	}
	var pids, groups map[int]int
	if g := p.guardian; g != nil {
		pids, groups = g.ids(p.m)
	}
	f.context = &kind.RestoreContext{
		PIDs: pids, Groups: groups,
		Manifest: p.m, Process: p.process, Policy: p.o.Policy,
		Payload: p.payload, Warn: p.o.Warn,
		Made: func(of *image.OpenFile, fd *os.File) { f.made[of.ID] = fd },
		MadeAt: func(of *image.OpenFile, n int, fd *os.File) {
			f.madeAt[number{of.ID, n}] = fd
		},
		Late: func(of *image.OpenFile, open func(*plan.Builder, plan.Slot)) {
			f.late = append(f.late, late{of, open})
		},
		Final: func(process *image.Process, of *image.OpenFile, add kind.Final) {
			f.finals[process] = append(f.finals[process], final{of, add})
		},
		Controls: f.control,
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
	if err := f.takeGiven(); err != nil {
		return err
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

// takeGiven copies the descriptors of Options.Given.
func (f *files) takeGiven() error {
	f.context.Given = map[int]*os.File{}
	for number, own := range f.p.o.Given {
		if !f.asksFor(number) {
			return &HostError{Reason: fmt.Sprintf("--fd %d: the image does not ask for it", number), Advice: "ckpt show --fds tells what it asks for"}
		}
		// What was inherited can not be close-on-exec; what the Go runtime and
		// this process have opened is.
		flags, err := sys.DescriptorFlags(own)
		if err != nil || flags&sys.FDCloexec != 0 {
			return &HostError{Reason: fmt.Sprintf("--fd %d=%d: this restore has not got a descriptor %d", number, own, own), Advice: fmt.Sprintf("open it in the shell: %d<file", own)}
		}
		fd, err := sys.Dup(own)
		if err != nil {
			return err
		}
		f.context.Given[number] = os.NewFile(uintptr(fd), fmt.Sprintf("descriptor %d", own))
	}
	for _, own := range f.p.o.Given {
		if own > 2 {
			// Whoever waits for its end waits for the program alone.
			_ = syscall.Close(own) // it has a copy; or it was closed, named twice
		}
	}
	return nil
}

// asksFor reports whether a descriptor with a number is to be handed over.
func (f *files) asksFor(number int) bool {
	return slices.ContainsFunc(f.p.m.Files, func(of image.OpenFile) bool { return kind.AsksFor(&of, number) })
}

// needed are the files that descriptors refer to, also those in flight, or that
// something has to be mapped from. A library that has changed is not mapped: its content comes
// from the image.
func (f *files) needed() map[int]bool {
	needed := map[int]bool{}
	for i := range f.p.m.Files {
		if f.p.m.Files[i].InFlight {
			needed[f.p.m.Files[i].ID] = true
		}
	}
	for i := range f.p.m.Processes {
		p := &f.p.m.Processes[i]
		for _, d := range p.Descriptors {
			needed[d.File] = true
		}
		for j := range p.Areas {
			a := &p.Areas[j]
			if a.File >= 0 && (!a.Whole || a.Kind == image.SharedFile || f.unchanged(a.File)) {
				needed[a.File] = true
			}
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

// renumber moves everything that the plan uses to numbers that no saved process
// does, so that the plan's moves never collide.
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
	for _, t := range f.terminals {
		t.slave = move(t.slave)
	}
	f.null = move(f.null)
	if pg := f.p.paging; pg != nil {
		pg.socket, pg.device = move(pg.socket), move(pg.device)
	}
	if err != nil {
		return err
	}
	for im := f.p.image; im != nil; im = im.Parent() {
		content := im.File()
		if unpacked := f.p.unpacked[im]; unpacked != nil {
			content = unpacked
		}
		if f.imageFDs[im], err = f.moveAway(content); err != nil {
			return err
		}
	}
	messages := f.context.Stdio[2]
	if f.p.guardian != nil {
		messages = f.p.messages
	}
	if messages == nil {
		messages = f.null
	}
	// In the final process kinds use numbers that no saved process does,
	// the lowest ones.
	if f.errFD, err = f.copyAway(messages, messageFD); err != nil {
		f.errFD, err = f.copyAway(messages, 3) // there is a low limit of open files
	}
	return err
}

// messageFD is the lowest number for the descriptor for messages: the highest
// with some room above it in a descriptor table that has not grown.
const messageFD = 48

// moveAway returns file itself if its number is free in the saved processes,
// else a copy with another number.
func (f *files) moveAway(file *os.File) (*os.File, error) {
	if fd := int(file.Fd()); fd > 2 && !f.taken[fd] {
		return file, nil
	}
	return f.copyAway(file, 3)
}

// copyAway copies a descriptor to a number, not below from, that no saved
// process uses.
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

// forMapping is the number that an area's file has in every process until its
// descriptors are placed.
func (f *files) forMapping(id int) (int, error) {
	file := f.made[id]
	if file == nil {
		return -1, fmt.Errorf("its file %s was not opened", f.p.m.Files[id].Path)
	}
	return int(file.Fd()), nil
}

// passed are the descriptors that must survive the execve.
func (f *files) passed() []*os.File {
	list := []*os.File{f.errFD, f.null}
	for _, file := range f.imageFDs {
		list = append(list, file)
	}
	list = slices.AppendSeq(list, maps.Values(f.made))
	list = slices.AppendSeq(list, maps.Values(f.madeAt))
	for _, t := range f.terminals {
		list = append(list, t.slave)
	}
	return append(list, f.p.paging.files()...)
}

// Close closes everything that was made.
func (f *files) Close() {
	f.release()
	f.context.Close()
}

// release closes what the restored processes have now. They must not run before:
// whoever waits for the end of a pipe waits for them alone.
func (f *files) release() {
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
	for _, file := range f.context.Given {
		_ = file.Close() // a copy
	}
	f.context.Release()
}
