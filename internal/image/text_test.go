package image

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestTextKeepsAnyBytes(t *testing.T) {
	t.Parallel()
	check := func(t rapid.TB, s string) {
		e := escape(s)
		if !utf8.ValidString(e) || unescape(e) != s {
			t.Fatalf("%q is written as %q and read as %q", s, e, unescape(e))
		}
		b, err := json.Marshal(Text(s))
		if err != nil {
			t.Fatal(err)
		}
		var back Text
		if err := json.Unmarshal(b, &back); err != nil || string(back) != s {
			t.Fatalf("%q is %s in JSON and read as %q, %v", s, b, back, err)
		}
	}
	for _, s := range []string{"", "plain", "Grüße", "caf\xe9", "\xff\x00\x80", "\U0010ffe9 \U0010feff", "\xf4\x8f\xbe", "\ufffd"} {
		check(t, s)
	}
	rapid.Check(t, func(t *rapid.T) { check(t, string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))) })
	if got := escape("Grüße"); got != "Grüße" {
		t.Errorf("good text is changed to %q", got)
	}
}
