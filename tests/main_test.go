// Package tests proves the checkpoint system from outside: real programs are
// started, saved with the real binaries, killed, restored, and asked whether
// anything is different.
//
// programs/ has one small C program (a probe) for each thing that has to
// survive; probe.h describes how a probe and this harness talk. A new probe is
// one new file there and nothing else. testdata/ has scenarios of the command
// line that read like a session in a terminal.
//
// The binaries are taken from the directory named by CKPT_BIN, or from ../bin
// ("make" builds them). Tests that need root skip without it and say so; as
// root the important ones run a second time as an ordinary user.
package tests

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// bound is how long anything may take that normally takes milliseconds: the
// machine may be busy, but nothing hangs.
const bound = 60 * time.Second

// nobody is the ordinary user that root's tests use.
const nobody = 65534

// base is a directory that every user can read, with a directory for each test.
var base string

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		// Most tests sleep most of the time.
		_ = f.Value.Set("8")
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	// Descriptors that whoever runs the tests has left open are not the
	// programs' business.
	if err = unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		fmt.Fprintln(os.Stderr, "close_range:", err)
		return 1
	}
	if err = adoptOrphans(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if base, err = os.MkdirTemp("", "ckpt-tests-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(base)
	if err := os.Chmod(base, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, dir := range []string{"programs", "run"} {
		if err := os.Mkdir(filepath.Join(base, dir), 0o755); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	// Now: a child that is just being started would have a file that is written later,
	// which nobody may execute then. What is missing is said by tests that need it.
	_, _ = binaries()
	return m.Run()
}

// isRoot reports whether the tests run as root.
func isRoot() bool { return os.Geteuid() == 0 }

// needRoot skips a test that only root can run.
func needRoot(t *testing.T) {
	t.Helper()
	if !isRoot() {
		t.Skip("only root can do this")
	}
}

// workDir makes a directory for one test, owned by the user uid. It is kept if
// the test fails and CKPT_KEEP is set.
func workDir(t *testing.T, uid int) string {
	t.Helper()
	dir, err := os.MkdirTemp(filepath.Join(base, "run"), "t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if uid != os.Geteuid() {
		if err := os.Chown(dir, uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if !t.Failed() || os.Getenv("CKPT_KEEP") == "" {
			os.RemoveAll(dir)
		}
	})
	return dir
}

// eventually waits until ok, asked again and again, and fails the test if it
// is not within the bound.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(bound); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain for %s", bound, what)
		}
	}
}
