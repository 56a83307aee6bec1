package tests

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ckpt/internal/image"
)

// goodImage saves a small program and returns the bytes of its image.
func goodImage(t *testing.T) []byte {
	t.Helper()
	dir := workDir(t, os.Geteuid())
	saveFault(t, dir, "nothing")
	b, err := os.ReadFile(filepath.Join(dir, "myckpt"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBadImages: what is not a whole, unchanged image is refused by every
// command that reads one, by name and with its exit code.
func TestBadImages(t *testing.T) {
	t.Parallel()
	good := goodImage(t)
	flip := func(at int) []byte {
		b := bytes.Clone(good)
		b[at] ^= 0x10
		return b
	}
	zeroTail := bytes.Clone(good)
	clear(zeroTail[len(good)/2:])
	for name, content := range map[string][]byte{
		"empty":           {},
		"text":            []byte("#!/bin/sh\necho hello\n"),
		"zeros":           make([]byte, 100000),
		"header only":     good[:64],
		"half":            good[:len(good)/2],
		"one byte short":  good[:len(good)-1],
		"one byte longer": append(bytes.Clone(good), 0),
		"zero tail":       zeroTail,
		"magic":           flip(0),
		"first note":      flip(len(good) / 100),
		"last byte":       flip(len(good) - 1),
		"middle":          flip(len(good) / 2),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := workDir(t, os.Geteuid())
			if err := os.WriteFile(filepath.Join(dir, "bad image"), content, 0o600); err != nil {
				t.Fatal(err)
			}
			ckpt(t, dir, os.Geteuid(), "verify", "bad image").want(t, exitDamaged, "bad image")
			ckpt(t, dir, os.Geteuid(), "restore", "bad image").want(t, exitRestore, "bad image")
			// show and plan do not read the memory; they must not crash.
			for _, command := range []string{"show", "plan"} {
				if r := ckpt(t, dir, os.Geteuid(), command, "bad image"); r.code != exitOK {
					r.want(t, exitDamaged, "bad image")
				}
			}
		})
	}
}

// TestFlippedBits: wherever a bit is another one, restore finds out before the
// program runs its first instruction, and says where.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	good := goodImage(t)
	const places = 32
	for i := range places {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			dir := workDir(t, os.Geteuid())
			b := bytes.Clone(good)
			b[(2*i+1)*len(b)/(2*places)] ^= 1 << (i % 8)
			if err := os.WriteFile(filepath.Join(dir, "myckpt"), b, 0o600); err != nil {
				t.Fatal(err)
			}
			r := ckpt(t, dir, os.Geteuid(), "restore", "myckpt")
			r.want(t, exitRestore, "myckpt: damaged image: ")
			if r.stdout != "" {
				t.Errorf("the program has run: %q", r.stdout)
			}
		})
	}
}

// TestExecutableIsNoImage: an ELF file that is no checkpoint is refused.
func TestExecutableIsNoImage(t *testing.T) {
	t.Parallel()
	dir, program := workDir(t, os.Geteuid()), target(t, "counter")
	for _, command := range []string{"verify", "show", "plan"} {
		ckpt(t, dir, os.Geteuid(), command, program).want(t, exitDamaged, program)
	}
	ckpt(t, dir, os.Geteuid(), "restore", program).want(t, exitRestore, program)
}

// TestOtherMachine: an image of another kind of machine is called that.
func TestOtherMachine(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	b := goodImage(t)
	b[18] = 183 // e_machine: EM_AARCH64
	if err := os.WriteFile(filepath.Join(dir, "myckpt"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"verify", "show", "plan"} {
		ckpt(t, dir, os.Geteuid(), command, "myckpt").want(t, exitIncompatible, "myckpt", "AARCH64")
	}
	ckpt(t, dir, os.Geteuid(), "restore", "myckpt").want(t, exitRestore, "myckpt", "AARCH64")
}

// versionAt is where the ELF header tells the version, see docs/image-format.md.
const versionAt = 13

// TestNewerImage: an image of a later version says so; it is not called damaged.
func TestNewerImage(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	b := goodImage(t)
	b[versionAt] = 99
	if err := os.WriteFile(filepath.Join(dir, "myckpt"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"verify", "show", "plan"} {
		ckpt(t, dir, os.Geteuid(), command, "myckpt").want(t, exitIncompatible, "myckpt", "format 99", "later version")
	}
	ckpt(t, dir, os.Geteuid(), "restore", "myckpt").want(t, exitRestore, "myckpt", "format 99", "later version")
}

// xeonPhi is a feature that only Xeon Phi processors have.
const xeonPhi = "avx512er"

// TestLesserProcessor: an image from a processor that has what this one has not is
// refused by the name of that.
func TestLesserProcessor(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	if err := os.WriteFile(filepath.Join(dir, "myckpt"), goodImage(t), 0o600); err != nil {
		t.Fatal(err)
	}
	rewriteImage(t, dir, func(m *image.Manifest, _ func(*image.Area) []byte) {
		m.Host.CPU.Features = append(slices.Clone(m.Host.CPU.Features), xeonPhi)
	})
	ckpt(t, dir, os.Geteuid(), "verify", "myckpt").want(t, exitOK)
	ckpt(t, dir, os.Geteuid(), "plan", "myckpt").want(t, exitIncompatible, xeonPhi)
	r := ckpt(t, dir, os.Geteuid(), "restore", "myckpt")
	r.want(t, exitRestore, xeonPhi, "which this one")
	if r.stdout != "" {
		t.Errorf("the program has run: %q", r.stdout)
	}
}

// TestMissingImage: no such file, a directory, and one that may not be read.
func TestMissingImage(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	for _, command := range []string{"verify", "show", "plan"} {
		ckpt(t, dir, os.Geteuid(), command, "none").want(t, exitNotFound, "none")
	}
	ckpt(t, dir, os.Geteuid(), "restore", "none").want(t, exitRestore, "none")
	ckpt(t, dir, os.Geteuid(), "restore", dir).want(t, exitRestore, dir)
	if isRoot() {
		if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		ckpt(t, dir, nobody, "restore", "secret").want(t, exitRestore, "secret", "permission denied")
	}
}

// TestImageMode: an image is its owner's only, whatever the umask, and also
// when it replaces a file that everyone could read.
func TestImageMode(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	writeFile(t, dir, "myckpt", "an older one")
	saveFault(t, dir, "nothing")
	st, err := os.Stat(filepath.Join(dir, "myckpt"))
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
}
