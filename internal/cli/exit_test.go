package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"ckpt/internal/image"
	"ckpt/internal/kind"
	"ckpt/internal/ptrace"
	"ckpt/internal/restore"
	"ckpt/internal/save"
)

func TestExitCodes(t *testing.T) {
	t.Parallel()
	wrap := func(err error) error { return fmt.Errorf("outer: %w", err) }
	for _, c := range []struct {
		err  error
		code int
	}{
		{errors.New("any"), exitError},
		{&usageError{errors.New("x"), "y"}, exitUsage},
		{statusError(exitWarnings), exitWarnings},
		{&save.RefusedError{Process: "p (1)", Obstacles: []save.Finding{{Object: "a"}}}, exitUnsupported},
		{image.ErrCorrupt, exitDamaged},
		{image.ErrNotImage, exitDamaged},
		{&image.VersionError{Have: 9, Want: 1}, exitIncompatible},
		{&image.ArchError{Have: "arm64", Want: "amd64"}, exitIncompatible},
		{&restore.HostError{Reason: "x"}, exitIncompatible},
		{&restore.RefusedError{Obstacles: []error{errors.New("x")}}, exitIncompatible},
		{save.ErrNoProcess, exitNotFound},
		{restore.ErrNoImage, exitNotFound},
		{&save.StoreError{Path: "x", Err: syscall.EACCES}, exitStore},
		{syscall.ENOSPC, exitStore},
		{&ptrace.TimeoutError{Tid: 1, State: "D"}, exitTimeout},
		{&save.StallError{}, exitTimeout},
		{context.Canceled, exitInterrupted},
	} {
		if got := exitCode(wrap(c.err), false); got != c.code {
			t.Errorf("%v: exit code %d, want %d", c.err, got, c.code)
		}
		want := exitRestore
		if c.code == exitUsage {
			want = exitUsage
		}
		if got := exitCode(wrap(c.err), true); got != want {
			t.Errorf("%v in a restore: exit code %d, want %d", c.err, got, want)
		}
	}
}

// TestExitCodesAreDocumented keeps the table for people complete.
func TestExitCodesAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/exit-codes.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range exitTable {
		if !strings.Contains(string(doc), fmt.Sprintf("| %d | %s", e.code, e.meaning)) {
			t.Errorf("docs/exit-codes.md does not have %d: %s", e.code, e.meaning)
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	refused := &save.RefusedError{Process: "java (4711)", Obstacles: []save.Finding{
		{Object: "fd 17 (io_uring)", Reason: "not supported", Advice: "close it"},
		{Object: "process", Reason: "has 3 threads"},
	}}
	missing := &restore.RefusedError{Obstacles: []error{
		&kind.UnsupportedError{Object: "fd 3 (/data/in)", Reason: "is gone", Advice: "put it back"},
		errors.New("something else"),
	}}
	for _, c := range []struct {
		err  error
		want string
	}{
		{statusError(3), ""},
		{errors.New("seize 3: not permitted"), "ckpt: seize 3: not permitted"},
		{errors.New("fd 3 (a\x1b[2Jb\nc): x"), `ckpt: fd 3 (a\x1b[2Jb; c): x`},
		{&save.StoreError{Path: "x", Err: syscall.ENOSPC}, "ckpt: write x: no space left on device\n" +
			"  try: free some space, or save to another file system with -o"},
		{refused, "ckpt: java (4711) can not be saved; it was left alone\n" +
			"  fd 17 (io_uring): not supported\n    try: close it\n  process: has 3 threads"},
		{missing, "ckpt: the image can not be restored here; nothing was started or changed\n" +
			"  fd 3 (/data/in): is gone\n    try: put it back\n  something else"},
		{&ptrace.SeizeError{Tid: 4, Reason: ptrace.Traced, Tracer: 9}, "ckpt: cannot trace 4: process 9 traces it already (a debugger or strace?)\n" +
			"  try: let the debugger detach"},
	} {
		if got := strings.Join(explain(c.err), "\n"); got != c.want {
			t.Errorf("%v:\n%s\nwant\n%s", c.err, got, c.want)
		}
	}
}
