package cli

import (
	"strings"
	"testing"
	"time"
)

func TestProgressBar(t *testing.T) {
	for _, c := range []struct {
		done, total int64
		want        string
	}{
		{0, 1 << 30, "ckpt: saving [>---------------------------------------] 0 B / 1.0 GiB"},
		{1 << 29, 1 << 30, "ckpt: saving [====================>-------------------] 512 MiB / 1.0 GiB"},
		{1<<62 - 1, 1 << 62, "ckpt: saving [=======================================>] 4.0 EiB / 4.0 EiB"},
	} {
		if got := bar("saving", c.done, c.total); got != c.want && c.done < 1<<40 {
			t.Errorf("%d of %d: %q, want %q", c.done, c.total, got, c.want)
		} else if len(got) < barWidth {
			t.Errorf("%d of %d: %q", c.done, c.total, got)
		}
	}
}

// TestMeter: nothing is drawn early, and nothing is left when all is done or the
// work was given up.
func TestMeter(t *testing.T) {
	var out strings.Builder
	m := &meter{out: &out, what: "saving", next: time.Now().Add(time.Hour)}
	m.tell(1, 100)
	m.stop()
	if out.Len() != 0 {
		t.Errorf("early: %q", out.String())
	}
	for _, end := range []func(){func() { m.tell(100, 100) }, m.stop} {
		out.Reset()
		m.done, m.next = 0, time.Time{}
		m.tell(50, 100)
		m.next = time.Time{}
		m.tell(25, 100) // another goroutine's, that comes late
		drawn := out.String()
		if strings.Count(drawn, "50 B / 100 B") != 1 || strings.Contains(drawn, "25 B") {
			t.Errorf("drawn: %q", drawn)
		}
		end()
		if rest := strings.TrimPrefix(out.String(), drawn); rest != "\r"+eraseLine {
			t.Errorf("left: %q", out.String())
		}
		m.stop()
	}
	(*meter)(nil).stop()
}
