package plan_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"ckpt/internal/abi"
	"ckpt/internal/emit"
	"ckpt/internal/plan"
)

// Where the parts of the tested processes are.
const (
	load   = 0x1000_0000_0000
	park   = 0x2000_0000_0000
	window = 0x3000_0000_0000 // pages for the plans to play with
	pages  = 16
	pg     = 4096

	firstFD, numFDs = 32, 12 // descriptors to play with
)

var imm = plan.Imm

// TestInterpreters has random plans executed by both interpreters, each in a
// process of its own that is prepared in the same way, and compares what they
// leave behind: the slots, the data, the message, the exit status.
func TestInterpreters(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := randomPlan(t)
		block, err := plan.Encode(p, plan.Options{Park: park, ErrFD: 2})
		if err != nil {
			t.Fatal(err)
		}
		file, err := emit.Restorer(block, plan.Entry, load)
		if err != nil {
			t.Fatal(err)
		}
		inAsm, inGo := execute(t, execRestorer, file), execute(t, runBlock, block)
		if inAsm != inGo {
			var listing strings.Builder
			if err := plan.Format(&listing, p); err != nil {
				t.Error(err)
			}
			t.Fatalf("the plan\n%s\nexecuted by the assembly: %v\nexecuted by Run: %v", &listing, inAsm, inGo)
		}
		if !inAsm.plausible(p) {
			t.Fatalf("strange end: %v", inAsm)
		}
	})
}

// randomPlan makes a plan of harmless steps with results that depend on
// nothing but the plan.
func randomPlan(t *rapid.T) *plan.Plan {
	g := &generator{t: t, b: plan.NewBuilder()}
	for range 8 {
		g.slots = append(g.slots, g.b.Slot())
	}
	for range 4 {
		g.buffers = append(g.buffers, g.b.Reserve(bufferSize))
	}
	g.b.Call("map the window", abi.SysMmap, imm(window), imm(pages*pg), imm(3), imm(0x32), plan.Int(-1), imm(0)).Want(imm(window))
	g.b.Call("set the name", abi.SysPrctl, imm(15), g.b.CString("name"))
	g.b.Call("make a file", abi.SysMemfdCreate, g.b.CString("file")).Want(imm(firstFD))
	for range rapid.IntRange(1, 40).Draw(t, "steps") {
		rapid.SampledFrom(steps).Draw(t, "step")(g)
	}
	b := g.b
	b.Call("show the slots", abi.SysWrite, imm(1), plan.Arg{Slot: plan.Base, Imm: plan.HdrSlots}, imm(plan.NumSlots*8))
	for _, buf := range g.buffers {
		b.Call("show a buffer", abi.SysWrite, imm(1), buf, imm(bufferSize))
	}
	b.Call("show the window", abi.SysWrite, imm(1), imm(window), imm(pg))
	b.Call("exit", abi.SysExitGroup, imm(uint64(rapid.IntRange(0, 100).Draw(t, "status"))))
	p, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// outcome is how a process ended.
type outcome struct{ stdout, stderr, status string }

func (o outcome) String() string { return fmt.Sprintf("%s, %q, %x", o.status, o.stderr, o.stdout) }

// plausible reports whether the process came to one of the ends that a plan
// provides for.
func (o outcome) plausible(p *plan.Plan) bool {
	if o.status == fmt.Sprintf("exit status %d", plan.ExitStatus) {
		return strings.HasPrefix(o.stderr, "ckpt: ")
	}
	last := p.Ops[len(p.Ops)-1]
	if len(p.Others) > 0 {
		last = p.Ops[p.Others[0]-1]
	}
	status := last.Args[0].Imm
	return o.stderr == "" && len(o.stdout) == plan.NumSlots*8+4*bufferSize+pg && o.status == fmt.Sprintf("exit status %d", status)
}

// execute starts the test binary again to do job with file.
func execute(t interface{ Fatal(...any) }, job string, file []byte) outcome {
	fd, err := unix.MemfdCreate("job", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	memfd := os.NewFile(uintptr(fd), "job")
	defer memfd.Close()
	if _, err := memfd.Write(file); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(slices.Clone(os.Environ()), jobEnv+"="+job)
	cmd.ExtraFiles = []*os.File{memfd}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer kill.Stop()
	_ = cmd.Wait() // the status says it all
	out := stdout.Bytes()
	if vdso := int(plan.VDSO) * 8; len(out) >= vdso+8 {
		clear(out[vdso : vdso+8]) // the kernel puts it at random
	}
	return outcome{string(out), stderr.String(), cmd.ProcessState.String()}
}
