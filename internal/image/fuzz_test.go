package image

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/zeebo/xxh3"
)

// FuzzOpen opens whatever it is given. If it is an image, all that it offers
// can be read. The seal is made to fit, since the fuzzer would not guess it.
func FuzzOpen(f *testing.F) {
	// Small ones: the fuzzer tries to cut every byte off what it finds.
	empty := filepath.Join(f.TempDir(), "image")
	m := sample()
	m.Processes[0].Threads = m.Processes[0].Threads[:1]
	m.Processes[0].Threads[0].XSave = nil
	write(f, empty, m, nil, nil)
	for _, path := range []string{empty, tiny(f), tinyFamily(f)} {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(path, fitSeal(b), 0o600); err != nil {
			t.Fatal(err)
		}
		im, err := Open(path)
		if err != nil {
			if !isFound(err) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		defer im.Close()
		if err := im.Verify(context.Background(), 1, nil); err != nil && !isFound(err) {
			t.Fatalf("error of no kind: %v", err)
		}
		var buf [PageSize]byte
		spaces := []SpaceReader{}
		for i := range im.Manifest().Processes {
			spaces = append(spaces, im.Space(i))
		}
		for i := range im.Manifest().Objects {
			spaces = append(spaces, im.ObjectSpace(i))
		}
		for _, space := range spaces {
			for _, s := range space.Segments() {
				if err := space.ReadMemory(uint64(s.Start), buf[:]); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// fitSeal gives b the seal of its headers and notes, and its parts their
// checksums, if it has any.
func fitSeal(b []byte) []byte {
	if len(b) < ehdrSize+phdrSize+sealSize {
		return b
	}
	end := headersEnd(int(binary.LittleEndian.Uint16(b[56:])) - 1)
	notes := binary.LittleEndian.Uint64(b[72:])
	last := uint64(len(b) - sealSize)
	if end > last || notes > last {
		return b
	}
	fitParts(b, b[notes:last])
	return append(b[:last:last], sealNote(seal(b[:end], b[notes:last]))...)
}

// fitParts gives the parts of the image b their checksums.
func fitParts(b, notes []byte) {
	found, err := findNotes(notes)
	if err != nil {
		return
	}
	for _, table := range found[noteID{ownerCkpt, ckptParts}] {
		for ; len(table) >= partEntry; table = table[partEntry:] {
			pos, n := binary.LittleEndian.Uint64(table), binary.LittleEndian.Uint64(table[8:])
			if size := uint64(len(b)); pos <= size && n <= size-pos {
				binary.LittleEndian.PutUint64(table[16:], xxh3.Hash(b[pos:pos+n]))
			}
		}
	}
}
