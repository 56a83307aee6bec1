package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"

	"ckpt/internal/seekable"
)

// The ELF sizes and numbers that debug/elf does not name, see elf(5).
const (
	ehdrSize = 64
	phdrSize = 56
	shdrSize = 64
	pnXNum   = 0xffff // PN_XNUM: the count is in section header 0
)

// mark stands in the padding of e_ident, which other tools ignore. It tells an
// image from any other core file before anything else is read. The byte behind
// it is the version of the format.
const (
	mark      = "CKPT"
	markAt    = elf.EI_PAD
	versionAt = markAt + len(mark)
)

// machine is the processor whose images this engine reads and writes.
const machine = elf.EM_X86_64

// headersEnd is the length of the headers of an image with so many PT_LOADs.
func headersEnd(loads int) uint64 {
	n := ehdrSize + phdrSize*uint64(loads+1)
	if loads+1 >= pnXNum {
		n += shdrSize
	}
	return n
}

// plainCore stands for the version of the format in the headers of a core file
// that is no image, and has no mark.
const plainCore = 0

// encodeHeaders makes the headers of a process's core; those in an image are
// marked with its version. The PT_NOTE comes first, as in the kernel's own core
// files.
func encodeHeaders(segs []Segment, notes fileRange, version int) []byte {
	loads := len(segs)
	h := elf.Header64{
		Type: uint16(elf.ET_CORE), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT),
		Phoff: ehdrSize, Ehsize: ehdrSize, Phentsize: phdrSize, Phnum: uint16(min(loads+1, pnXNum)),
	}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS] = byte(elf.ELFCLASS64)
	h.Ident[elf.EI_DATA] = byte(elf.ELFDATA2LSB)
	h.Ident[elf.EI_VERSION] = byte(elf.EV_CURRENT)
	if version != plainCore {
		copy(h.Ident[markAt:], mark)
		h.Ident[versionAt] = byte(version)
	}
	many := loads+1 >= pnXNum
	if many {
		h.Shoff = ehdrSize + phdrSize*uint64(loads+1)
		h.Shentsize, h.Shnum = shdrSize, 1
	}
	out := make([]byte, 0, headersEnd(loads))
	out = appendLE(out, h)
	out = appendLE(out, elf.Prog64{
		Type: uint32(elf.PT_NOTE), Off: notes.pos, Filesz: notes.len, Align: noteAlign,
	})
	for _, s := range segs {
		out = s.appendProg(out)
	}
	if many {
		// As fill_extnum_info in fs/binfmt_elf.c does it.
		out = appendLE(out, elf.Section64{Size: 1, Info: uint32(loads + 1)})
	}
	return out
}

// fileRange is a part of the file.
type fileRange struct {
	pos, len uint64
}

func (r fileRange) end() uint64 { return r.pos + r.len }

// readHeaders reads the headers that begin a file or part of size bytes, and
// returns them, too, as bytes. Where segments and notes are is not checked.
func readHeaders(r io.ReaderAt, size uint64) (raw []byte, segs []Segment, notes fileRange, err error) {
	loads, err := readELFHeader(r, size)
	if err != nil {
		return nil, nil, notes, err
	}
	end := headersEnd(loads)
	if end > size {
		return nil, nil, notes, corrupt("file of %d bytes is too short for %d program headers", size, loads+1)
	}
	raw = make([]byte, end)
	if _, err := r.ReadAt(raw, 0); err != nil {
		return nil, nil, notes, readError("headers", err)
	}
	segs = make([]Segment, loads)
	for i := range loads + 1 {
		p := raw[ehdrSize+i*phdrSize:]
		if i == 0 {
			notes = fileRange{pos: binary.LittleEndian.Uint64(p[progOff:]), len: binary.LittleEndian.Uint64(p[progFileSize:])}
			continue
		}
		segs[i-1] = decodeProg(p)
	}
	if !bytes.Equal(raw, encodeHeaders(segs, notes, int(raw[versionAt]))) {
		return nil, nil, notes, corrupt("headers are not as they were written")
	}
	return raw, segs, notes, nil
}

// readELFHeader tells an image from other files and returns how many PT_LOADs
// it has.
func readELFHeader(r io.ReaderAt, size uint64) (loads int, err error) {
	var raw [ehdrSize]byte
	if size < ehdrSize {
		return 0, notImage("the file is too short")
	}
	if _, err := r.ReadAt(raw[:], 0); err != nil {
		return 0, readError("ELF header", err)
	}
	var h elf.Header64
	if _, err := binary.Decode(raw[:], binary.LittleEndian, &h); err != nil {
		return 0, corrupt("ELF header: %w", err)
	}
	if string(h.Ident[:len(elf.ELFMAG)]) != elf.ELFMAG {
		return 0, notImage("not an ELF file")
	}
	if string(h.Ident[markAt:versionAt]) != mark {
		if elf.Type(h.Type) == elf.ET_CORE {
			return 0, notImage("a plain core file")
		}
		return 0, notImage(fmt.Sprintf("an ELF file of type %v", elf.Type(h.Type)))
	}
	if v := int(h.Ident[versionAt]); !known(v) {
		return 0, &VersionError{Have: v, Want: ManifestVersion}
	}
	if elf.Machine(h.Machine) != machine {
		return 0, &ArchError{Have: elf.Machine(h.Machine).String(), Want: runtime.GOARCH}
	}
	n := uint64(h.Phnum)
	if n == pnXNum {
		var s [shdrSize]byte
		if h.Shoff > size || size-h.Shoff < shdrSize {
			return 0, corrupt("section header at %#x is behind the end of the file", h.Shoff)
		}
		if _, err := r.ReadAt(s[:], int64(h.Shoff)); err != nil {
			return 0, readError("section header", err)
		}
		n = uint64(binary.LittleEndian.Uint32(s[44:])) // sh_info
	}
	if n < 1 || n > maxSegments+1 {
		return 0, corrupt("%d program headers", n)
	}
	return int(n) - 1, nil
}

// Offsets in a program header, elf(5).
const (
	progFlags    = 4
	progOff      = 8
	progAddr     = 16
	progFileSize = 32
	progMemSize  = 40
	progAlign    = 48
)

// appendProg appends the program header of the segment. There can be a million.
func (s *Segment) appendProg(b []byte) []byte {
	var p [phdrSize]byte
	binary.LittleEndian.PutUint32(p[:], s.programType())
	binary.LittleEndian.PutUint32(p[progFlags:], elfFlags(s.Prot))
	binary.LittleEndian.PutUint64(p[progOff:], s.Pos)
	binary.LittleEndian.PutUint64(p[progAddr:], uint64(s.Start))
	binary.LittleEndian.PutUint64(p[progFileSize:], s.FileLen)
	binary.LittleEndian.PutUint64(p[progMemSize:], uint64(s.End-s.Start))
	binary.LittleEndian.PutUint64(p[progAlign:], PageSize)
	return append(b, p[:]...)
}

// decodeProg reads what appendProg wrote.
func decodeProg(p []byte) Segment {
	start := Addr(binary.LittleEndian.Uint64(p[progAddr:]))
	return Segment{
		Start: start, End: start + Addr(binary.LittleEndian.Uint64(p[progMemSize:])),
		Pos: binary.LittleEndian.Uint64(p[progOff:]), FileLen: binary.LittleEndian.Uint64(p[progFileSize:]),
		Prot: protOf(binary.LittleEndian.Uint32(p[progFlags:])), Kept: binary.LittleEndian.Uint32(p) == typeKept,
	}
}

// typeKept is the p_type of a Segment that is Kept, one of those that are left to
// operating systems (PT_LOOS to PT_HIOS): "kept" in ASCII. Other tools pass it by.
const typeKept = 0x6b657074

func (s *Segment) programType() uint32 {
	if s.Kept {
		return typeKept
	}
	return uint32(elf.PT_LOAD)
}

// elfFlags are the p_flags of a protection: the same bits in another order.
func elfFlags(p Prot) uint32 {
	var f elf.ProgFlag
	if p&ProtRead != 0 {
		f |= elf.PF_R
	}
	if p&ProtWrite != 0 {
		f |= elf.PF_W
	}
	if p&ProtExec != 0 {
		f |= elf.PF_X
	}
	return uint32(f)
}

// protOf undoes elfFlags; bits it does not know are lost.
func protOf(flags uint32) Prot {
	var p Prot
	for q := Prot(1); q <= ProtExec; q <<= 1 {
		if flags&elfFlags(q) != 0 {
			p |= q
		}
	}
	return p
}

// appendLE appends a value of fixed size. It panics if the type has none: that
// is our own bug.
func appendLE(b []byte, v any) []byte {
	b, err := binary.Append(b, binary.LittleEndian, v)
	if err != nil {
		panic(err)
	}
	return b
}

// readError names what could not be read. A file that ends too early is
// damaged; any other error is the disk's.
func readError(what string, err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return corrupt("%s: file ends too early", what)
	}
	if errors.Is(err, seekable.ErrCorrupt) {
		return corrupt("%s: %w", what, err)
	}
	return fmt.Errorf("read %s: %w", what, err)
}

// MarkSize is how many bytes of a file tell whether it says that it is an image.
const MarkSize = versionAt

// Marked reports whether a file that begins with b says that it is an image.
func Marked(b []byte) bool {
	return len(b) >= MarkSize && string(b[:len(elf.ELFMAG)]) == elf.ELFMAG && string(b[markAt:MarkSize]) == mark
}
