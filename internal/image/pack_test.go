package image

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"ckpt/internal/seekable"
)

// packed writes an image of these areas and contents, compressed. What later
// says is read when it is compressed.
func packed(t testing.TB, path string, m *Manifest, areas []Area, mem []content, later func(i int) bool) Stats {
	t.Helper()
	w, err := Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Abort)
	if err := w.CompressWith(1); err != nil {
		t.Fatal(err)
	}
	m.Processes[0].Areas = areas
	var runs []Run
	for _, c := range mem {
		runs = append(runs, c.run)
	}
	if err := w.Layout(one(areas, runs)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.AddPayload(newPayload(randomBytes(100, 3)), 100, [][2]int64{{10, 20}, {50, 13}}); err != nil {
		t.Fatal(err)
	}
	for i, c := range mem {
		if later(i) {
			err = w.Process(0).Later([]Run{c.run}, func(p []byte, addr uint64) (int, error) {
				return copy(p, c.bytes[addr-c.run.Start:]), nil
			})
		} else {
			err = w.Process(0).WriteMemory(c.run.Start, c.bytes)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := w.Commit(m, CommitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// plain makes a plain image of a compressed one, by zstd.
func plain(t testing.TB, path string) string {
	t.Helper()
	to := path + ".plain"
	if out, err := exec.Command("zstd", "-q", "-f", "-d", path, "-o", to).CombinedOutput(); err != nil {
		t.Fatalf("zstd: %v\n%s", err, out)
	}
	return to
}

// TestPackedIsPlain: zstd makes of a compressed image the very one that would
// have been written without compression.
func TestPackedIsPlain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "packed")
	stats := packed(t, path, sample(), smallAreas(), smallMemory(), func(int) bool { return false })
	want, err := os.ReadFile(small(t))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(plain(t, path))
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes instead of %d, or others; %v", len(got), len(want), err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() != stats.Size || stats.Raw != int64(len(want)) || info.Mode() != 0o600 {
		t.Errorf("%v, mode %v, stats %+v, error %v", info.Size(), info.Mode(), stats, err)
	}
	if im := open(t, path); im.Stats().Size != stats.Size || im.Stats().Raw != stats.Raw || im.File() != nil || !im.Compressed() {
		t.Errorf("stats %+v, want %+v", im.Stats(), stats)
	}
	if all := files(t, path); !slices.Equal(all, []string{"packed", "packed.plain"}) {
		t.Errorf("files are left: %q", all)
	}
}

// TestPackedMemory: whatever is given early or late, the image has it, and says
// the same as the plain one that zstd makes of it.
func TestPackedMemory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		path := filepath.Join(t.TempDir(), "packed")
		var areas []Area
		var mem []content
		at := uint64(0x10000000)
		for i := range rapid.IntRange(1, 5).Draw(rt, "areas") {
			a := Area{Start: Addr(at), Prot: ProtRead, Kind: Anonymous, File: -1}
			if rapid.Bool().Draw(rt, "file") {
				a.Kind, a.File = PrivateFile, 0
			}
			for range rapid.IntRange(0, 4).Draw(rt, "runs") {
				at += PageSize * rapid.Uint64Range(0, 100).Draw(rt, "gap")
				n := PageSize * rapid.IntRange(1, 90).Draw(rt, "pages")
				b := bytes.Repeat([]byte(fmt.Sprint("area ", i, ", ")), n)[:n]
				for p := 0; p < n; p += PageSize {
					switch rapid.IntRange(0, 9).Draw(rt, "page") {
					case 0:
						clear(b[p : p+PageSize])
					case 1:
						copy(b[p:], randomBytes(PageSize, uint64(p)))
					}
				}
				mem = append(mem, content{Run{at, uint64(n)}, b})
				at += uint64(n)
			}
			at += PageSize
			a.End = Addr(at)
			areas = append(areas, a)
		}
		early := rapid.SliceOfN(rapid.Bool(), len(mem), len(mem)).Draw(rt, "early")
		packed(t, path, sample(), areas, mem, func(i int) bool { return !early[i] })
		for _, p := range []string{path, plain(t, path)} {
			im := open(t, p)
			if err := im.Verify(t.Context(), 2, nil); err != nil {
				rt.Fatal(p, err)
			}
			for _, c := range mem {
				b := make([]byte, len(c.bytes))
				if err := im.Space(0).ReadMemory(c.run.Start, b); err != nil || !bytes.Equal(b, c.bytes) {
					rt.Fatalf("%s: memory at %#x is not what was given, %v", p, c.run.Start, err)
				}
			}
		}
	})
}

// TestPackedShort: what has no content is not in the image.
func TestPackedShort(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "packed")
	area := Area{Start: 0x10000, End: 0x18000, Kind: PrivateFile, File: 0}
	w, err := Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	m := sample()
	m.Processes[0].Areas = []Area{area}
	if err := errors.Join(w.CompressWith(3), w.Layout(one([]Area{area}, []Run{{0x10000, 0x8000}}))); err != nil {
		t.Fatal(err)
	}
	err = w.Process(0).Later([]Run{{0x10000, 0x8000}}, func(p []byte, addr uint64) (int, error) {
		for i := range p {
			p[i] = 1
		}
		return 0x3000, nil
	})
	if err == nil {
		_, err = w.Commit(m, CommitOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	pieces := open(t, path).Space(0).AppendPieces(nil, 0x10000, 0x18000)
	if len(pieces) != 1 || pieces[0].Addr != 0x10000 || pieces[0].Len != 0x3000 {
		t.Errorf("pieces %+v", pieces)
	}
	if err := check(path); err != nil {
		t.Error(err)
	}
}

// TestPackedErrors: an error of whoever gives the memory is told as it is, and
// nothing is left behind.
func TestPackedErrors(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "packed")
	w, err := Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	area := Area{Start: 0x10000, End: 0x18000, Kind: Anonymous, File: -1}
	runs := []Run{{0x10000, 0x8000}}
	if err := errors.Join(w.CompressWith(1), w.Layout(one([]Area{area}, runs))); err != nil {
		t.Fatal(err)
	}
	if err := w.CompressWith(1); err == nil {
		t.Error("it was laid out already")
	}
	if err := w.Process(0).Later([]Run{{0x18000, 0x1000}}, nil); err == nil {
		t.Error("memory in no run was taken")
	}
	boom := errors.New("boom")
	err = w.Process(0).Later(runs, func([]byte, uint64) (int, error) { return 0, boom })
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Compress(t.Context(), nil); !errors.Is(err, boom) {
		t.Error(err)
	}
	w.Abort()
	if all := files(t, path); len(all) > 0 {
		t.Errorf("files are left: %q", all)
	}
}

// TestPackedTooLarge: a disk that is sure to be too small is found out at once.
func TestPackedTooLarge(t *testing.T) {
	t.Parallel()
	w, err := Create(t.Context(), filepath.Join(t.TempDir(), "packed"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	const size = 1 << 54
	area := Area{Start: 0x10000, End: 0x10000 + size, Kind: Anonymous, File: -1}
	err = errors.Join(w.CompressWith(1), w.Layout(one([]Area{area}, []Run{{0x10000, size}})))
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "estimated") {
		t.Error(err)
	}
}

// TestPackedFlips: every flipped bit and every missing end of a compressed image
// is found.
func TestPackedFlips(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "packed")
	m := sample()
	packed(t, path, m, smallAreas(), smallMemory(), func(i int) bool { return i == 1 })
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(b []byte) error {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return check(path)
	}
	for at := 0; at < len(whole); at += 31 {
		b := bytes.Clone(whole)
		b[at] ^= 1 << (at % 8)
		if err := try(b); !isFound(err) {
			t.Fatalf("flip at %d of %d: %v", at, len(whole), err)
		}
		if err := try(whole[:at]); !isFound(err) {
			t.Fatalf("cut at %d of %d: %v", at, len(whole), err)
		}
	}
	if err := try(append(bytes.Clone(whole), 0)); !isFound(err) {
		t.Errorf("longer: %v", err)
	}
	if err := try(whole); err != nil {
		t.Error(err)
	}
}

// repack puts the content of an image into the compressed format, whatever it is.
func repack(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "repacked")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := seekable.NewWriter(f, 0, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(len(content))
	frames := seekable.Cut(nil, 0, size, func(yield func(off, n int64) bool) { yield(0, size) })
	err = w.Add(t.Context(), frames, func(p []byte, off int64) error { copy(p, content[off:]); return nil })
	if err == nil {
		_, err = w.Finish()
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPackedBudget: notes that are far longer than the file are refused before
// anything is allocated for them.
func TestPackedBudget(t *testing.T) {
	t.Parallel()
	path := tiny(t)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := check(repack(t, b)); err != nil {
		t.Fatal(err)
	}
	im := open(t, path)
	segs, notes := im.Space(0).Segments(), im.notes
	const more = 32 << 20
	notes.len += more
	b = append(b, make([]byte, more)...)
	copy(b, encodeHeaders(segs, notes, ManifestVersion))
	if err := check(repack(t, b)); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "too long for a file of") {
		t.Error(err)
	}
}

// TestPackedByOthers: what zstd has compressed is no image, with a hint.
func TestPackedByOthers(t *testing.T) {
	t.Parallel()
	path := small(t)
	if out, err := exec.Command("zstd", "-q", path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := check(path + ".zst"); !errors.Is(err, ErrNotImage) || !strings.Contains(err.Error(), "zstd -d") {
		t.Error(err)
	}
}

// FuzzOpenPacked is FuzzOpen for contents that are compressed.
func FuzzOpenPacked(f *testing.F) {
	for _, path := range []string{tiny(f), tinyFamily(f)} {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := check(repack(t, fitSeal(b))); err != nil && !isFound(err) {
			t.Fatalf("error of no kind: %v", err)
		}
	})
}
