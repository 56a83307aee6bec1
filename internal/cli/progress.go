package cli

import (
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// barDelay is how long work has to take before a bar is worth looking at.
const barDelay = 500 * time.Millisecond

// meter draws a progress bar on a terminal when the work takes long. It may be
// told from several goroutines.
type meter struct {
	mu    sync.Mutex
	out   io.Writer
	what  string
	begin time.Time
	bars  *mpb.Progress
	bar   *mpb.Bar
}

// newMeter makes a meter that draws to out; nil, which draws nothing, if out
// is no terminal.
func newMeter(out io.Writer, what string) *meter {
	if !isTerminal(out) {
		return nil
	}
	return &meter{out: out, what: what, begin: time.Now()}
}

// tell is the engine's callback: so many bytes of so many are done. When all
// are, the bar is gone before tell returns.
func (m *meter) tell(done, total int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bar == nil {
		if done >= total || time.Since(m.begin) < barDelay {
			return
		}
		m.bars = mpb.New(mpb.WithOutput(m.out), mpb.WithWidth(40))
		m.bar = m.bars.AddBar(total, mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name("ckpt: "+m.what+" ")),
			mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f")))
	}
	if done >= total {
		m.remove()
		return
	}
	m.bar.SetCurrent(done)
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
	if m.bar == nil {
		return
	}
	m.bar.Abort(true)
	m.bars.Wait()
	m.bar, m.bars = nil, nil
}
