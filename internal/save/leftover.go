package save

import (
	"os"

	"ckpt/internal/plan"
	"ckpt/internal/proc"
)

// dropLeftovers takes out of the mappings what an earlier restore left of its
// interpreter: the code page and the signal frame behind it. The next restore
// brings its own. mem is /proc/PID/mem.
//
// Only when the two mappings are just that are they taken out; had something
// been mapped right beside them and merged, they are saved as memory like any
// other, which does no harm.
func dropLeftovers(vmas []proc.VMA, mem *os.File) []proc.VMA {
	kept := vmas[:0:0]
	for i := 0; i < len(vmas); i++ {
		if i+1 < len(vmas) && isLeftover(&vmas[i], &vmas[i+1], mem) {
			i++
			continue
		}
		kept = append(kept, vmas[i])
	}
	return kept
}

func isLeftover(code, data *proc.VMA, mem *os.File) bool {
	const maxFrame = 64 << 10 // more than the extended state of any processor
	if code.Path != "" || data.Path != "" || code.Inode != 0 || data.Inode != 0 ||
		!code.Exec || code.Write || code.Size() != pageSize ||
		data.Start != code.End || data.Exec || !data.Write || data.Size() > maxFrame {
		return false
	}
	var header [plan.ParkedHeader]byte
	if _, err := mem.ReadAt(header[:], int64(data.Start)); err != nil {
		return false
	}
	return plan.Parked(header[:], code.Start)
}
