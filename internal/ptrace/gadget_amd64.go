package ptrace

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"ckpt/internal/sys"
)

// ErrNoGadget says that the target's code has no system call instruction.
var ErrNoGadget = errors.New("no system call instruction found in the target's code")

// Text is an executable area of the target's address space. The path is that
// of /proc/PID/maps: empty for anonymous areas, "[vdso]" for the vDSO.
type Text struct {
	Start, End uint64
	Path       string
}

// Gadgets are addresses of instructions that the target's code happens to
// contain; zero is none. They hold for all threads of a process, until it
// executes another program or unmaps its libc.
type Gadgets struct {
	Syscall    uint64 // syscall
	SyscallRet uint64 // syscall; ret
	RestoreRT  uint64 // mov $15, %rax; syscall, the end of every signal handler
	PopRaxRet  uint64 // pop %rax; ret
	PopRdiRet  uint64 // pop %rdi; ret, mostly the end of a pop %r15; ret
	PopRsiRet  uint64 // pop %rsi; ret, likewise
	PopRdxRet  uint64 // pop %rdx; ret
	StoreRet   uint64 // mov %rax, (%rdx); ret
}

// gadget is one of Gadgets with its code.
type gadget struct {
	at   *uint64
	code string
}

func (g *Gadgets) list() []gadget {
	return []gadget{
		{&g.Syscall, "\x0f\x05"},
		{&g.SyscallRet, "\x0f\x05\xc3"},
		{&g.RestoreRT, "\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05"},
		{&g.PopRaxRet, "\x58\xc3"},
		{&g.PopRdiRet, "\x5f\xc3"},
		{&g.PopRsiRet, "\x5e\xc3"},
		{&g.PopRdxRet, "\x5a\xc3"},
		{&g.StoreRet, "\x48\x89\x02\xc3"},
	}
}

// Cures reports whether the gadgets allow self-curing injection.
func (g Gadgets) Cures() bool {
	return g.SyscallRet != 0 && (g.RestoreRT != 0 || g.PopRaxRet != 0)
}

// Chain reports whether the gadgets allow Ask to make several calls one after
// the other.
func (g Gadgets) Chain() bool {
	return g.Cures() && g.PopRaxRet != 0 && g.PopRdiRet != 0 && g.PopRsiRet != 0
}

// store reports whether a chain can also have calls of three arguments, and keep
// their results.
func (g Gadgets) store() bool { return g.Chain() && g.PopRdxRet != 0 && g.StoreRet != 0 }

// Hold reports whether gadgets that were found in a running process allow
// self-curing injection, and are still there now that it stands. The memory is that of
// the process, or thread, with that id.
func (g Gadgets) Hold(pid int, mem io.ReaderAt, texts []Text) bool {
	var ranges []sys.RemoteRange
	var code []byte
	for _, x := range g.list() {
		if *x.at == 0 {
			continue
		}
		end := *x.at + uint64(len(x.code))
		if !slices.ContainsFunc(texts, func(t Text) bool { return t.Start <= *x.at && end <= t.End }) {
			return false
		}
		ranges, code = append(ranges, sys.RemoteRange{Start: *x.at, Len: len(x.code)}), append(code, x.code...)
	}
	now := make([]byte, len(code))
	if n, err := sys.ReadRemote(pid, ranges, now); err != nil && n == 0 {
		at := 0
		for _, r := range ranges { // a sandbox may forbid reading all at once
			_, _ = mem.ReadAt(now[at:at+r.Len], int64(r.Start)) // what it does not read is zeros
			at += r.Len
		}
	}
	return bytes.Equal(now, code) && g.Cures()
}

// Bounds of the search. A libc has all gadgets in its first few hundred
// kilobytes, and every page read costs a fault; the total keeps a program with gigabytes of code from being read as a whole.
const (
	gadgetWindow  = 64 << 10
	gadgetOverlap = 16
	gadgetTotal   = 256 << 20
	// gadgetMore is how much is read for gadgets that only save time.
	gadgetMore = 1 << 20
)

// FindGadgets searches the areas, likely ones first, until it has what
// self-curing injection needs, at most 256 MiB of them, and for the rest in the
// first 1 MiB. It is ErrNoGadget if
// there is not even a bare system call instruction. Precondition: the process
// does not run, or areas that it unmaps meanwhile are passed over.
func FindGadgets(mem io.ReaderAt, texts []Text) (Gadgets, error) {
	texts = slices.Clone(texts)
	slices.SortStableFunc(texts, func(a, b Text) int {
		return cmp.Or(cmp.Compare(rank(a.Path), rank(b.Path)), cmp.Compare(a.End-a.Start, b.End-b.Start))
	})
	var g Gadgets
	buf := make([]byte, gadgetWindow)
	left := uint64(gadgetTotal)
	for _, x := range texts {
		// Above 1<<63 there is only the vsyscall page, which cannot be read.
		for at := x.Start; at < x.End && x.End < 1<<63 && left > 0; {
			size := min(x.End-at, gadgetWindow, left)
			n, err := mem.ReadAt(buf[:size], int64(at))
			g.search(buf[:n], at)
			left -= uint64(n)
			if g.store() || g.Cures() && gadgetTotal-left >= gadgetMore {
				return g, nil
			}
			if err != nil || n <= gadgetOverlap || at+uint64(n) >= x.End {
				break
			}
			at += uint64(n) - gadgetOverlap
		}
	}
	if g.Syscall == 0 {
		return g, ErrNoGadget
	}
	return g, nil
}

// rank orders areas by where gadgets are likely: the C library, other files,
// the vDSO and what the program made itself.
func rank(path string) int {
	base := filepath.Base(path)
	switch {
	case strings.HasPrefix(base, "libc.") || strings.HasPrefix(base, "libc-") || strings.HasPrefix(base, "ld-musl"):
		return 0
	case strings.HasPrefix(path, "/"):
		return 1
	case path == "[vdso]":
		return 2
	}
	return 3
}

// search notes the first of each gadget in b, which stands at address at.
func (g *Gadgets) search(b []byte, at uint64) {
	for _, x := range g.list() {
		if *x.at != 0 {
			continue
		}
		if i := bytes.Index(b, []byte(x.code)); i >= 0 {
			*x.at = at + uint64(i)
		}
	}
}
