package emit

import "encoding/binary"

// Call frame information for the functions that a thread can be found in when
// its process is looked at from outside: where the handler waits for the
// engine, in wait4, the image has these frames.
// gdb finds its way by prologue and name; eu-stack, perf and the unwinder of
// libgcc need this. Formats: DWARF 4 §6.4 and the LSB's .eh_frame chapter.
const (
	dwCFAAdvanceLoc       = 0x40 // | delta
	dwCFAOffset           = 0x80 // | register
	dwCFADefCFA           = 0x0c
	dwCFADefCFARegister   = 0x0d
	dwCFADefCFAOffset     = 0x0e
	dwCFADefCFAExpression = 0x0f
	dwCFAExpression       = 0x10
	dwOpDeref             = 0x06
	dwOpBregRSP           = 0x77
	dwRegRBP              = 6
	dwRegRSP              = 7
	dwRegRA               = 16
	dwEhPcrelSdata4       = 0x1b
	dwEhUdata4            = 0x03
	dwEhDatarelSdata4     = 0x3b
)

// agentUnwound are the functions that have call frame information, in the
// order of their addresses.
var agentUnwound = []struct {
	name string
	ops  []byte
}{
	{"ckpt_init", agentFramed},
	{"ckpt_handler", agentFramed},
	{"ckpt_ptracer", nil},
	{"__restore_rt", agentSigframe()},
}

// agentEhHdrSize is the size of .eh_frame_hdr: one table row per function.
const agentEhHdrSize = 12 + 8*4

// agentFramed describes push rbp (1 byte); mov rsp, rbp (3 bytes).
var agentFramed = []byte{
	dwCFAAdvanceLoc | 1, dwCFADefCFAOffset, 16, dwCFAOffset | dwRegRBP, 2,
	dwCFAAdvanceLoc | 3, dwCFADefCFARegister, dwRegRBP,
}

// agentSigframe says where the registers are at __restore_rt: rsp points to
// the ucontext, whose sigcontext (arch/x86/include/uapi/asm/sigcontext.h)
// begins at 40.
func agentSigframe() []byte {
	sleb := func(n int) []byte { return []byte{byte(n&0x7f | 0x80), byte(n >> 7)} }
	breg := func(off int) []byte { return append([]byte{dwOpBregRSP}, sleb(off)...) }
	expr := append(breg(40+15*8), dwOpDeref)
	ops := append([]byte{dwCFADefCFAExpression, byte(len(expr))}, expr...)
	// The order in struct sigcontext, in DWARF's numbers: r8 to r15, rdi, rsi,
	// rbp, rbx, rdx, rax, rcx, rsp, rip.
	for i, reg := range []byte{8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, dwRegRSP, dwRegRA} {
		expr := breg(40 + i*8)
		ops = append(append(ops, dwCFAExpression, reg, byte(len(expr))), expr...)
	}
	return ops
}

// agentEhFrame gives .eh_frame at address ehAddr and .eh_frame_hdr at hdrAddr.
func agentEhFrame(ehAddr, hdrAddr uint64, funcs []agentFunc) (eh, hdr []byte) {
	addrOf := make(map[string]agentFunc, len(funcs))
	for _, f := range funcs {
		addrOf[f.name] = f
	}
	le := binary.LittleEndian
	record := func(id uint32, body []byte) {
		for (len(body)+4)%8 != 4 {
			body = append(body, 0) // DW_CFA_nop
		}
		eh = le.AppendUint32(eh, uint32(len(body)+4))
		eh = le.AppendUint32(eh, id)
		eh = append(eh, body...)
	}
	cie := func(augmentation string) (at int) {
		at = len(eh)
		body := append([]byte{1}, augmentation...)
		// NUL; code factor 1; data factor -8; return address; 1 byte of augmentation
		body = append(body, 0, 1, 0x78, dwRegRA, 1, dwEhPcrelSdata4)
		record(0, append(body, dwCFADefCFA, dwRegRSP, 8, dwCFAOffset|dwRegRA, 1))
		return at
	}
	plain, signal := cie("zR"), cie("zRS")

	hdr = []byte{1, dwEhPcrelSdata4, dwEhUdata4, dwEhDatarelSdata4}
	hdr = le.AppendUint32(hdr, uint32(ehAddr-hdrAddr-4))
	hdr = le.AppendUint32(hdr, uint32(len(agentUnwound)))
	for _, u := range agentUnwound {
		f, cieAt := addrOf[u.name], plain
		start, size := agentTextAddr+f.addr, f.size
		switch u.name {
		case "ckpt_ptracer":
			size-- // the byte of padding that goes to __restore_rt
		case "__restore_rt":
			// Unwinders look up the byte before a return address, and nobody
			// called this function: it begins a byte early, as glibc's does.
			start, size, cieAt = start-1, size+1, signal
		}
		at := uint64(len(eh))
		body := le.AppendUint32(nil, uint32(start-(ehAddr+at+8)))
		body = le.AppendUint32(body, uint32(size))
		body = append(body, 0) // no augmentation data
		record(uint32(len(eh)+4-cieAt), append(body, u.ops...))
		hdr = le.AppendUint32(hdr, uint32(start-hdrAddr))
		hdr = le.AppendUint32(hdr, uint32(ehAddr+at-hdrAddr))
	}
	return le.AppendUint32(eh, 0), hdr
}
