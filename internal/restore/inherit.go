package restore

import (
	"fmt"
	"strconv"

	"ckpt/internal/abi"
	"ckpt/internal/plan"
	"ckpt/internal/sys"
)

// inheritance sets what a process has from who makes it, and that is set for the
// first one before the plan (launch.go).
func (w *writer) inheritance() {
	if w.birth == w.lineage.root {
		return
	}
	process := w.m.process
	if process.Shares.FS == 0 {
		w.b.Call("change to the working directory "+process.Cwd, abi.SysChdir, w.b.CString(process.Cwd))
		w.b.Call("set the umask", abi.SysUmask, plan.Int(process.Umask))
	}
	a := process.Attributes
	if a.Personality != w.p.process.Attributes.Personality {
		w.b.Call("set the personality", abi.SysPersonality, plan.Imm(uint64(a.Personality)))
	}
	w.scheduling(w.p.thread)
	if a.OOMScoreAdj != w.p.process.Attributes.OOMScoreAdj {
		w.oomScore(a.OOMScoreAdj)
	}
}

// oomScore sets what makes the kernel choose the process when there is no memory
// left; to lower it takes a privilege.
func (w *writer) oomScore(n int) {
	const file = "/proc/self/oom_score_adj"
	text := strconv.Itoa(n)
	fd := w.b.Slot()
	defer w.b.Free(fd)
	w.b.Call("open "+file, abi.SysOpen, w.b.CString(file), plan.Imm(sys.OWronly|sys.OCloexec)).MayFail().Store(fd)
	w.b.Call(fmt.Sprintf("write %d to %s", n, file), abi.SysWrite, plan.Arg{Slot: fd}, w.b.Data([]byte(text)), plan.Int(len(text))).MayFail()
	w.b.Call("close "+file, abi.SysClose, plan.Arg{Slot: fd}).MayFail()
}
