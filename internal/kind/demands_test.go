package kind

import (
	"errors"
	"io"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ckpt/internal/sys"
)

// wantWarning demands exactly one warning, with these words in it.
func (w *world) wantWarning(words ...string) {
	w.t.Helper()
	if len(w.Warnings) != 1 {
		w.t.Fatalf("%d warnings, want one: %q", len(w.Warnings), w.Warnings)
	}
	wantWords(w.t, w.Warnings[0], words...)
}

// wantWords demands that every word is in text.
func wantWords(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%q does not say %q", text, word)
		}
	}
}

// wantRefused demands an *UnsupportedError with these words in it.
func wantRefused(t *testing.T, err error, words ...string) {
	t.Helper()
	if _, ok := errors.AsType[*UnsupportedError](err); !ok {
		t.Fatalf("got %v, want an UnsupportedError with %q", err, words)
	}
	wantWords(t, err.Error(), words...)
}

// flagsOf are the status flags of fd.
func flagsOf(t *testing.T, fd int) int {
	t.Helper()
	flags, err := sys.StatusFlags(fd)
	if err != nil {
		t.Fatal(err)
	}
	return flags
}

// posOf is the offset of fd.
func posOf(t *testing.T, fd int) int64 {
	t.Helper()
	pos, err := unix.Seek(fd, 0, io.SeekCurrent)
	if err != nil {
		t.Fatal(err)
	}
	return pos
}

// readAt reads the first n bytes of fd without moving its offset.
func readAt(t *testing.T, fd, n int) string {
	t.Helper()
	b := make([]byte, n)
	got, err := unix.Pread(fd, b, 0)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:got])
}

// writeAll writes to fd at its offset.
func writeAll(t *testing.T, fd int, text string) {
	t.Helper()
	if n, err := unix.Write(fd, []byte(text)); err != nil || n != len(text) {
		t.Fatalf("write %q: %d, %v", text, n, err)
	}
}
