package image

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func newPayload(b []byte) io.ReaderAt { return bytes.NewReader(b) }

// drawAreas draws areas with runs in them.
func drawAreas(t *rapid.T) ([]Area, []content) {
	kinds := []AreaKind{Anonymous, PrivateFile, SharedFile, SharedAnonymous, VDSO, VVar}
	var areas []Area
	var mem []content
	at := uint64(0x10000)
	for range rapid.IntRange(0, 6).Draw(t, "areas") {
		at += PageSize * rapid.Uint64Range(0, 3).Draw(t, "hole")
		a := Area{
			Start: Addr(at), Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), File: -1,
			Prot: Prot(rapid.IntRange(0, 7).Draw(t, "prot")), Whole: rapid.Bool().Draw(t, "whole"),
			Name: string(rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "name")),
		}
		for range rapid.IntRange(0, 4).Draw(t, "runs") {
			at += PageSize * rapid.SampledFrom([]uint64{0, 1, 2, 63, 64, 65}).Draw(t, "gap")
			if a.Kind == VVar {
				continue
			}
			n := PageSize * rapid.IntRange(1, 9).Draw(t, "pages")
			mem = append(mem, content{Run{at, uint64(n)}, drawMemory(t, n)})
			at += uint64(n)
		}
		at += PageSize * rapid.SampledFrom([]uint64{1, 2, 100}).Draw(t, "tail")
		a.End = Addr(at)
		areas = append(areas, a)
	}
	return areas, mem
}

// drawMemory draws n bytes with zero pages here and there.
func drawMemory(t *rapid.T, n int) []byte {
	b := randomBytes(n, rapid.Uint64().Draw(t, "seed"))
	for i := 0; i < n; i += PageSize {
		if rapid.Bool().Draw(t, "zero") {
			clear(b[i : i+PageSize])
		}
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		path := filepath.Join(dir, "image")
		m := sample()
		areas, mem := drawAreas(rt)
		payload := rapid.SliceOfN(rapid.Byte(), 0, 3*PageSize).Draw(rt, "payload")

		w := begin(t, path, m, areas, mem)
		defer w.Abort()
		ref, err := w.AddPayload(newPayload(payload), int64(len(payload)), nil)
		if err != nil {
			rt.Fatal(err)
		}
		stats, err := w.Commit(m, CommitOptions{})
		if err != nil {
			rt.Fatal(err)
		}
		im, err := Open(path)
		if err != nil {
			rt.Fatal(err)
		}
		defer im.Close()
		if err := im.Verify(context.Background(), 2, nil); err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(m, im.Manifest()); diff != "" {
			rt.Fatalf("manifest (-saved +read):\n%s", diff)
		}
		checkMemory(rt, im, areas, mem)
		r, err := im.Payload(ref)
		if err != nil {
			rt.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, payload) {
			rt.Fatalf("payload of %d bytes came back as %d, %v", len(payload), len(got), err)
		}
		got := im.Stats()
		got.ZeroSkipped = stats.ZeroSkipped
		if info, err := os.Stat(path); err != nil || got != stats || info.Size() != stats.Size {
			rt.Fatalf("stats %+v, when written %+v", got, stats)
		}
	})
}

// checkMemory checks that the image has the memory, and that pages of
// file-backed areas are in chunks if and only if they were in runs.
func checkMemory(t *rapid.T, im *Image, areas []Area, mem []content) {
	for _, a := range areas {
		want := make([]byte, a.Size())
		inRun := make([]bool, a.Size()/PageSize)
		for _, c := range mem {
			if c.run.Start >= uint64(a.Start) && c.run.Start < uint64(a.End) {
				copy(want[c.run.Start-uint64(a.Start):], c.bytes)
				for i := range c.run.Len / PageSize {
					inRun[(c.run.Start-uint64(a.Start))/PageSize+i] = true
				}
			}
		}
		got := randomBytes(len(want), 1)
		if err := im.Space(0).ReadMemory(uint64(a.Start), got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("memory of %v-%v differs", a.Start, a.End)
		}
		if a.zeroIsImplied() {
			continue
		}
		for i, want := range inRun {
			addr := uint64(a.Start) + uint64(i)*PageSize
			if got := len(im.Space(0).AppendPieces(nil, addr, addr+PageSize)) > 0; got != want {
				t.Fatalf("page %#x of a %s area: in a chunk %v, in a run %v", addr, a.Kind, got, want)
			}
		}
	}
}

func TestPayloadExtents(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "image")
	const size = 5 << 20
	src := randomBytes(size, 4)
	extents := [][2]int64{{0, 10}, {100, 2<<20 + 1}, {4 << 20, 1 << 20}}
	want := make([]byte, size)
	for _, e := range extents {
		copy(want[e[0]:e[0]+e[1]], src[e[0]:])
	}
	m := sample()
	w := begin(t, path, m, nil, nil)
	ref, err := w.AddPayload(newPayload(src), size, extents)
	if err != nil {
		t.Fatal(err)
	}
	empty, err := w.AddPayload(newPayload(nil), 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.Processes[0].Areas = nil
	if _, err := w.Commit(m, CommitOptions{}); err != nil {
		t.Fatal(err)
	}
	im := open(t, path)
	if err := im.Verify(context.Background(), 2, nil); err != nil {
		t.Fatal(err)
	}
	r, err := im.Payload(ref)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("payload differs, %v", err)
	}
	for _, off := range []int64{0, 9, 10, 99, 101, 3 << 20, size - 7} {
		got := make([]byte, 7)
		if _, err := r.ReadAt(got, off); err != nil && err != io.EOF || !bytes.Equal(got, want[off:off+7]) {
			t.Errorf("payload at %d differs, %v", off, err)
		}
	}
	if r, err := im.Payload(empty); err != nil || r.Size() != 0 {
		t.Errorf("empty payload: %v", err)
	}
	for _, bad := range []PayloadRef{
		{Size: 10, Extents: []PayloadExtent{{Len: 10, Pos: 0}}},
		{Size: 10, Extents: []PayloadExtent{{Len: 11, Pos: ref.Extents[0].Pos}}},
		{Size: 1 << 40, Extents: []PayloadExtent{{Len: 1 << 39, Pos: ref.Extents[0].Pos}}},
		{Size: 10, Extents: []PayloadExtent{{Len: 10, Pos: -1}}},
		{Size: -1},
	} {
		if _, err := im.Payload(bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func TestPayloadThatShrinks(t *testing.T) {
	t.Parallel()
	w := begin(t, filepath.Join(t.TempDir(), "image"), sample(), nil, nil)
	if _, err := w.AddPayload(newPayload(make([]byte, 10)), 20, nil); err == nil {
		t.Fatal("10 bytes were taken for 20")
	}
	if _, err := w.AddPayload(newPayload(make([]byte, 10)), 10, [][2]int64{{5, 6}}); err == nil {
		t.Fatal("an extent beyond the end was taken")
	}
}
