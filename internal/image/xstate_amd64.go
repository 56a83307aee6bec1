package image

import (
	"encoding/binary"

	"ckpt/internal/sys"
)

// XSaveComponent says where one part of the extended state is in the raw XSAVE
// bytes of the threads.
type XSaveComponent struct {
	Feature uint32 `json:"feature"` // bit number in XCR0
	Offset  uint32 `json:"offset"`  // bytes
	Size    uint32 `json:"size"`
}

// The XSAVE area (Intel SDM volume 1, 13.4): the legacy region, whose spare
// bytes hold XCR0 in what the kernel hands out (USER_XSTATE_XCR0_WORD), and a
// header that begins with the bits of what is in use.
const (
	fxsaveSize   = 512
	fxsaveSpare  = 464
	xcr0At       = 464
	xstateBVAt   = 512
	xsaveMin     = 576
	xsaveMaximum = 1 << 20
)

// gdbLayout is where gdb looks for each component: Intel's offsets. gdb before
// 14 knows no others; later ones guess from the size of the note, and the
// sizes of xstateSize mean these offsets (i387_guess_xsave_layout in
// gdb/i387-tdep.c). Processors without MPX have everything behind AVX
// elsewhere, so the bytes are moved. What gdb does not know is left out.
var gdbLayout = []XSaveComponent{
	{Feature: 2, Offset: 576, Size: 256},   // AVX: upper halves of YMM
	{Feature: 3, Offset: 960, Size: 64},    // MPX bounds
	{Feature: 4, Offset: 1024, Size: 64},   // MPX configuration
	{Feature: 5, Offset: 1088, Size: 64},   // AVX-512 masks
	{Feature: 6, Offset: 1152, Size: 512},  // upper halves of ZMM0-15
	{Feature: 7, Offset: 1664, Size: 1024}, // ZMM16-31
	{Feature: 9, Offset: 2688, Size: 8},    // PKRU
}

// hostXSaveLayout is the layout of the raw XSAVE bytes on this processor.
func hostXSaveLayout() []XSaveComponent {
	var all []XSaveComponent
	for _, c := range sys.XSaveComponents() {
		all = append(all, XSaveComponent(c))
	}
	return all
}

// gdbXState makes the content of NT_X86_XSTATE from raw XSAVE bytes.
func gdbXState(raw []byte, layout []XSaveComponent) []byte {
	xcr0 := binary.LittleEndian.Uint64(raw[xcr0At:])
	out := make([]byte, xsaveMin, 2696)
	copy(out, raw)
	known := uint64(3) // x87 and SSE are in the legacy region
	for _, g := range gdbLayout {
		if xcr0&(1<<g.Feature) == 0 {
			continue
		}
		known |= 1 << g.Feature
		if end := int(g.Offset + g.Size); len(out) < end {
			out = append(out, make([]byte, end-len(out))...)
		}
		for _, c := range layout {
			if c.Feature == g.Feature && c.Size == g.Size && int(c.Offset+c.Size) <= len(raw) {
				copy(out[g.Offset:], raw[c.Offset:c.Offset+c.Size])
			}
		}
	}
	binary.LittleEndian.PutUint64(out[xcr0At:], xcr0&known)
	bv := binary.LittleEndian.Uint64(out[xstateBVAt:])
	binary.LittleEndian.PutUint64(out[xstateBVAt:], bv&known)
	return padXState(out, xcr0)
}

// padXState gives the note the size by which gdb recognises the layout; a
// processor with only a part of a group of components would miss it.
func padXState(b []byte, xcr0 uint64) []byte {
	size := xsaveMin
	switch {
	case xcr0&(1<<9) != 0:
		size = 2696
	case xcr0&0xe0 != 0:
		size = 2688
	case xcr0&0x18 != 0:
		size = 1088
	case xcr0&4 != 0:
		size = 832
	}
	if len(b) < size {
		b = append(b, make([]byte, size-len(b))...)
	}
	return b
}

// xsaveLayoutNote is the content of NT_X86_XSAVE_LAYOUT, an array of struct
// x86_xfeat_component (arch/x86/include/uapi/asm/elf.h): where each component
// is in the NT_X86_XSTATE notes beside it, which is where gdb wants it.
func xsaveLayoutNote(raw []byte) []byte {
	xcr0 := binary.LittleEndian.Uint64(raw[xcr0At:])
	var out []byte
	for _, g := range gdbLayout {
		if xcr0&(1<<g.Feature) == 0 {
			continue
		}
		for _, v := range [4]uint32{g.Feature, g.Size, g.Offset, 0} {
			out = binary.LittleEndian.AppendUint32(out, v)
		}
	}
	return out
}

// fpRegs is the content of NT_FPREGSET: the FXSAVE region without the spare
// bytes, as the kernel writes it.
func fpRegs(raw []byte) []byte {
	out := make([]byte, fxsaveSize)
	copy(out, raw[:fxsaveSpare])
	return out
}
