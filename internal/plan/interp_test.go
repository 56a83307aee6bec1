package plan

import (
	"bytes"
	"testing"

	"golang.org/x/arch/x86/x86asm"
)

// TestCodeIsSelfContained disassembles the interpreter: copied anywhere, it
// must refer to nothing but itself, its block and what the plan tells it.
func TestCodeIsSelfContained(t *testing.T) {
	t.Parallel()
	code := code()
	// The secret of the checksum is no code, and the last thing.
	secret := bytes.Index(code, []byte{0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe})
	if secret < 0 || len(bytes.TrimRight(code, "\xcc")) != secret+192 {
		t.Fatal("the secret is not where it is expected")
	}
	size := int64(len(code))
	code = code[:secret]
	if len(code) == 0 || len(code) > pageSize {
		t.Fatalf("%d bytes of code do not fit the page", len(code))
	}
	inside := func(at, target int64) {
		if target < 0 || target >= size {
			t.Errorf("at %#x: refers to %#x, outside of the code of %#x bytes", at, target, size)
		}
	}
	calls := 0
	for at := 0; at < len(code); {
		if code[at] == 0xcc { // the linker's padding between functions
			at++
			continue
		}
		inst, err := x86asm.Decode(code[at:], 64)
		if err != nil {
			t.Fatalf("at %#x: %v", at, err)
		}
		next := int64(at + inst.Len)
		for _, arg := range inst.Args {
			switch arg := arg.(type) {
			case x86asm.Rel:
				inside(int64(at), next+int64(arg))
			case x86asm.Mem:
				switch {
				case arg.Base == x86asm.RIP:
					inside(int64(at), next+int64(int32(arg.Disp)))
				case arg.Base == 0, arg.Segment != 0 && arg.Segment != x86asm.ES && arg.Segment != x86asm.DS:
					t.Errorf("at %#x: %v uses an absolute address or FS or GS", at, inst)
				}
			}
		}
		switch inst.Op {
		case x86asm.PUSH, x86asm.POP, x86asm.CALL, x86asm.RET, x86asm.ENTER, x86asm.LEAVE:
			t.Errorf("at %#x: %v needs a stack", at, inst)
		case x86asm.SYSCALL:
			calls++
		}
		at += inst.Len
	}
	if calls < 5 {
		t.Errorf("only %d system calls in the code: is it all there?", calls)
	}
}

// TestSigreturnIsATrampoline compares with the bytes that gdb looks for
// (amd64_linux_sigtramp_start in gdb/amd64-linux-tdep.c).
func TestSigreturnIsATrampoline(t *testing.T) {
	t.Parallel()
	want := []byte{0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05}
	if got := code()[sigreturnOffset():]; !bytes.HasPrefix(got, want) {
		t.Errorf("%x, want %x", got[:len(want)], want)
	}
}

func TestLayoutHasNoOverlaps(t *testing.T) {
	t.Parallel()
	if hdrEnd != DataOffset || DataOffset%64 != 0 {
		t.Errorf("the header ends at %#x, data begins at %#x", hdrEnd, DataOffset)
	}
	if hdrParkText+textRefSize > hdrSlots {
		t.Error("the header runs into the slots")
	}
	if recImms+6*8 != recText || recText+textRefSize != recordSize {
		t.Error("the record's fields do not follow each other")
	}
	longest := max(len(notAnError), len(wrongSum)) + 16
	for n := range numTexts {
		longest = max(longest, len(errorText(n)))
	}
	if need := len("ckpt: ") + max(MaxWhat, len(parkText)) + len(": ") + longest + len("\n"); need > messageSize {
		t.Errorf("a message can have %d bytes, the buffer has %d", need, messageSize)
	}
}
