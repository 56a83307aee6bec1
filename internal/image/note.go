package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"math"
)

// Owners of notes. Readers go by them: gdb ignores an NT_X86_XSTATE that is
// not LINUX's.
const (
	ownerCore  = "CORE"
	ownerLinux = "LINUX"
	ownerCkpt  = "CKPT"
)

// Types of notes, see include/uapi/linux/elf.h.
const (
	ntPrstatus    = uint32(elf.NT_PRSTATUS)
	ntFPRegset    = uint32(elf.NT_FPREGSET)
	ntPrpsinfo    = uint32(elf.NT_PRPSINFO)
	ntAuxv        = 6
	ntSiginfo     = 0x53494749
	ntFile        = 0x46494c45
	ntXState      = 0x202
	ntXSaveLayout = 0x205
)

// Types of our own notes. Their numbers are fixed by docs/image-format.md.
// They are not small because libbfd, and so gdb, takes a note of type 2 for
// floating point registers whoever owns it.
const (
	ckptManifest = 0x434b5001 + iota // the Manifest in JSON
	ckptXSave                        // raw XSAVE bytes of a thread, in the order of the threads
	ckptChunks                       // the chunk table
	ckptSeal                         // the last note: checksums of headers and notes
	ckptParts                        // where headers and notes of the others are
)

// noteAlign is the alignment of name and content in a note, in bytes.
const noteAlign = 4

// noteHeader is the size of the three words in front of a note's name.
const noteHeader = 12

// maxNotes bounds a notes segment: the table of 32 TB in chunks of 1 MiB needs
// 768 MiB.
const maxNotes = math.MaxInt32

// note is one note of the PT_NOTE segment.
type note struct {
	owner string
	kind  uint32
	desc  []byte
}

// append encodes the note.
func (n note) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(n.owner)+1))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(n.desc)))
	b = binary.LittleEndian.AppendUint32(b, n.kind)
	b = append(b, n.owner...)
	b = pad4(append(b, 0))
	return pad4(append(b, n.desc...))
}

// cut takes the note off b if b begins with just what append makes of it.
func (n note) cut(b []byte) (rest []byte, err error) {
	head := note{owner: n.owner, kind: n.kind}.append(nil)
	binary.LittleEndian.PutUint32(head[4:], uint32(len(n.desc)))
	for _, part := range [][]byte{head, n.desc, make([]byte, -len(n.desc)&(noteAlign-1))} {
		if !bytes.HasPrefix(b, part) {
			return nil, corrupt("%v is not as it was written", n)
		}
		b = b[len(part):]
	}
	return b, nil
}

func pad4(b []byte) []byte {
	for len(b)%noteAlign != 0 {
		b = append(b, 0)
	}
	return b
}

// nextNote takes the first note off b. Its content shares memory with b.
func nextNote(b []byte) (n note, rest []byte, err error) {
	if len(b) < noteHeader {
		return n, nil, corrupt("note header of %d bytes", len(b))
	}
	nameLen := uint64(binary.LittleEndian.Uint32(b))
	descLen := uint64(binary.LittleEndian.Uint32(b[4:]))
	n.kind = binary.LittleEndian.Uint32(b[8:])
	descAt := noteHeader + (nameLen+noteAlign-1)&^(noteAlign-1)
	end := descAt + (descLen+noteAlign-1)&^(noteAlign-1)
	if nameLen == 0 || end > uint64(len(b)) {
		return n, nil, corrupt("note of type %#x with lengths %d and %d in %d bytes", n.kind, nameLen, descLen, len(b))
	}
	n.owner = string(b[noteHeader : noteHeader+nameLen-1])
	n.desc = b[descAt : descAt+descLen]
	return n, b[end:], nil
}

func (n note) String() string { return fmt.Sprintf("%s note %#x", n.owner, n.kind) }
