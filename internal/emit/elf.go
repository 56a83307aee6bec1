package emit

import (
	"debug/elf"
	"encoding/binary"
)

// pageSize is the page size of x86-64, by which segments are aligned.
const pageSize = 4096

// Sizes of the ELF structures, elf(5).
const (
	ehdrSize = 64
	phdrSize = 56
)

// elfHeader is the file header of a 64-bit little endian x86-64 ELF file with
// n program headers right behind it and no section headers.
func elfHeader(typ elf.Type, entry uint64, n int) elf.Header64 {
	h := elf.Header64{
		Type:      uint16(typ),
		Machine:   uint16(elf.EM_X86_64),
		Version:   uint32(elf.EV_CURRENT),
		Entry:     entry,
		Phoff:     ehdrSize,
		Ehsize:    ehdrSize,
		Phentsize: phdrSize,
		Phnum:     uint16(n),
	}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS] = byte(elf.ELFCLASS64)
	h.Ident[elf.EI_DATA] = byte(elf.ELFDATA2LSB)
	h.Ident[elf.EI_VERSION] = byte(elf.EV_CURRENT)
	return h
}

// stackHeader asks for a stack that is not executable: without it the kernel
// makes every readable page executable (fs/binfmt_elf.c, executable_stack).
func stackHeader() elf.Prog64 {
	return elf.Prog64{Type: uint32(elf.PT_GNU_STACK), Flags: uint32(elf.PF_R | elf.PF_W), Align: 16}
}

// appendStructs appends ELF structures as they stand in a file. They must be
// of fixed size.
func appendStructs(b []byte, structs ...any) ([]byte, error) {
	var err error
	for _, s := range structs {
		if b, err = binary.Append(b, binary.LittleEndian, s); err != nil {
			return nil, err
		}
	}
	return b, nil
}
