package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

const (
	// barDelay is how long work has to take before a bar is worth looking at.
	barDelay = 500 * time.Millisecond
	// barPause is the time between two drawings.
	barPause = 100 * time.Millisecond
	// barWidth is how many columns stand for the whole.
	barWidth = 40
)

// meter draws a progress bar on a terminal when the work takes long. It may be
// told from several goroutines. It is these few lines and no library, because
// libraries for bars make tables of character widths and regular expressions
// whenever the program starts.
type meter struct {
	mu   sync.Mutex
	out  io.Writer
	what string
	next time.Time // when to draw
	done int64     // is drawn
	seen bool      // there is a bar
}

// newMeter makes a meter that draws to out; nil, which draws nothing, if out
// is no terminal.
func newMeter(out io.Writer, what string) *meter {
	if !isTerminal(out) {
		return nil
	}
	return &meter{out: out, what: what, next: time.Now().Add(barDelay)}
}

// tell is the engine's callback: so many bytes of so many are done. When all
// are, the bar is gone before tell returns.
func (m *meter) tell(done, total int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if done >= total {
		m.remove()
		return
	}
	if now := time.Now(); done >= m.done && now.After(m.next) {
		m.next, m.done, m.seen = now.Add(barPause), done, true
		fmt.Fprintf(m.out, "\r%s%s", bar(m.what, done, total), eraseLine)
	}
}

// eraseLine erases what is right of the cursor (ECMA-48: EL).
const eraseLine = "\x1b[K"

// bar is one drawing of it, for 0 <= done < total.
func bar(what string, done, total int64) string {
	full := min(int(float64(done)/float64(total)*barWidth), barWidth-1) // it may be rounded up
	return fmt.Sprintf("ckpt: %s [%s>%s] %s / %s", what,
		strings.Repeat("=", full), strings.Repeat("-", barWidth-1-full), size(uint64(done)), size(uint64(total)))
}

// callback is tell, or nil where nothing is to be drawn.
func (m *meter) callback() func(done, total int64) {
	if m == nil {
		return nil
	}
	return m.tell
}

// stop removes the bar, however far it got.
func (m *meter) stop() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove()
}

func (m *meter) remove() {
	if m.seen {
		m.seen = false
		fmt.Fprint(m.out, "\r"+eraseLine)
	}
}
