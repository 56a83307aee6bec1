package image

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
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
	for _, path := range []string{empty, tiny(f)} {
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
		for i := range im.Manifest().Processes {
			for _, s := range im.Space(i).Segments() {
				if err := im.Space(i).ReadMemory(uint64(s.Start), buf[:]); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// fitSeal gives b the seal of its headers and notes, if it has any.
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
	return append(b[:last:last], sealNote(b[:end], b[notes:last])...)
}
