package image

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Text is a string from the kernel, such as a path or an argument. Those are
// any bytes, but JSON has only Unicode, and encoding/json replaces what is not:
// a file named in Latin-1 would be lost. Each byte that is not UTF-8 is written
// as the private character U+10FF00 plus the byte; so are the bytes of such
// characters themselves, so that what was written is always read back.
//
// The manifest's own strings are handled by the package. Kinds use Text in
// their Detail.
type Text string

// byteRune is the character of byte 0.
const byteRune = 0x10ff00

// MarshalText escapes the bytes that are not UTF-8.
func (t Text) MarshalText() ([]byte, error) { return []byte(escape(string(t))), nil }

// UnmarshalText undoes MarshalText.
func (t *Text) UnmarshalText(b []byte) error {
	*t = Text(unescape(string(b)))
	return nil
}

func escape(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, escapePrefix) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 || r >= byteRune && r <= byteRune+0xff {
			for _, c := range []byte(s[:n]) {
				b.WriteRune(byteRune + rune(c))
			}
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// escapePrefix begins the UTF-8 of U+10FF00 to U+10FFFF, and of others.
const escapePrefix = "\xf4\x8f"

func unescape(s string) string {
	if !strings.Contains(s, escapePrefix) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if r >= byteRune && r <= byteRune+0xff {
			b.WriteByte(byte(r - byteRune))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// mapTexts replaces each string of m that comes from the kernel by f of it, in
// copies: what the caller holds stays as it is.
func mapTexts(m *Manifest, f func(string) string) *Manifest {
	out := *m
	out.Host.Name, out.Host.Kernel, out.Host.CPU.Model = f(m.Host.Name), f(m.Host.Kernel), f(m.Host.CPU.Model)
	out.Files = slices.Clone(m.Files)
	for i := range out.Files {
		out.Files[i].Path = f(out.Files[i].Path)
	}
	out.Processes = slices.Clone(m.Processes)
	for i := range out.Processes {
		p := &out.Processes[i]
		p.Exe, p.Cwd = f(p.Exe), f(p.Cwd)
		p.Args = slices.Clone(p.Args)
		for j := range p.Args {
			p.Args[j] = f(p.Args[j])
		}
		p.Areas = slices.Clone(p.Areas)
		for j := range p.Areas {
			p.Areas[j].Name = f(p.Areas[j].Name)
		}
		p.Threads = slices.Clone(p.Threads)
		for j := range p.Threads {
			p.Threads[j].Comm = f(p.Threads[j].Comm)
		}
	}
	return &out
}
