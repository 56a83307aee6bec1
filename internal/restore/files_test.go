package restore

import (
	"fmt"
	"maps"
	"math"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/sys"
)

// table is a descriptor table: what is open, and whether it is close-on-exec.
type table map[int]struct {
	file    any
	cloexec bool
}

// run executes the plan on the table.
func (tab table) run(t *rapid.T, p *plan.Plan) {
	m := &plan.Machine{Call: func(nr uint32, a [6]uint64) uint64 {
		switch nr {
		case abi.SysDup3:
			from, ok := tab[int(a[0])]
			if !ok || a[0] == a[1] {
				t.Fatalf("dup3 of %d to %d", a[0], a[1])
			}
			from.cloexec = a[2]&sys.OCloexec != 0
			tab[int(a[1])] = from
			return a[1]
		case abi.SysCloseRange:
			if a[0] > a[1] || a[1] > math.MaxUint32 || a[2] != 0 {
				t.Fatalf("close_range%d", a[:3])
			}
			for fd := range tab {
				if uint64(fd) >= a[0] && uint64(fd) <= a[1] {
					delete(tab, fd)
				}
			}
		}
		return 0
	}}
	if err := plan.Run(p, m); err != nil {
		t.Fatal(err)
	}
}

// draw gives m some processes with random descriptors.
func draw(t *rapid.T, m *image.Manifest) {
	m.Files = nil
	root := m.Processes[0]
	m.Processes = nil
	for i := range rapid.IntRange(1, 3).Draw(t, "processes") {
		p := root
		p.PID += i
		p.Descriptors = nil
		m.Processes = append(m.Processes, p)
		if i > 0 && rapid.IntRange(0, 4).Draw(t, "shares") == 0 {
			m.Processes[i].Shares.Descriptors = root.PID
			continue
		}
		numbers := rapid.SliceOfNDistinct(rapid.OneOf(rapid.IntRange(0, 80), rapid.IntRange(0, 4000)), 0, 60, rapid.ID).Draw(t, "numbers")
		for _, n := range numbers {
			id := rapid.IntRange(0, len(m.Files)).Draw(t, "file")
			if id == len(m.Files) {
				m.Files = append(m.Files, image.OpenFile{ID: id})
			}
			d := image.Descriptor{FD: n, File: id, CloseOnExec: rapid.Bool().Draw(t, "cloexec")}
			m.Processes[i].Descriptors = append(m.Processes[i].Descriptors, d)
		}
	}
}

// TestPlace gives random programs random descriptors, made at whatever numbers
// this process has free: in the end each of their processes has exactly its own
// open.
func TestPlace(t *testing.T) {
	base := prepared(t, sample(t))
	rapid.Check(t, func(t *rapid.T) {
		m := *base.m
		draw(t, &m)
		p := &preparation{m: &m, process: &m.Processes[0], image: base.image}
		f := newFiles(p)
		p.files = f
		defer f.closeMade()
		open := func() *os.File {
			file, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			return file
		}
		f.null = open()
		for id := range m.Files {
			if rapid.Bool().Draw(t, "made") {
				f.made[id] = open()
			}
		}
		for i := range m.Processes {
			for _, d := range m.Processes[i].Descriptors {
				if rapid.IntRange(0, 5).Draw(t, "special") == 0 && f.madeAt[number{d.File, d.FD}] == nil {
					f.madeAt[number{d.File, d.FD}] = open()
				}
			}
		}
		if err := f.renumber(); err != nil {
			t.Fatal(err)
		}
		// What an execve hands over, and what else was inherited.
		inherited := table{}
		for _, fd := range rapid.SliceOf(rapid.IntRange(0, 5000)).Draw(t, "inherited") {
			inherited[fd] = table{0: {file: "inherited"}}[0]
		}
		seen := map[int]bool{}
		for _, file := range f.passed() {
			fd := int(file.Fd())
			if f.taken[fd] || fd <= 2 || seen[fd] {
				t.Fatalf("%d is used twice, or is one of the program's", fd)
			}
			seen[fd] = true
			inherited[fd] = table{0: {file: file}}[0]
		}
		for i := range m.Processes {
			f.checkPlace(t, &m.Processes[i], maps.Clone(inherited))
		}
	})
}

// checkPlace runs the plan of one process.
func (f *files) checkPlace(t *rapid.T, process *image.Process, tab table) {
	before := len(tab)
	b := plan.NewBuilder()
	if err := f.place(b, process, nil); err != nil {
		t.Fatal(err)
	}
	b.Call("end", abi.SysExitGroup)
	pl, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	tab.run(t, pl)
	if process.Shares.Descriptors != 0 {
		if len(tab) != before {
			t.Fatalf("%d descriptors, %d before, of another process", len(tab), before)
		}
		return
	}
	for _, d := range process.Descriptors {
		var want any = f.null
		if at := f.madeAt[number{d.File, d.FD}]; at != nil {
			want = at
		} else if made := f.made[d.File]; made != nil {
			want = made
		}
		is, ok := tab[d.FD]
		if !ok || is.file != want || is.cloexec != d.CloseOnExec {
			t.Fatalf("descriptor %d: %v %+v, want %v, close-on-exec %v", d.FD, ok, is, want, d.CloseOnExec)
		}
		delete(tab, d.FD)
	}
	delete(tab, int(f.errFD.Fd()))
	if len(tab) > 0 {
		t.Fatalf("left open: %v", tab)
	}
}

// A file that is opened by the plan is opened by the first process that has it,
// behind a meeting; the others share what that one has, behind another.
func TestPlaceLate(t *testing.T) {
	base := prepared(t, sample(t))
	m := *base.m
	m.Files = []image.OpenFile{{ID: 0, Path: "/x"}}
	root := m.Processes[0]
	m.Processes = []image.Process{root, root, root}
	for i := range m.Processes {
		m.Processes[i].PID = 100 + i
	}
	m.Processes[1].Descriptors = []image.Descriptor{{FD: 3, File: 0}, {FD: 5, File: 0, CloseOnExec: true}}
	m.Processes[2].Descriptors = []image.Descriptor{{FD: 4, File: 0}}
	f := newFiles(&preparation{m: &m, process: &m.Processes[0], image: base.image})
	defer f.closeMade()
	f.context.PIDs = map[int]int{100: 100, 101: 101, 102: 102}
	var err error
	if f.null, err = os.Open(os.DevNull); err != nil {
		t.Fatal(err)
	}
	if err := f.renumber(); err != nil {
		t.Fatal(err)
	}
	f.context.Late(&m.Files[0], func(b *plan.Builder, fd plan.Slot) { b.Call("OPEN", abi.SysOpen).Store(fd) })
	want := []string{
		"MEET MEET",
		"dup3(3) dup3(5) MEET OPEN dup3(3) dup3(5) close MEET",
		"dup3(4) MEET MEET pidfd_open(101) pidfd_getfd(3) close dup3(4) close",
	}
	for i := range m.Processes {
		b := plan.NewBuilder()
		if err := f.place(b, &m.Processes[i], func(b *plan.Builder) { b.Call("MEET", abi.SysGetpid) }); err != nil {
			t.Fatal(err)
		}
		b.Call("end", abi.SysExitGroup)
		pl, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, op := range pl.Ops {
			switch op.Nr {
			case abi.SysDup3:
				got = append(got, fmt.Sprintf("dup3(%d)", op.Args[1].Imm))
			case abi.SysPidfdOpen:
				got = append(got, fmt.Sprintf("pidfd_open(%d)", op.Args[0].Imm))
			case abi.SysPidfdGetfd:
				got = append(got, fmt.Sprintf("pidfd_getfd(%d)", op.Args[1].Imm))
			case abi.SysClose:
				got = append(got, "close")
			case abi.SysGetpid, abi.SysOpen:
				got = append(got, op.What)
			}
		}
		if text := strings.Join(got, " "); text != want[i] {
			t.Errorf("process %d: %s\nwant %s", i, text, want[i])
		}
	}
}

// closeMade is Close but for the image, which the cases of a test share.
func (f *files) closeMade() {
	if f.imageFDs[f.p.image] == f.p.image.File() {
		delete(f.imageFDs, f.p.image)
	}
	f.Close()
}
