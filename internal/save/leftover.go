package save

import (
	"io"

	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/proc"
)

// dropLeftovers takes out of the mappings what an earlier restore left of its
// interpreter: the code and the signal frames behind it. The next restore
// brings its own. mem is /proc/PID/mem.
//
// Only when the two mappings are just that and nobody can come back to them are
// they taken out. Others are saved as memory like any other, which does no
// harm: those with which something was merged that was mapped right beside
// them, and those to which a signal handler may still return. They are looked
// at again in every generation; only one whose sleep a handler left by
// siglongjmp stays for good.
//
// The mapping of an injector that died goes, too.
//
// So do the first pages of images right in front of it, which said that these are
// mapped.
//
// A thread that is in the rest of a sleep there (plan.Sleep) is changed to what
// it would be without.
func dropLeftovers(vmas []proc.VMA, mem io.ReaderAt, threads []*image.Thread, images map[mappedFile]bool) []proc.VMA {
	kept := vmas[:0:0]
	for i := 0; i < len(vmas); i++ {
		if isScratch(&vmas[i]) {
			continue
		}
		if i+1 < len(vmas) && mayBeLeft(&vmas[i], &vmas[i+1]) {
			left, err := plan.FindLeftover(mem, vmas[i].Start)
			if err == nil && left.Size() == vmas[i+1].End-vmas[i].Start && !inUse(left, vmas[i].Start, vmas[i+1].End, mem, threads) {
				at := vmas[i].Start
				for n := len(kept); n > 0 && kept[n-1].End == at && images[fileOf(&kept[n-1])] && mayBeMark(&kept[n-1]); n = len(kept) {
					at, kept = kept[n-1].Start, kept[:n-1]
				}
				i++
				continue
			}
		}
		kept = append(kept, vmas[i])
	}
	return kept
}

func mayBeLeft(code, data *proc.VMA) bool {
	return code.Path == "" && data.Path == "" && code.Inode == 0 && data.Inode == 0 &&
		code.Read && code.Exec && !code.Write && code.Size() == plan.CodeSize &&
		data.Start == code.End && data.Read && !data.Exec && data.Write
}

// inUse reports whether a thread needs what is left at [start, end), once those
// that only sleep there have been changed.
func inUse(left *plan.Leftover, start, end uint64, mem io.ReaderAt, threads []*image.Thread) bool {
	var altStacks []uint64
	for _, t := range threads {
		if t.Dead {
			continue
		}
		altStacks = append(altStacks, t.AltStack.SP+t.AltStack.Size)
		if t.Regs.Rip < start || t.Regs.Rip >= end {
			continue
		}
		regs, rest, ok := left.SeeThrough(t.Regs)
		if !ok {
			return true
		}
		t.Regs, t.RestOfSleep = regs, rest
	}
	return left.Used(mem, altStacks)
}
