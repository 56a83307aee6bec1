package restore

import (
	"bytes"
	"strings"
	"testing"

	"ckpt/internal/abi"
	"ckpt/internal/emit"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// TestCompile: the plan of a small image leaves through a frame with its
// registers, and touches nothing but the areas and the place of work.
func TestCompile(t *testing.T) {
	t.Parallel()
	m := sample(t)
	m.Processes[0].Threads[0].Regs.Rip = 0x1234567
	c := compiledPlan(t, m, content{0x400000, bytes.Repeat([]byte{1}, pageSize)})
	last := c.plan.Ops[len(c.plan.Ops)-1]
	if last.Code != plan.Leave || last.Args[1].Slot != plan.Base || last.Args[1].Imm != abi.SignalFrameSP(plan.DataOffset) {
		t.Errorf("the end is %+v", last)
	}
	const ripAt = 48 + 16*8 // struct rt_sigframe, uc_mcontext.rip
	if rip := wordsAt(t, c.plan, plan.Arg{Slot: plan.Base, Imm: plan.DataOffset + ripAt}, 1)[0]; rip != 0x1234567 {
		t.Errorf("rip %#x", rip)
	}
	block, err := plan.Encode(c.plan, plan.Options{Park: c.park, ErrFD: c.errFD})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := emit.Restorer(block, plan.Entry, c.load); err != nil {
		t.Fatal(err)
	}
	work := span{c.park, c.load}
	for _, op := range calls(c.plan, abi.SysMunmap) {
		if op.Args[0].Imm < work.end && op.Args[0].Imm+op.Args[1].Imm > work.start {
			t.Errorf("%s: it works there", op.What)
		}
	}
}

// TestCompileThousandsOfAreas: the plan grows and its room with it.
func TestCompileThousandsOfAreas(t *testing.T) {
	t.Parallel()
	m := sample(t)
	p := &m.Processes[0]
	p.Areas = nil
	const count = 40000
	for i := range image.Addr(count) {
		p.Areas = append(p.Areas, image.Area{
			Start: 0x400000 + i*2*pageSize, End: 0x400000 + (i*2+1)*pageSize, Prot: rw, Kind: image.Anonymous, File: -1, Flags: []string{"dd"},
		})
	}
	c := compiledPlan(t, m)
	if room := c.load - c.park; c.plan.Size() > room || room > 4*c.plan.Size() {
		t.Errorf("%d bytes of plan in %d bytes of room", c.plan.Size(), room)
	}
	maps := 0
	for _, op := range calls(c.plan, abi.SysMmap) {
		if strings.HasPrefix(op.What, "map anonymous") {
			maps++
		}
	}
	if maps != count {
		t.Errorf("%d areas are mapped", maps)
	}
}

// TestCompileNoRoom: a program that uses all addresses is refused.
func TestCompileNoRoom(t *testing.T) {
	t.Parallel()
	m := sample(t)
	m.Processes[0].Areas = []image.Area{{Start: 0x10000, End: userEnd, Kind: image.Anonymous, File: -1, Flags: []string{}}}
	if _, err := prepared(t, m).compile(); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("%v, want no room", err)
	}
}
