package emit

import (
	"debug/elf"
	"fmt"
)

// taskSize is the end of the address space of a 64-bit process with four
// levels of page tables (TASK_SIZE_MAX, arch/x86/include/asm/page_64_types.h).
const taskSize = 1<<47 - pageSize

// Restorer makes the executable that turns a process into the saved one: a
// static ELF file whose only content is block, a plan as plan.Encode made it.
// It is mapped read-only and executable at load, which must be page aligned
// and free in the saved process and where the block parks itself; execution
// begins at load+entry.
//
// It is ET_EXEC, so that the kernel puts nothing of it at a random place that
// the saved process may need. There are no section headers: nothing reads
// them.
func Restorer(block []byte, entry, load uint64) ([]byte, error) {
	size := uint64(len(block))
	if size == 0 || entry >= size {
		return nil, fmt.Errorf("restorer: entry %#x is outside of a block of %#x bytes", entry, size)
	}
	if load%pageSize != 0 || load == 0 || load >= taskSize || size > taskSize-load {
		return nil, fmt.Errorf("restorer: %#x bytes cannot be loaded at %#x", size, load)
	}
	text := elf.Prog64{
		Type:   uint32(elf.PT_LOAD),
		Flags:  uint32(elf.PF_R | elf.PF_X),
		Off:    pageSize,
		Vaddr:  load,
		Paddr:  load,
		Filesz: size,
		Memsz:  size,
		Align:  pageSize,
	}
	file := make([]byte, 0, pageSize+len(block))
	file, err := appendStructs(file, elfHeader(elf.ET_EXEC, load+entry, 2), text, stackHeader())
	if err != nil {
		return nil, fmt.Errorf("restorer: %w", err)
	}
	return append(file[:pageSize], block...), nil
}
