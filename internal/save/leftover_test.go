package save

import (
	"syscall"
	"testing"

	"ckpt/internal/proc"
)

// TestDropLeftovers: memory that only looks like a block that a restore left is
// kept. (That a true one goes is seen in ten generations, tests/.)
func TestDropLeftovers(t *testing.T) {
	t.Parallel()
	code := proc.VMA{Start: 0x10000, End: 0x14000, Read: true, Exec: true}
	data := proc.VMA{Start: 0x14000, End: 0x17000, Read: true, Write: true}
	if !mayBeLeft(&code, &data) {
		t.Error("a block is not one")
	}
	for name, change := range map[string]func(c, d *proc.VMA){
		"name of code": func(c, d *proc.VMA) { c.Path = "[anon:jit]" },
		"name of data": func(c, d *proc.VMA) { d.Path = "[heap]" },
		"code file":    func(c, d *proc.VMA) { c.Inode = 5 },
		"data file":    func(c, d *proc.VMA) { d.Inode = 5 },
		"writable":     func(c, d *proc.VMA) { c.Write = true },
		"unreadable":   func(c, d *proc.VMA) { c.Read = false },
		"no code":      func(c, d *proc.VMA) { c.Exec = false },
		"two pages":    func(c, d *proc.VMA) { c.Start -= pageSize },
		"apart":        func(c, d *proc.VMA) { d.Start, d.End = d.Start+pageSize, d.End+pageSize },
		"constant":     func(c, d *proc.VMA) { d.Write = false },
		"executable":   func(c, d *proc.VMA) { d.Exec = true },
	} {
		c, d := code, data
		change(&c, &d)
		if mayBeLeft(&c, &d) {
			t.Errorf("%s: taken for a block", name)
		}
	}
	vmas := []proc.VMA{{Start: 0x1000, End: 0x2000}, code, data, code}
	if kept := dropLeftovers(vmas, memory{end: 1 << 40}, nil, nil); len(kept) != len(vmas) {
		t.Errorf("%d mappings of %d are kept", len(kept), len(vmas))
	}
	if kept := dropLeftovers(vmas, memory{err: syscall.EIO}, nil, nil); len(kept) != len(vmas) {
		t.Errorf("memory that can not be read: %d mappings of %d are kept", len(kept), len(vmas))
	}
}
