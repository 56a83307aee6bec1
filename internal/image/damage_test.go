package image

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// check is Open and Verify.
func check(path string) error {
	im, err := Open(path)
	if err != nil {
		return err
	}
	defer im.Close()
	return im.Verify(context.Background(), 1, nil)
}

// isFound tells whether err is what a damaged image should give.
func isFound(err error) bool {
	var version *VersionError
	var arch *ArchError
	return errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNotImage) || errors.As(err, &version) || errors.As(err, &arch)
}

// tiny writes an image of hardly more than what an image must have.
func tiny(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.ckpt")
	m := sample()
	p := &m.Processes[0]
	p.Threads = p.Threads[:1]
	p.Threads[0].XSave = p.Threads[0].XSave[:xsaveMin]
	clear(p.Threads[0].XSave[xcr0At : xcr0At+8])
	areas := []Area{{Start: 0x10000, End: 0x14000, Kind: Anonymous, File: -1}}
	w := begin(t, path, m, areas, []content{
		{Run{0x10000, 0x1000}, randomBytes(PageSize, 1)},
		{Run{0x11000, 0x1000}, make([]byte, PageSize)},
		{Run{0x12000, 0x1000}, randomBytes(PageSize, 2)},
	})
	if _, err := w.AddPayload(newPayload(randomBytes(30, 3)), 100, [][2]int64{{0, 30}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(m, CommitOptions{}); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEveryFlipIsFound(t *testing.T) {
	t.Parallel()
	t.Run("one process", func(t *testing.T) { t.Parallel(); flipEach(t, tiny(t)) })
	t.Run("family", func(t *testing.T) { t.Parallel(); flipEach(t, tinyFamily(t)) })
}

// flipEach flips a bit of each byte.
func flipEach(t *testing.T, path string) {
	t.Helper()
	if err := check(path); err != nil {
		t.Fatal(err)
	}
	im := open(t, path)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range b {
		write := func(c byte) {
			if _, err := f.WriteAt([]byte{c}, int64(i)); err != nil {
				t.Fatal(err)
			}
		}
		mask := byte(1) << (i % 8)
		write(b[i] ^ mask)
		// Memory is not read by Open, which takes most of the time.
		if at := uint64(i); at >= im.headers && at < im.placed.end {
			err = im.Verify(context.Background(), 1, nil)
		} else {
			err = check(path)
		}
		if !isFound(err) {
			t.Fatalf("byte %#x flipped by %#x: %v", i, mask, err)
		}
		write(b[i])
	}
	if err := check(path); err != nil {
		t.Fatal(err)
	}
}

func TestEveryTruncationIsFound(t *testing.T) {
	t.Parallel()
	t.Run("one process", func(t *testing.T) { t.Parallel(); cutEach(t, tiny(t)) })
	t.Run("family", func(t *testing.T) { t.Parallel(); cutEach(t, tinyFamily(t)) })
}

func cutEach(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	if err := check(path); !isFound(err) {
		t.Fatalf("a byte more: %v", err)
	}
	for n := info.Size() - 1; n >= 0; n-- {
		if err := f.Truncate(n); err != nil {
			t.Fatal(err)
		}
		if err := check(path); !isFound(err) {
			t.Fatalf("cut to %#x bytes: %v", n, err)
		}
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	t.Parallel()
	flip := func(at int64) error {
		path := small(t)
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var b [1]byte
		if _, err := f.ReadAt(b[:], at); err != nil {
			t.Fatal(err)
		}
		b[0] ^= 0x10
		if _, err := f.WriteAt(b[:], at); err != nil {
			t.Fatal(err)
		}
		return check(path)
	}
	for _, c := range []struct {
		at   int64
		want string
	}{
		{0x3800, "chunk 1, memory 0x10001000-0x10003000 of [heap] (0x10000000-0x10020000), file offset 0x3000: checksum"},
		{0x9001, "byte at file offset 0x9001 is not zero"}, // where zero pages were left out
		{0xc003, "payload, file offset 0xc000+0x14: checksum"},
		{0xd100, "seal"},
		{0x50, "headers"},
	} {
		if err := flip(c.at); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("flip at %#x: %v, want %q", c.at, err, c.want)
		}
	}
}

// reseal changes an image by f and gives it a seal that fits.
func reseal(t testing.TB, b []byte, f func(headers, notes []byte)) []byte {
	t.Helper()
	b = bytes.Clone(b)
	n := int(binary.LittleEndian.Uint16(b[56:]))
	headers := b[:headersEnd(n-1)]
	notes := b[binary.LittleEndian.Uint64(b[72:]):]
	notes = notes[:len(notes)-sealSize]
	f(headers, notes)
	copy(b[len(b)-sealSize:], sealNote(seal(headers, notes)))
	return b
}

// TestHostile changes what accident does not: the seal fits.
func TestHostile(t *testing.T) {
	t.Parallel()
	path := small(t)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put := func(b []byte, old, new string) {
		if len(old) != len(new) || !bytes.Contains(b, []byte(old)) {
			t.Fatalf("can not replace %q by %q", old, new)
		}
		copy(b[bytes.Index(b, []byte(old)):], new)
	}
	table := func(notes []byte) []byte {
		n := note{ownerCkpt, ckptChunks, nil}.append(nil)
		return notes[bytes.Index(notes, n[8:])+len(n)-8:]
	}
	tests := map[string]func(headers, notes []byte){
		"manifest key":      func(_, n []byte) { put(n, `"umask":`, `"umasq":`) },
		"key in capitals":   func(_, n []byte) { put(n, `"umask":`, `"UMASK":`) },
		"spaces":            func(_, n []byte) { put(n, `"umask":18,`, `"umask":2 ,`) },
		"area out of order": func(_, n []byte) { put(n, `"0x10020000"`, `"0x7fffffff"`) },
		"area of odd bytes": func(_, n []byte) { put(n, `"0x10020000"`, `"0x10020001"`) },
		"area moved":        func(_, n []byte) { put(n, `"0x10020000"`, `"0x10021000"`) },
		"area of unknown":   func(_, n []byte) { put(n, `"vvar"`, `"vvbr"`) },
		"file out of range": func(_, n []byte) { put(n, `"file":0`, `"file":1`) },
		"same descriptor":   func(_, n []byte) { put(n, `"fd":1`, `"fd":0`) },
		"leader":            func(_, n []byte) { put(n, `"tid":4711`, `"tid":4710`) },
		"pid in prstatus":   func(_, n []byte) { n[12+8+32]++ },
		"name of note":      func(_, n []byte) { n[13] = 'X' },
		"length of note":    func(_, n []byte) { copy(n, "\xff\xff\xff\xff\xff\xff\xff\xff") },
		"length of content": func(_, n []byte) { copy(n[4:], "\xff\xff\xff\xff") },
		"chunk overlaps":    func(_, n []byte) { copy(table(n)[chunkEntry:chunkEntry+8], table(n)) },
		"chunk too long":    func(_, n []byte) { table(n)[10] = 0xff },
		"chunk elsewhere":   func(_, n []byte) { table(n)[1] ^= 0x80 },
		"chunk in headers":  func(_, n []byte) { copy(table(n), "\x00\x00") },
		"chunk flags":       func(_, n []byte) { table(n)[12] = 2 },
		"chunk of payload":  func(_, n []byte) { table(n)[12] = 1 },
		"chunk that wraps": func(_, n []byte) {
			for i := range 8 {
				table(n)[i] = 0xff
			}
		},
		"flags of segment":    func(h, _ []byte) { h[ehdrSize+phdrSize+4] = 7 },
		"strange flags":       func(h, _ []byte) { h[ehdrSize+phdrSize+5] = 1 },
		"address of segment":  func(h, _ []byte) { h[ehdrSize+phdrSize+17] = 0x10 },
		"position of segment": func(h, _ []byte) { h[ehdrSize+3*phdrSize+9] = 0x20 },
		"size in the file": func(h, _ []byte) {
			binary.LittleEndian.PutUint64(h[ehdrSize+3*phdrSize+32:], 1<<63)
		},
		"size in memory": func(h, _ []byte) {
			binary.LittleEndian.PutUint64(h[ehdrSize+3*phdrSize+40:], 1<<64-4096)
		},
	}
	for name, f := range tests {
		if err := os.WriteFile(path, reseal(t, good, f), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); !errors.Is(err, ErrCorrupt) || strings.Contains(err.Error(), "seal") {
			t.Errorf("%s: %v", name, err)
		}
	}
	counts := map[string]func(b []byte){
		"no program headers":   func(b []byte) { copy(b[56:], "\x00\x00") },
		"many program headers": func(b []byte) { copy(b[56:], "\xfe\xff") },
		"PN_XNUM":              func(b []byte) { copy(b[56:], "\xff\xff") },
		"PN_XNUM of many": func(b []byte) {
			copy(b[56:], "\xff\xff")
			binary.LittleEndian.PutUint64(b[40:], 0x2000) // into random bytes
		},
		"notes before the file": func(b []byte) { binary.LittleEndian.PutUint64(b[72:], 0) },
		"notes behind the file": func(b []byte) { binary.LittleEndian.PutUint64(b[72:], 1<<63) },
	}
	for name, f := range counts {
		b := bytes.Clone(good)
		f(b)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	path := small(t)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	later := reseal(t, good, func(h, n []byte) {
		h[versionAt] = ManifestVersion + 1
		copy(n[bytes.Index(n, []byte(`"version":3`)):], `"version":4`)
		copy(n[bytes.Index(n, []byte(`"umask"`)):], `"novel"`)
	})
	if err := os.WriteFile(path, later, 0o600); err != nil {
		t.Fatal(err)
	}
	var v *VersionError
	if _, err := Open(path); !errors.As(err, &v) || v.Have != ManifestVersion+1 || v.Want != ManifestVersion || !strings.Contains(err.Error(), "of a later version") {
		t.Errorf("a later version: %v", err)
	}
	if err := os.WriteFile(path, reseal(t, good, func(h, _ []byte) { h[versionAt] = 1 }), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); !errors.As(err, &v) || v.Have != 1 || !strings.Contains(err.Error(), "of an older version") {
		t.Errorf("version 1: %v", err)
	}
}

func TestNotAnImage(t *testing.T) {
	t.Parallel()
	path := small(t)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	core := bytes.Clone(good)
	copy(core[markAt:], make([]byte, 5))
	program := bytes.Clone(core)
	program[16] = 2
	for want, b := range map[string][]byte{
		"too short":       nil,
		"not an ELF file": []byte(strings.Repeat("hello", 100)),
		"plain core file": core,
		"of type ET_EXEC": program,
	} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); !errors.Is(err, ErrNotImage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, ErrNotImage) {
		t.Errorf("directory: %v", err)
	}
	if _, err := Open(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	arm := bytes.Clone(good)
	arm[18] = 183
	if err := os.WriteFile(path, arm, 0o600); err != nil {
		t.Fatal(err)
	}
	var a *ArchError
	if _, err := Open(path); !errors.As(err, &a) || a.Have != "EM_AARCH64" {
		t.Errorf("arm64: %v", err)
	}
}
