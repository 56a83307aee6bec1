package cli

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
)

// size is a number of bytes for people.
func size(n uint64) string { return humanize.IBytes(n) }

// duration is a span of time for people, with two or three digits.
func duration(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// plural is "1 thread", "2 threads".
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// clean makes text from a process or an image fit for a terminal: names may
// hold any bytes, escape sequences among them. Line breaks stay only where
// Go's errors.Join puts them.
func clean(s string) string {
	safe := func(r rune) bool { return r == unicode.ReplacementChar || unicode.IsPrint(r) }
	if strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString("; ")
		case safe(r):
			b.WriteRune(r)
		default:
			q := fmt.Sprintf("%q", string(r))
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String()
}

// quoted is a command line as a shell would need it.
func quoted(args []string) string {
	out := make([]string, 0, len(args))
	for _, a := range args {
		if a == "" || strings.ContainsAny(a, " \t\n'\"\\$&|;<>()*?[]{}`!#~") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		out = append(out, clean(a))
	}
	return strings.Join(out, " ")
}
