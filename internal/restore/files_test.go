package restore

import (
	"math"
	"os"
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

// TestPlace gives random programs random descriptors, made at whatever numbers
// this process has free: in the end exactly the program's are open.
func TestPlace(t *testing.T) {
	base := prepared(t, sample(t))
	rapid.Check(t, func(t *rapid.T) {
		process := *base.process
		m := *base.m
		m.Files, process.Descriptors = nil, nil
		numbers := rapid.SliceOfNDistinct(rapid.OneOf(rapid.IntRange(0, 80), rapid.IntRange(0, 4000)), 0, 60, rapid.ID).Draw(t, "numbers")
		for _, n := range numbers {
			id := rapid.IntRange(0, len(m.Files)).Draw(t, "file")
			if id == len(m.Files) {
				m.Files = append(m.Files, image.OpenFile{ID: id})
			}
			process.Descriptors = append(process.Descriptors, image.Descriptor{FD: n, File: id, CloseOnExec: rapid.Bool().Draw(t, "cloexec")})
		}
		p := &preparation{m: &m, process: &process, image: base.image}
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
		for _, n := range numbers {
			if rapid.IntRange(0, 5).Draw(t, "special") == 0 {
				f.madeAt[n] = open()
			}
		}
		if err := f.renumber(); err != nil {
			t.Fatal(err)
		}

		b := plan.NewBuilder()
		if err := f.place(b); err != nil {
			t.Fatal(err)
		}
		b.Call("end", abi.SysExitGroup)
		pl, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		// What an execve hands over, and what else was inherited.
		tab := table{}
		for _, fd := range rapid.SliceOf(rapid.IntRange(0, 5000)).Draw(t, "inherited") {
			tab[fd] = table{0: {file: "inherited"}}[0]
		}
		seen := map[int]bool{}
		for _, file := range f.passed() {
			fd := int(file.Fd())
			if f.taken[fd] || fd <= 2 || seen[fd] {
				t.Fatalf("%d is used twice, or is one of the program's", fd)
			}
			seen[fd] = true
			tab[fd] = table{0: {file: file}}[0]
		}
		tab.run(t, pl)

		for _, d := range process.Descriptors {
			var want any = f.null
			if at := f.madeAt[d.FD]; at != nil {
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
	})
}

// closeMade is Close but for the image, which the cases of a test share.
func (f *files) closeMade() {
	if f.imageFD == f.p.image.File() {
		f.imageFD = nil
	}
	f.Close()
}
