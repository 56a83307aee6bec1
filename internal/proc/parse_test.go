package proc

import (
	"errors"
	"strings"
	"testing"
)

// parseText runs a parser over text as if it were the file "test".
func parseText[T any](text string, parse func(*lines) (T, error)) (T, error) {
	l := newLines(strings.NewReader(text), "test", maxSmall)
	v, err := parse(l)
	if rerr := l.s.Err(); rerr != nil {
		return v, rerr
	}
	return v, err
}

// mustParse is parseText for text that is right.
func mustParse[T any](t *testing.T, text string, parse func(*lines) (T, error)) T {
	t.Helper()
	v, err := parseText(text, parse)
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return v
}

// wantBad demands a ParseError at the line.
func wantBad[T any](t *testing.T, text string, line int, parse func(*lines) (T, error)) {
	t.Helper()
	_, err := parseText(text, parse)
	var bad *ParseError
	switch {
	case err == nil:
		t.Errorf("no error for %q", text)
	case line > 0 && !errors.As(err, &bad):
		t.Errorf("%q: got %v, want a ParseError", text, err)
	case line > 0 && (bad.Line != line || bad.File != "test"):
		t.Errorf("%q: error is at %s:%d, want test:%d: %v", text, bad.File, bad.Line, line, err)
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	var u32 uint32
	var u64 uint64
	var i int
	for _, s := range []string{"", " ", "+1", "-1", "1 ", "1_0", "0x1", "4294967296"} {
		if unsigned(&u32, []byte(s), 10) {
			t.Errorf("%q is taken as a uint32", s)
		}
	}
	for _, s := range []string{"", "+1", "1.", "--1", "9223372036854775808"} {
		if signed(&i, []byte(s)) {
			t.Errorf("%q is taken as an int", s)
		}
	}
	for _, s := range []string{"-1", "-0", ""} {
		if count(&i, []byte(s)) {
			t.Errorf("%q is taken as a count", s)
		}
	}
	if !unsigned(&u64, []byte("ffffffffffffffff"), 16) || u64 != 1<<64-1 {
		t.Errorf("largest number is %#x", u64)
	}
	if unsigned(&u64, []byte("10000000000000000"), 16) {
		t.Error("2^64 is taken as a uint64")
	}
	if !kilobytes(&u64, []byte("   18014398509481983 kB")) || u64 != 18014398509481983<<10 {
		t.Errorf("largest size is %d", u64)
	}
	for _, s := range []string{"18014398509481984 kB", "1", "1 MB", "1kB", "1 kB "} {
		if kilobytes(&u64, []byte(s)) {
			t.Errorf("%q is taken as a size", s)
		}
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	l := newLines(strings.NewReader("a\r\n\nb"), "test", 100)
	for _, want := range []string{"a\r", ""} {
		if !l.next() || string(l.text) != want {
			t.Fatalf("line %d is %q, want %q", l.n, l.text, want)
		}
	}
	if l.next() || !errors.Is(l.s.Err(), errUnterminated) {
		t.Errorf("line without newline: %q, error %v", l.text, l.s.Err())
	}
	l = newLines(strings.NewReader("123\n456\n"), "test", 7)
	for l.next() {
	}
	if !errors.Is(l.s.Err(), errTooLarge) {
		t.Errorf("8 bytes where 7 are allowed: error %v", l.s.Err())
	}
	l = newLines(strings.NewReader("123\n456\n"), "test", 8)
	for l.next() {
	}
	if l.s.Err() != nil || l.n != 3 {
		t.Errorf("8 bytes where 8 are allowed: line %d, error %v", l.n, l.s.Err())
	}
	l = newLines(strings.NewReader(strings.Repeat("x", maxLine+1)+"\n"), "test", 1<<30)
	if l.next() || l.s.Err() == nil {
		t.Error("endless line is taken")
	}
}

func TestEscapes(t *testing.T) {
	t.Parallel()
	if got := newline([]byte(`/a\012b\040\`)); got != "/a\nb\\040\\" {
		t.Errorf("newline: %q", got)
	}
	for in, want := range map[string]string{`/a\040b\134\011\012\377`: "/a b\\\t\n\xff", "": "", "/x": "/x"} {
		if got, ok := octal([]byte(in)); !ok || got != want {
			t.Errorf("octal(%q) = %q, %v", in, got, ok)
		}
	}
	for _, in := range []string{`\`, `\04`, `\400`, `\08x`, `\-01`} {
		if got, ok := octal([]byte(in)); ok {
			t.Errorf("octal(%q) = %q", in, got)
		}
	}
	if got, ok := comm([]byte(`a\\n\nb c)`)); !ok || got != "a\\n\nb c)" {
		t.Errorf("comm: %q, %v", got, ok)
	}
	for _, in := range []string{`\`, `a\x`} {
		if got, ok := comm([]byte(in)); ok {
			t.Errorf("comm(%q) = %q", in, got)
		}
	}
}
