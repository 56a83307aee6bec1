package kind

import (
	"encoding/json"
	"io"
	"os"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// world saves and restores descriptors of the test process itself. After
// restore the very same descriptor numbers refer to the new open files, so a
// test compares what it finds there before and after:
//
//	w := newWorld(t)
//	fd := w.open(path, os.O_RDWR, 0)
//	w.save(fd)              // describe, as often as wanted
//	w.restore()             // the old open files are gone, the new ones are there
//	if pos(t, fd) != 17 ...
//
// The manifest goes through JSON on the way, as it does through an image.
type world struct {
	t        *testing.T
	Manifest image.Manifest
	Policy   Policy
	PIDs     map[int]int // of the RestoreContext
	Given    []int       // of the SaveContext
	// HandedOver is RestoreContext.Given.
	HandedOver map[int]*os.File
	Stdio      [3]*os.File
	Warnings   []string
	Payload    []byte // what AddPayload stored
	all        []*Desc
	frozen     *SaveContext
	local      []*os.File // copies that kinds asked for
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, Manifest: image.Manifest{
		Version:   image.ManifestVersion,
		Processes: []image.Process{{PID: os.Getpid(), PPID: os.Getppid(), PGID: syscall.Getpgrp(), Descriptors: []image.Descriptor{}}},
	}}
}

// keep closes fd, whatever it refers to by then, when the test ends. The number
// must be raw: an os.File would be closed by the garbage collector.
func (w *world) keep(fd int, err error) int {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// open is open(2) with O_CLOEXEC.
func (w *world) open(path string, flags int, mode uint32) int {
	w.t.Helper()
	return w.keep(unix.Open(path, flags|unix.O_CLOEXEC, mode))
}

// saveContext is the context that describe uses.
func (w *world) saveContext(frozen bool) *SaveContext {
	return &SaveContext{
		FS: proc.Host(), PIDs: []int{os.Getpid()}, Frozen: frozen, All: w.all, Given: w.Given,
		Local: func(d *Desc) (*os.File, error) {
			if d.InFlight != nil {
				return d.InFlight, nil
			}
			fd, err := sys.Dup(d.FD)
			if err != nil {
				return nil, err
			}
			f := os.NewFile(uintptr(fd), d.Link)
			w.local = append(w.local, f)
			return f, nil
		},
		AddPayload: w.addPayload,
		Found:      w.found,
		Warn:       w.warn,
	}
}

func (w *world) warn(object, text string) { w.Warnings = append(w.Warnings, object+": "+text) }

func (w *world) addPayload(src io.ReaderAt, size int64, extents [][2]int64) (image.PayloadRef, error) {
	ref := image.PayloadRef{Size: size}
	for _, e := range extents {
		ref.Extents = append(ref.Extents, image.PayloadExtent{Off: e[0], Len: e[1], Pos: int64(len(w.Payload))})
		b := make([]byte, e[1])
		if _, err := src.ReadAt(b, e[0]); err != nil {
			return ref, err
		}
		w.Payload = append(w.Payload, b...)
	}
	return ref, nil
}

// desc looks at a descriptor as package save does.
func (w *world) desc(fd int) *Desc {
	w.t.Helper()
	p := proc.Host().Process(os.Getpid())
	link, err := p.FDLink(fd)
	if err != nil {
		w.t.Fatal(err)
	}
	info, err := p.FDInfo(fd)
	if err != nil {
		w.t.Fatal(err)
	}
	st, err := sys.StatFD(fd)
	if err != nil {
		w.t.Fatal(err)
	}
	return &Desc{
		PID: os.Getpid(), FD: fd, Link: link, Stat: st, Info: info,
		Protocol: sys.SocketProtocol(sys.FDPath(fd)),
	}
}

// describe describes fd, first as check does and then as save does, and adds
// it to the manifest if it can be saved. others are duplicates of fd.
func (w *world) describe(fd int, others ...int) (*image.OpenFile, error) {
	w.t.Helper()
	d := w.desc(fd)
	if i := slices.IndexFunc(w.all, func(o *Desc) bool { return o.FD == fd && o.InFlight == nil }); i >= 0 {
		d = w.all[i]
	}
	if _, err := Describe(w.saveContext(false), d); err != nil {
		return nil, err
	}
	if w.frozen == nil {
		w.frozen = w.saveContext(true)
	}
	w.frozen.All = w.all
	f, err := Describe(w.frozen, d)
	if err != nil {
		return nil, err
	}
	process := &w.Manifest.Processes[0]
	f.ID = len(w.Manifest.Files)
	w.Manifest.Files = append(w.Manifest.Files, *f)
	for _, n := range append([]int{fd}, others...) {
		flags, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0)
		if err != nil {
			w.t.Fatal(err)
		}
		process.Descriptors = append(process.Descriptors,
			image.Descriptor{FD: n, File: f.ID, CloseOnExec: flags&unix.FD_CLOEXEC != 0})
	}
	return f, nil
}

// save is describe for several open files, none of which may be refused. They
// are all that there are.
func (w *world) save(fds ...int) {
	w.t.Helper()
	w.all = nil
	for _, fd := range fds {
		w.all = append(w.all, w.desc(fd))
	}
	w.findAll()
	for _, fd := range fds {
		if _, err := w.describe(fd); err != nil {
			w.t.Fatalf("describe %d: %v", fd, err)
		}
	}
	w.describeInFlight()
}

// drop closes the saved open files: their numbers refer to /dev/null.
func (w *world) drop() {
	w.t.Helper()
	for _, f := range w.local {
		_ = f.Close() // as when the context is closed
	}
	w.local = nil
	null := w.open("/dev/null", unix.O_RDWR, 0)
	for _, d := range w.Manifest.Processes[0].Descriptors {
		w.move(null, d)
	}
}

func (w *world) move(fd int, d image.Descriptor) {
	w.t.Helper()
	flags := 0
	if d.CloseOnExec {
		flags = unix.O_CLOEXEC
	}
	if err := unix.Dup3(fd, d.FD, flags); err != nil {
		w.t.Fatal(err)
	}
}

// restore is tryRestore that must succeed.
func (w *world) restore() {
	w.t.Helper()
	if err := w.tryRestore(); err != nil {
		w.t.Fatalf("restore: %v", err)
	}
}

// tryRestore drops the saved open files and makes them again, in the order in
// which package restore does it.
func (w *world) tryRestore() error {
	w.t.Helper()
	w.drop()
	made := map[int]*os.File{}
	madeAt := map[int]*os.File{}
	finals := map[int][]Final{}
	var late []func(b *plan.Builder)
	r := w.restoreContext(func(f *image.OpenFile, fd *os.File) { made[f.ID] = fd })
	r.MadeAt = func(_ *image.OpenFile, n int, fd *os.File) { madeAt[n] = fd }
	r.Late = func(f *image.OpenFile, open func(*plan.Builder, plan.Slot)) {
		late = append(late, func(b *plan.Builder) {
			fd := b.Slot()
			defer b.Free(fd)
			open(b, fd)
			for _, d := range r.Process.Descriptors {
				if d.File == f.ID {
					flags := 0
					if d.CloseOnExec {
						flags = unix.O_CLOEXEC
					}
					b.Call("move it", abi.SysDup3, plan.Arg{Slot: fd}, plan.Int(d.FD), plan.Int(flags))
				}
			}
			b.Call("close the first one", abi.SysClose, plan.Arg{Slot: fd})
		})
	}
	r.Final = func(_ *image.Process, f *image.OpenFile, add Final) { finals[f.ID] = append(finals[f.ID], add) }
	defer r.Close()
	m := r.Manifest
	closeAll := func() {
		for _, m := range []map[int]*os.File{made, madeAt} {
			for _, fd := range m {
				_ = fd.Close()
			}
			clear(m)
		}
	}
	defer closeAll()
	for i := range m.Files {
		if err := Remake(r, &m.Files[i]); err != nil {
			return err
		}
	}
	if err := r.Connect(); err != nil {
		return err
	}
	if _, err := r.Commit(); err != nil {
		return err
	}
	for _, d := range r.Process.Descriptors {
		fd := made[d.File]
		if at := madeAt[d.FD]; at != nil {
			fd = at
		}
		if fd != nil {
			w.move(int(fd.Fd()), d)
		}
	}
	b := plan.NewBuilder()
	for _, add := range late {
		add(b)
	}
	for i := range m.Files {
		for _, add := range finals[i] {
			numbers := r.Numbers(&m.Files[i])
			if m.Files[i].InFlight {
				numbers = []int{w.keep(sys.Dup(int(made[i].Fd())))}
			}
			if err := add(b, numbers); err != nil {
				return err
			}
		}
	}
	// The execve closes all the others. What comes finally comes after that:
	// closing any descriptor of a file gives up POSIX locks.
	closeAll()
	r.Close()
	return w.run(b)
}

// restoreContext is a context for what was saved so far, after the manifest
// went through JSON. Its Final forgets what it is told.
func (w *world) restoreContext(made func(*image.OpenFile, *os.File)) *RestoreContext {
	w.t.Helper()
	text, err := json.Marshal(w.Manifest)
	if err != nil {
		w.t.Fatal(err)
	}
	m := new(image.Manifest)
	if err := json.Unmarshal(text, m); err != nil {
		w.t.Fatal(err)
	}
	return &RestoreContext{
		Manifest: m, Process: &m.Processes[0], Policy: w.Policy, Stdio: w.Stdio, PIDs: w.PIDs, Given: w.HandedOver,
		Payload: w.payload, Made: made, Warn: w.warn,
		MadeAt:   func(f *image.OpenFile, _ int, fd *os.File) { made(f, fd) },
		Late:     func(*image.OpenFile, func(*plan.Builder, plan.Slot)) {},
		Final:    func(*image.Process, *image.OpenFile, Final) {},
		Controls: func(*image.OpenFile, sys.Pty) error { return nil },
	}
}

func (w *world) payload(ref image.PayloadRef) io.ReaderAt {
	return payloadReader{w.Payload, ref}
}

// run executes a plan in the test process.
func (w *world) run(b *plan.Builder) error {
	w.t.Helper()
	b.Call("end", abi.SysExitGroup, plan.Imm(0))
	p, err := b.Build()
	if err != nil {
		w.t.Fatal(err)
	}
	block, err := unix.Mmap(-1, 0, plan.DataOffset+len(p.Data)+1, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		w.t.Fatal(err)
	}
	defer unix.Munmap(block)
	copy(block[plan.DataOffset:], p.Data)
	m := &plan.Machine{Call: func(nr uint32, a [6]uint64) uint64 {
		if nr == abi.SysExitGroup {
			return 0
		}
		r, _, errno := unix.Syscall6(uintptr(nr), uintptr(a[0]), uintptr(a[1]), uintptr(a[2]), uintptr(a[3]), uintptr(a[4]), uintptr(a[5]))
		if errno != 0 {
			return -uint64(errno)
		}
		return uint64(r)
	}}
	m.Slots[plan.Base] = addressOf(block)
	return plan.Run(p, m)
}
