package emit

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"

	"ckpt/internal/abi"
	"ckpt/internal/plan"
)

const (
	testSpan = 1 << 30                  // room for the block and for what is moved aside
	newCode  = 0x400000                 // where the restored program is
	keep     = plan.CodeSize + pageSize // what remains of the block: code, header, first data
)

// newProgram writes rsi bytes at rdi, asks the kernel whether the rest of the
// block is gone, and exits with status 7 if so.
var newProgram = func() []byte {
	b := []byte{
		0x48, 0x89, 0xf2, // mov rdx, rsi
		0x48, 0x89, 0xfe, // mov rsi, rdi
		0xbf, 1, 0, 0, 0, // mov edi, 1
		0xb8, 1, 0, 0, 0, // mov eax, write
		0x0f, 0x05, // syscall
		0x48, 0xbe, // mov rsi, testPark+keep
	}
	b = binary.LittleEndian.AppendUint64(b, testPark+keep)
	return append(b,
		0xba, 1, 0, 0, 0, // mov edx, 1
		0xb8, 1, 0, 0, 0, // mov eax, write
		0x0f, 0x05, // syscall
		0x83, 0xc0, 14+7, // add eax, EFAULT+7
		0x89, 0xc7, // mov edi, eax
		0xb8, 231, 0, 0, 0, // mov eax, exit_group
		0x0f, 0x05, // syscall
	)
}()

// becomeNew is a plan that replaces everything in the process by newProgram
// and lists what is mapped then. landing says how to get there; the program
// wants the message's address and length in rdi and rsi.
func becomeNew(t *testing.T, landing func(b *plan.Builder, message, n plan.Arg) plan.Landing) *plan.Plan {
	t.Helper()
	const (
		readWrite, readExec = 3, 5
		fixedAnonymous      = 0x32
		mayMoveFixed        = 3
		end                 = 1<<47 - 4096
	)
	imm := plan.Imm
	b := plan.NewBuilder()
	const text = "alive without stack and file\n"
	message := b.Data([]byte(text))
	l := landing(b, message, imm(uint64(len(text))))
	l.Keep = keep
	if l.SP.Slot == plan.Base && l.SP.Imm >= keep {
		t.Fatalf("the frame is at %#x", l.SP.Imm)
	}
	b.Reserve(3 * pageSize) // so that there is something to cut off
	buf := b.Reserve(pageSize)
	slot := b.Slot()

	vdso, at := vdsoAreas(t), uint64(testPark+testSpan)
	for _, a := range vdso {
		b.Call("move "+a.name, abi.SysMremap, plan.Arg{Slot: plan.VDSO, Imm: a.offset}, imm(a.size), imm(a.size), imm(mayMoveFixed), imm(at)).Want(imm(at))
		at += a.size
	}
	b.Call("unmap everything below", abi.SysMunmap, imm(0), imm(testPark))
	b.Call("unmap everything above", abi.SysMunmap, imm(at), imm(end-at))
	b.Call("map the program", abi.SysMmap, imm(newCode), imm(pageSize), imm(readWrite), imm(fixedAnonymous), imm(^uint64(0)), imm(0)).Want(imm(newCode))
	b.Copy("copy the program", imm(newCode), b.Data(newProgram), imm(uint64(len(newProgram))))
	b.Call("protect the program", abi.SysMprotect, imm(newCode), imm(pageSize), imm(readExec))

	b.Call("open maps", abi.SysOpen, b.CString("/proc/self/maps")).Store(slot)
	b.Call("read maps", abi.SysRead, plan.Arg{Slot: slot}, buf, imm(pageSize)).Store(slot)
	b.Call("show maps", abi.SysWrite, imm(1), buf, plan.Arg{Slot: slot}).Want(plan.Arg{Slot: slot})
	b.Free(slot)
	b.Leave("leave", l)
	return build(t, b)
}

// area is one of the vDSO's mappings; its offset is relative to [vdso].
type area struct {
	name         string
	offset, size uint64
}

// vdsoAreas are the vDSO's mappings as this very process has them.
func vdsoAreas(t *testing.T) []area {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	var areas []area
	var vdso uint64
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		if len(fields) != 6 || fields[5] != "[vdso]" && !strings.HasPrefix(fields[5], "[vvar") {
			continue
		}
		var from, to uint64
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &from, &to); err != nil {
			t.Fatal(err)
		}
		areas = append(areas, area{fields[5], from, to - from})
		if fields[5] == "[vdso]" {
			vdso = from
		}
	}
	for i := range areas {
		areas[i].offset -= vdso
	}
	return areas
}

// checkNew checks the output of becomeNew: the map holds nothing but what the
// plan made and kept.
func checkNew(t *testing.T, got result) {
	t.Helper()
	if got.stderr != "" || got.status != "exit status 7" {
		t.Errorf("stderr %q, %s, want exit status 7", got.stderr, got.status)
	}
	maps, ok := strings.CutSuffix(got.stdout, "alive without stack and file\n")
	if !ok {
		t.Fatalf("no message at the end of %q", got.stdout)
	}
	want := map[string]int{"00400000": 1, "200000000000": 1, "200000004000": 1, "[vdso]": 1, "[vvar]": 1, "[vvar_vclock]": 1, "[vsyscall]": 1}
	for line := range strings.Lines(maps) {
		fields := strings.Fields(line)
		start, _, _ := strings.Cut(fields[0], "-")
		if want[start] == 0 && want[fields[len(fields)-1]] == 0 {
			t.Errorf("left over: %s", line)
		}
	}
}

// TestLeave proves that the interpreter needs neither the stack nor the file
// that execve gave it, nor, at last, its ops.
func TestLeave(t *testing.T) {
	t.Parallel()
	p := becomeNew(t, func(_ *plan.Builder, message, n plan.Arg) plan.Landing {
		return plan.Landing{PC: plan.Imm(newCode), DI: message, SI: n}
	})
	checkNew(t, execute(t, p, options, ""))
}

// TestLeaveBySigreturn leaves the way that restore does: a signal frame gives
// the thread its registers.
func TestLeaveBySigreturn(t *testing.T) {
	t.Parallel()
	p := becomeNew(t, func(b *plan.Builder, message, n plan.Arg) plan.Landing {
		// struct ucontext from uc_mcontext at 40 (arch/x86/include/uapi/asm/
		// sigcontext.h): r8..r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip.
		frame := make([]byte, 304)
		reg := func(i int, v uint64) { binary.LittleEndian.PutUint64(frame[40+8*i:], v) }
		reg(8, testPark+message.Imm)
		reg(9, n.Imm)
		reg(16, newCode)
		reg(17, 0x202) // eflags
		binary.LittleEndian.PutUint16(frame[40+8*18:], 0x33)
		binary.LittleEndian.PutUint16(frame[40+8*18+6:], 0x2b)
		return plan.Landing{PC: plan.Sigreturn(), SP: b.AlignedData(frame, 64)}
	})
	checkNew(t, execute(t, p, options, ""))
}

// TestLeaveWithOthers has many walkers that use slots of their own, meet, and
// leave before the first one, who unmaps what they walked on.
func TestLeaveWithOthers(t *testing.T) {
	t.Parallel()
	const walkers = 50
	imm := plan.Imm
	p := becomeNew(t, func(b *plan.Builder, message, n plan.Arg) plan.Landing {
		arrived, going, gone, sum := b.Reserve(8), b.Reserve(8), b.Reserve(8), b.Reserve(8)
		own := b.Slot()
		for i := range walkers {
			b.Call("fill the slot", abi.SysGetpid).Store(own)
			w, _ := b.Spawn("start a walker", abi.SysClone, imm(abi.CloneSibling))
			w.Copy("fill its own slot", imm(0), imm(0), imm(0)).Store(own)
			w.Add("add to the sum", sum, plan.Arg{Slot: own, Imm: uint64(i)})
			w.Add("arrive", arrived, imm(1))
			w.Await("wait", going, imm(1))
			w.Depart("end", plan.Landing{PC: plan.EndThread()}, gone)
		}
		b.Await("wait for all", arrived, imm(walkers))
		b.Await("look at the sum", sum, imm(walkers*(walkers-1)/2))
		b.Add("let them go", going, imm(1)).Want(imm(1))
		b.Await("wait until they have left", gone, imm(walkers))
		return plan.Landing{PC: plan.Imm(newCode), DI: message, SI: n}
	})
	checkNew(t, execute(t, p, options, ""))
}

// TestWalkerFails: whoever fails says so, and ends all.
func TestWalkerFails(t *testing.T) {
	t.Parallel()
	b := plan.NewBuilder()
	never := b.Reserve(8)
	w, _ := b.Spawn("start a walker", abi.SysClone, plan.Imm(abi.CloneSibling))
	w.About("walker: ")
	w.Call("close nothing", abi.SysClose, plan.Imm(1000))
	w.Call("end", abi.SysExit)
	b.Await("wait for ever", never, plan.Imm(1))
	b.Call("exit", abi.SysExitGroup)
	want := result{"", "ckpt: walker: close nothing: bad file descriptor", "exit status 125"}
	if got := execute(t, build(t, b), options, ""); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
