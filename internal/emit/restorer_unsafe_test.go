package emit

import "unsafe"

func ptr(p *byte) uintptr    { return uintptr(unsafe.Pointer(p)) }
func ptrs(p []*byte) uintptr { return uintptr(unsafe.Pointer(&p[0])) }
