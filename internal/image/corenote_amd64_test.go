package image

import (
	"encoding/binary"
	"testing"

	"ckpt/internal/sys"
)

// TestSizes compares with the sizes of the kernel's structures, which other
// readers know a note by.
func TestSizes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		v    any
		want int
	}{{prstatus{}, 336}, {prpsinfo{}, 136}} {
		if got := binary.Size(c.v); got != c.want {
			t.Errorf("%T has %d bytes, want %d", c.v, got, c.want)
		}
	}
}

// TestHostXSaveLayout checks CPUID's answer: AVX is at the same place in every
// processor that has it, and no two components overlap.
func TestHostXSaveLayout(t *testing.T) {
	t.Parallel()
	all := sys.XSaveComponents()
	if len(all) == 0 {
		t.Skip("this processor has no extended state beyond SSE")
	}
	for i, c := range all {
		if c.Offset < xsaveMin || c.Size == 0 {
			t.Errorf("component %+v", c)
		}
		for _, d := range all[:i] {
			if c.Offset < d.Offset+d.Size && d.Offset < c.Offset+c.Size {
				t.Errorf("%+v overlaps %+v", c, d)
			}
		}
		if c.Feature == 2 && (c.Offset != 576 || c.Size != 256) {
			t.Errorf("AVX at %+v", c)
		}
	}
}

// TestXStateSizes checks the sizes by which gdb guesses the layout.
func TestXStateSizes(t *testing.T) {
	t.Parallel()
	for xcr0, want := range map[uint64]int{3: 576, 7: 832, 0x1f: 1088, 0xe7: 2688, 0x2e7: 2696, 0x602e7: 2696} {
		raw := make([]byte, 11008) // as with AMX
		binary.LittleEndian.PutUint64(raw[xcr0At:], xcr0)
		binary.LittleEndian.PutUint64(raw[xstateBVAt:], xcr0)
		got := gdbXState(raw, nil)
		bv := binary.LittleEndian.Uint64(got[xstateBVAt:])
		if len(got) != want || bv != xcr0&0x2ff {
			t.Errorf("XCR0 %#x: %d bytes with features %#x, want %d", xcr0, len(got), bv, want)
		}
	}
}
