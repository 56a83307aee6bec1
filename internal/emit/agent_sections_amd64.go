package emit

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
)

// agentSections gives the sections in order, all with their addresses and
// offsets. Tools read them; the loader goes by the program headers and
// .dynamic.
func agentSections(consts, text []byte, funcs []agentFunc) ([]agentSection, error) {
	const soname = "libckpt.so"
	dynstr := new(agentStrings)
	sonameOff := dynstr.add(soname)
	strtab := new(agentStrings)
	syms := agentSyms(strtab, funcs)
	dynsym := agentBytes(elf.Sym64{})
	// One bucket with an empty chain: nbucket, nchain, bucket[0], chain[0].
	hash := agentBytes([]uint32{1, 1, 0, 0})

	const alloc, write, exec = elf.SHF_ALLOC, elf.SHF_WRITE, elf.SHF_EXECINSTR
	at := uint64(agentEhdrSize + agentPhdrs*agentPhdrSize)
	place := func(size, align uint64) uint64 {
		addr := (at + align - 1) / align * align
		at = addr + size
		return addr
	}
	hashAddr := place(uint64(len(hash)), 8)
	dynsymAddr := place(uint64(len(dynsym)), 8)
	dynstrAddr := place(uint64(len(dynstr.data)), 1)
	ehHdrAddr := place(agentEhHdrSize, 8)
	ehAddr := place(0, 8)
	eh, ehHdr := agentEhFrame(ehAddr, ehHdrAddr, funcs)
	if ehAddr+uint64(len(eh)) > agentConstAddr {
		return nil, fmt.Errorf("libckpt.so: tables of %d bytes run into the constants", ehAddr+uint64(len(eh)))
	}
	if agentConstAddr+len(consts) > agentTextAddr {
		return nil, fmt.Errorf("libckpt.so: constants of %d bytes run into the text", len(consts))
	}
	dynamic := agentBytes([]elf.Dyn64{
		{Tag: int64(elf.DT_SONAME), Val: uint64(sonameOff)},
		{Tag: int64(elf.DT_INIT), Val: agentTextAddr},
		{Tag: int64(elf.DT_HASH), Val: hashAddr},
		{Tag: int64(elf.DT_STRTAB), Val: dynstrAddr},
		{Tag: int64(elf.DT_SYMTAB), Val: dynsymAddr},
		{Tag: int64(elf.DT_STRSZ), Val: uint64(len(dynstr.data))},
		{Tag: int64(elf.DT_SYMENT), Val: elf.Sym64Size},
		// The handler stays installed, so the library must stay mapped even
		// where it was loaded by dlopen.
		{Tag: int64(elf.DT_FLAGS_1), Val: uint64(elf.DF_1_NODELETE)},
		{Tag: int64(elf.DT_NULL)},
	})
	if agentTextAddr+len(text) > agentDynAddr {
		return nil, fmt.Errorf("libckpt.so: text of %d bytes runs into .dynamic", len(text))
	}
	if agentDynAddr+len(dynamic) > agentDataAddr {
		return nil, fmt.Errorf("libckpt.so: .dynamic of %d bytes runs into the data", len(dynamic))
	}

	sections := []agentSection{
		{},
		agentSect(".hash", elf.SHT_HASH, alloc, hashAddr, hash, 8).link(agentDynsym, 0, 4),
		agentSect(".dynsym", elf.SHT_DYNSYM, alloc, dynsymAddr, dynsym, 8).link(agentDynstr, 1, elf.Sym64Size),
		agentSect(".dynstr", elf.SHT_STRTAB, alloc, dynstrAddr, dynstr.data, 1),
		agentSect(".eh_frame_hdr", elf.SHT_PROGBITS, alloc, ehHdrAddr, ehHdr, 4),
		agentSect(".eh_frame", elf.SHT_PROGBITS, alloc, ehAddr, eh, 8),
		agentSect(".rodata", elf.SHT_PROGBITS, alloc, agentConstAddr, consts, 8),
		agentSect(".text", elf.SHT_PROGBITS, alloc|exec, agentTextAddr, text, 32),
		agentSect(".dynamic", elf.SHT_DYNAMIC, alloc|write, agentDynAddr, dynamic, 8).link(agentDynstr, 0, 16),
		agentSect(".data", elf.SHT_PROGBITS, alloc|write, agentDataAddr, make([]byte, binary.Size(agentData{})), 8),
		agentSect(".symtab", elf.SHT_SYMTAB, 0, 0, agentBytes(syms), 8).link(agentStrtab, uint32(len(syms)), elf.Sym64Size),
		agentSect(".strtab", elf.SHT_STRTAB, 0, 0, strtab.data, 1),
		agentSect(".shstrtab", elf.SHT_STRTAB, 0, 0, nil, 1),
	}
	names := new(agentStrings)
	for i := range sections {
		sections[i].Name = names.add(sections[i].name)
	}
	last := &sections[len(sections)-1]
	last.data, last.Size = names.data, uint64(len(names.data))
	off := uint64(agentDataAddr + binary.Size(agentData{}))
	for i := range sections {
		if s := &sections[i]; i > 0 && s.Addr == 0 {
			s.Off = off
			off = (off + s.Size + 7) / 8 * 8
		}
	}
	return sections, nil
}

func agentSect(name string, typ elf.SectionType, flags elf.SectionFlag, addr uint64, data []byte, align uint64) agentSection {
	return agentSection{name: name, data: data, Section64: elf.Section64{
		Type: uint32(typ), Flags: uint64(flags), Addr: addr, Off: addr, Size: uint64(len(data)), Addralign: align,
	}}
}

// link sets the fields that a table has: the section it refers to, sh_info,
// and the size of an entry in bytes.
func (s agentSection) link(to, info uint32, entsize uint64) agentSection {
	s.Link, s.Info, s.Entsize = to, info, entsize
	return s
}

// agentSyms gives the symbol table, local symbols only, with a null first.
func agentSyms(names *agentStrings, funcs []agentFunc) []elf.Sym64 {
	syms := []elf.Sym64{{}}
	for _, f := range funcs {
		syms = append(syms, elf.Sym64{
			Name: names.add(f.name), Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_FUNC), Shndx: agentTextSect,
			Value: agentTextAddr + f.addr, Size: f.size,
		})
	}
	return syms
}

// agentStrings is a string table; offset 0 is the empty string.
type agentStrings struct{ data []byte }

func (s *agentStrings) add(name string) uint32 {
	if len(s.data) == 0 {
		s.data = []byte{0}
	}
	if name == "" {
		return 0
	}
	off := uint32(len(s.data))
	s.data = append(append(s.data, name...), 0)
	return off
}
