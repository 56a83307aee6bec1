package plan_test

import (
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"ckpt/internal/abi"
	"ckpt/internal/plan"
)

const bufferSize = 64

// generator draws the steps of a random plan.
type generator struct {
	t       *rapid.T
	b       *plan.Builder
	slots   []plan.Slot
	buffers []plan.Arg
	depth   int // walkers above this one
}

func (g *generator) number(from, to int) plan.Arg {
	return plan.Int(rapid.IntRange(from, to).Draw(g.t, "number"))
}

func (g *generator) slot() plan.Slot { return rapid.SampledFrom(g.slots).Draw(g.t, "slot") }

// value is a small number or the value of a slot plus one.
func (g *generator) value() plan.Arg {
	a := g.number(-3, 200)
	if rapid.Bool().Draw(g.t, "from a slot") {
		a.Slot = g.slot()
	}
	return a
}

func (g *generator) fd() plan.Arg { return g.number(firstFD, firstFD+numFDs-1) }

// words is an address in a buffer or in the first page of the window, which
// always can be read and written, with room for 32 bytes.
func (g *generator) words() plan.Arg {
	a := rapid.SampledFrom(append(g.buffers, imm(window))).Draw(g.t, "buffer")
	a.Imm += uint64(rapid.IntRange(0, bufferSize-32).Draw(g.t, "offset"))
	return a
}

// pages is a range of the window without its first page.
func (g *generator) pages() (addr, size plan.Arg) {
	first := rapid.IntRange(1, pages-1).Draw(g.t, "first page")
	n := rapid.IntRange(1, pages-first).Draw(g.t, "number of pages")
	return plan.Int(window + first*pg), plan.Int(n * pg)
}

func (g *generator) protection() plan.Arg { return g.number(0, 3) }

// check draws what becomes of a result. Now and then the plan wants what it
// will hardly get, so that failing is tested, too.
func (g *generator) check(s plan.Step) {
	switch rapid.IntRange(0, 60).Draw(g.t, "check") {
	case 0:
		return
	case 1:
		s.Want(g.value())
	default:
		s.MayFail()
	}
	if rapid.Bool().Draw(g.t, "store") {
		s.Store(g.slot())
	}
}

// cloneThread are the flags of a thread with everything in common.
const cloneThread = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD | unix.CLONE_SYSVSEM

// walker starts another walker with some steps of its own, and waits for it, so
// that the order of all steps is certain.
func (g *generator) walker() {
	if g.depth == 2 {
		return
	}
	done := g.b.Reserve(8)
	was := uint64(rapid.IntRange(0, 3).Draw(g.t, "count"))
	g.b.Poke32If("count", done, imm(0), imm(was)).MayFail()
	child := *g
	child.depth++
	child.b, _ = g.b.Spawn("start a walker", abi.SysClone, imm(cloneThread))
	for range rapid.IntRange(0, 5).Draw(g.t, "steps of the walker") {
		rapid.SampledFrom(steps).Draw(g.t, "step of the walker")(&child)
	}
	// From here on the parent goes on at the same time: nothing may fail.
	child.b.Add("say that it is done", done, imm(1)).Store(child.slot())
	child.b.Call("end the walker", abi.SysExit)
	g.check(g.b.Await("wait for the walker", done, imm(was+1)))
}

// steps are what random plans are made of. None of them can block, and none
// has a result that depends on the process's ids, on time or on chance.
var steps = []func(*generator){
	func(g *generator) {
		addr, size := g.pages()
		g.check(g.b.Call("map", abi.SysMmap, addr, size, g.protection(), imm(0x32), plan.Int(-1), imm(0)))
	},
	func(g *generator) {
		addr, size := g.pages()
		g.check(g.b.Call("map unless there is something", abi.SysMmap, addr, size, g.protection(), imm(0x100022), plan.Int(-1), imm(0)))
	},
	func(g *generator) {
		addr, size := g.pages()
		g.check(g.b.Call("map the file", abi.SysMmap, addr, size, g.protection(), imm(0x12), g.fd(), imm(0)))
	},
	func(g *generator) {
		addr, size := g.pages()
		g.check(g.b.Call("unmap", abi.SysMunmap, addr, size))
	},
	func(g *generator) {
		addr, size := g.pages()
		g.check(g.b.Call("protect", abi.SysMprotect, addr, size, g.protection()))
	},
	func(g *generator) { g.check(g.b.Call("dup", abi.SysDup, g.fd())) },
	func(g *generator) { g.check(g.b.Call("dup2", abi.SysDup2, g.fd(), g.fd())) },
	func(g *generator) { g.check(g.b.Call("dup3", abi.SysDup3, g.fd(), g.fd(), imm(0o2000000))) },
	func(g *generator) { g.check(g.b.Call("close", abi.SysClose, g.fd())) },
	func(g *generator) { g.check(g.b.Call("seek", abi.SysLseek, g.fd(), g.value(), g.number(0, 2))) },
	func(g *generator) { g.check(g.b.Call("make a pipe", abi.SysPipe2, g.words(), imm(0o4000))) },
	func(g *generator) { g.check(g.b.Call("make an eventfd", abi.SysEventfd2, g.number(0, 9), imm(0o4000))) },
	func(g *generator) { g.check(g.b.Call("get flags", abi.SysFcntl, g.fd(), imm(3))) },
	func(g *generator) { g.check(g.b.Call("write", abi.SysWrite, g.fd(), g.words(), g.number(0, 32))) },
	func(g *generator) { g.check(g.b.Call("read", abi.SysRead, g.fd(), g.words(), g.number(0, 32))) },
	func(g *generator) {
		g.check(g.b.Call("write at", abi.SysPwrite64, g.fd(), g.words(), g.number(0, 32), g.number(0, 5000)))
	},
	func(g *generator) { g.check(g.b.Call("set the mask", abi.SysUmask, g.value())) },
	func(g *generator) {
		if g.depth > 0 {
			return // Run has its walkers in one thread
		}
		g.check(g.b.Call("set the name", abi.SysPrctl, imm(15), g.words()))
	},
	func(g *generator) { g.check(g.b.Call("get the name", abi.SysPrctl, imm(16), g.words())) },
	func(g *generator) { g.check(g.b.Call("no such call", 0xfff0, g.value(), g.value())) },
	func(g *generator) {
		n := g.number(2, 5)
		counter := g.b.Reserve(8)
		g.b.Call("make a counter", abi.SysMemfdCreate, g.b.CString("counter"), imm(0)).Store(g.slots[0])
		fd := plan.Arg{Slot: g.slots[0]}
		g.b.Call("count up to it", abi.SysWrite, fd, counter, imm(1)).MayFail()
		g.b.Call("count until it is there", abi.SysLseek, fd, imm(1), imm(1)).Until(n)
		g.b.Call("close the counter", abi.SysClose, fd)
	},
	func(g *generator) {
		text := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(g.t, "data")
		g.check(g.b.Copy("copy from the data", g.words(), g.b.Data(text), g.number(0, 32)))
	},
	func(g *generator) {
		from, to := g.buffers[0], g.buffers[1]
		g.check(g.b.Copy("copy a buffer", to, from, imm(bufferSize)))
	},
	func(g *generator) { g.check(g.b.Poke32If("poke", g.words(), g.value(), g.value())) },
	func(g *generator) {
		// The same word twice: the second one takes place if the first one did.
		at, v := g.words(), g.value()
		g.check(g.b.Poke32If("poke a zero", at, imm(0), v))
		g.check(g.b.Poke32If("poke it again", at, v, g.value()))
	},
}

func init() { steps = append(steps, (*generator).walker) } // it draws from them itself
