package emit

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
)

// agentSection is a section of libckpt.so together with its contents. A
// section with an address has it as its offset in the file too.
type agentSection struct {
	name string
	elf.Section64
	data []byte
}

// Numbers of the sections that others refer to, in the order of agentSections.
const (
	agentDynsym   = 2
	agentDynstr   = 3
	agentTextSect = 7
	agentStrtab   = 11
)

// agentELF lays out the library around the block. There is no relocation and
// no dynamic symbol: nothing for the loader to look up, and nothing that the
// program's own symbols could meet.
func agentELF(consts, text []byte, funcs []agentFunc) ([]byte, error) {
	sections, err := agentSections(consts, text, funcs)
	if err != nil {
		return nil, err
	}
	bySect := func(name string) elf.Section64 {
		for _, s := range sections {
			if s.name == name {
				return s.Section64
			}
		}
		panic("libckpt.so has no section " + name)
	}
	dynamic, ehHdr, data := bySect(".dynamic"), bySect(".eh_frame_hdr"), bySect(".data")
	progs := []elf.Prog64{
		agentProg(elf.PT_LOAD, elf.PF_R|elf.PF_X, 0, agentTextAddr+uint64(len(text)), 0x1000),
		agentProg(elf.PT_LOAD, elf.PF_R|elf.PF_W, agentDynAddr, data.Addr+data.Size-agentDynAddr, 0x1000),
		agentProg(elf.PT_DYNAMIC, elf.PF_R|elf.PF_W, agentDynAddr, dynamic.Size, 8),
		agentProg(elf.PT_GNU_EH_FRAME, elf.PF_R, ehHdr.Off, ehHdr.Size, 4),
		agentProg(elf.PT_GNU_STACK, elf.PF_R|elf.PF_W, 0, 0, 16),
	}

	var f agentFile
	for _, s := range sections[1:] {
		f.put(s.Off, s.data)
	}
	shoff := f.end(8)
	for i, s := range sections {
		f.put(shoff+uint64(i)*agentShdrSize, agentBytes(s.Section64))
	}
	f.put(agentEhdrSize, agentBytes(progs))
	h := elf.Header64{
		Type: uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Phoff: agentEhdrSize, Shoff: shoff, Ehsize: agentEhdrSize,
		Phentsize: agentPhdrSize, Phnum: uint16(len(progs)),
		Shentsize: agentShdrSize, Shnum: uint16(len(sections)), Shstrndx: uint16(len(sections) - 1),
	}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS] = byte(elf.ELFCLASS64)
	h.Ident[elf.EI_DATA] = byte(elf.ELFDATA2LSB)
	h.Ident[elf.EI_VERSION] = byte(elf.EV_CURRENT)
	f.put(0, agentBytes(h))
	return f.data, f.err
}

// Sizes of the ELF structures, in bytes.
const (
	agentEhdrSize = 64
	agentPhdrSize = 56
	agentShdrSize = 64
	agentPhdrs    = 5
)

func agentProg(typ elf.ProgType, flags elf.ProgFlag, addr, size, align uint64) elf.Prog64 {
	return elf.Prog64{
		Type: uint32(typ), Flags: uint32(flags), Off: addr, Vaddr: addr, Paddr: addr,
		Filesz: size, Memsz: size, Align: align,
	}
}

// agentBytes encodes a fixed-size ELF structure, or a slice of them.
func agentBytes(v any) []byte {
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
		panic(err) // v is not of fixed size: a bug of ours
	}
	return b.Bytes()
}

// agentFile is the library's file while it is filled. It refuses what would
// lie over something else.
type agentFile struct {
	data []byte
	used []bool
	err  error
}

func (f *agentFile) put(off uint64, data []byte) {
	for uint64(len(f.data)) < off+uint64(len(data)) {
		f.data = append(f.data, 0)
		f.used = append(f.used, false)
	}
	for i := range data {
		if f.used[off+uint64(i)] && f.err == nil {
			f.err = fmt.Errorf("libckpt.so: two things at offset %#x", off+uint64(i))
		}
		f.used[off+uint64(i)] = true
	}
	copy(f.data[off:], data)
}

// end is the first offset behind everything that is a multiple of align.
func (f *agentFile) end(align uint64) uint64 {
	return (uint64(len(f.data)) + align - 1) / align * align
}
