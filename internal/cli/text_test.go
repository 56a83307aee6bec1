package cli

import (
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		400 * time.Microsecond:   "0.4 ms",
		9 * time.Millisecond:     "9.0 ms",
		61 * time.Millisecond:    "61 ms",
		1500 * time.Millisecond:  "1.5 s",
		125*time.Second + 400000: "2m5s",
	} {
		if got := duration(d); got != want {
			t.Errorf("%d ns is %q, want %q", d, got, want)
		}
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain /tmp/x":     "plain /tmp/x",
		"übung ✓":          "übung ✓",
		"a\x1b]0;title\a":  `a\x1b]0;title\a`,
		"two\nlines":       "two; lines",
		"latin1 \xe4":      `latin1 \xe4`,
		"right\u202eleft":  `right\u202eleft`,
		"tab\there":        `tab\there`,
		"nul\x00and\x7fde": `nul\x00and\x7fde`,
	} {
		if got := clean(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func TestQuoted(t *testing.T) {
	t.Parallel()
	got := quoted([]string{"prog", "a b", "it's", "", "$x", "plain-1.0"})
	if want := `prog 'a b' 'it'\''s' '' '$x' plain-1.0`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
