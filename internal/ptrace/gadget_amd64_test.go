package ptrace_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"ckpt/internal/ptrace"
)

func TestFindGadgets(t *testing.T) {
	t.Parallel()
	code := make([]byte, 3<<20)
	// Across the border of two reads, and the way back in the last bytes.
	copy(code[1<<20-2:], "\x0f\x05\xc3")
	copy(code[len(code)-9:], "\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05")
	texts := []ptrace.Text{{Start: 0, End: uint64(len(code)), Path: "/bin/x"}}
	g, err := ptrace.FindGadgets(bytes.NewReader(code), texts)
	want := ptrace.Gadgets{Syscall: 1<<20 - 2, SyscallRet: 1<<20 - 2, RestoreRT: 3<<20 - 9}
	if err != nil || g != want {
		t.Errorf("%+v, %v; want %+v", g, err, want)
	}
	_, err = ptrace.FindGadgets(strings.NewReader("\x90\x90"), []ptrace.Text{{End: 2}})
	if !errors.Is(err, ptrace.ErrNoGadget) {
		t.Errorf("no gadgets: %v", err)
	}
	_, err = ptrace.FindGadgets(bytes.NewReader(nil), []ptrace.Text{{Start: 1 << 20, End: 1 << 40}, {Start: 5, End: 2}})
	if !errors.Is(err, ptrace.ErrNoGadget) {
		t.Errorf("unreadable areas: %v", err)
	}
}
