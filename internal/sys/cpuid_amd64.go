package sys

// cpuid runs the CPUID instruction.
func cpuid(leaf, sub uint32) (eax, ebx, ecx, edx uint32)

// XSaveComponent says where one part of the extended state is in an XSAVE
// area of the standard format.
type XSaveComponent struct {
	Feature      uint32 // bit number in XCR0
	Offset, Size uint32 // bytes
}

// XSaveComponents returns this processor's layout of the XSAVE area behind
// the legacy region and header: CPUID leaf 0xD, sub-leaves 2 and up (Intel SDM
// volume 1, 13.2). Processors differ: AMD has no gap where Intel had MPX.
// Components that only the kernel uses (ECX bit 0) are left out; they have no
// place in the standard format.
func XSaveComponents() []XSaveComponent {
	const leaf = 0xd
	if highest, _, _, _ := cpuid(0, 0); highest < leaf {
		return nil
	}
	low, _, _, high := cpuid(leaf, 0)
	features := uint64(high)<<32 | uint64(low)
	var all []XSaveComponent
	for i := uint32(2); i < 63; i++ {
		if features&(1<<i) == 0 {
			continue
		}
		size, offset, flags, _ := cpuid(leaf, i)
		if size != 0 && flags&1 == 0 {
			all = append(all, XSaveComponent{Feature: i, Offset: offset, Size: size})
		}
	}
	return all
}
