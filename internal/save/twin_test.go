package save

import (
	"encoding/binary"
	"testing"

	"ckpt/internal/image"
)

// TestLarge: memory that a twin writes by itself is in the image, with what the
// twin may not read; and so is that of a program that stands still for it.
func TestLarge(t *testing.T) {
	t.Parallel()
	if largeWords*8 < 2*twinLeast {
		t.Fatal("the test is too small")
	}
	for _, then := range []Then{ThenRun, ThenStop, ThenKill} {
		g := start(t, "large")
		path := destination(t)
		o := options(g, path)
		o.Then = then
		result, err := Save(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if result.NoTwin != nil {
			t.Error(result.NoTwin)
		}
		verified(t, path)
		holdsWords(t, path)
		g.end()
	}
}

// largeWords is how many words the program has in its mode large, each its own index.
const largeWords = 3 << 20

// holdsWords checks that they are in the image.
func holdsWords(t *testing.T, path string) {
	t.Helper()
	const base, block = 0x200000000, 1 << 20
	im, err := image.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	buf := make([]byte, 8*block)
	for at := uint64(0); at < largeWords; at += block {
		if err := im.Space(0).ReadMemory(base+8*at, buf); err != nil {
			t.Fatal(err)
		}
		for i := range uint64(block) {
			if v := binary.LittleEndian.Uint64(buf[8*i:]); v != at+i {
				t.Fatalf("word %d is %d", at+i, v)
			}
		}
	}
}
