package save

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"ckpt/internal/ptrace"
)

// makeTwin copies the process, so that it can run on while its memory is saved.
// Where that is impossible the process stands still for as long, and the result
// says why.
func (m *member) makeTwin(in *ptrace.Injector) error {
	if err := m.mayHaveTwin(); err != nil {
		return err
	}
	if m.c.o.Then != ThenRun {
		// It stands still until all is saved: no copy is needed.
		if m.writer = m.c.makeShadow(in, m.frozen.mem); m.writer == nil {
			return errors.New("no process can be made that shares its memory")
		}
		m.twin = m.writer.twin
		return nil
	}
	twin, err := in.Twin()
	if err != nil {
		return err
	}
	mem, err := os.OpenFile(m.c.kin.fs.Process(twin.Tid()).Path("mem"), os.O_RDWR, 0)
	var told []ptrace.SystemCall
	if err == nil {
		told, err = twin.Open(mem, forkQueries)
	}
	if err == nil {
		m.twin = twin
		err = m.askTwin(told)
	}
	if err != nil {
		m.twin = nil
		twin.Kill()
		return err
	}
	return nil
}

func (m *member) mayHaveTwin() error {
	if m.c.o.Then == ThenRun && m.c.before.noRoom != nil {
		return m.c.before.noRoom
	}
	// The orphan that the twin is would become the child of the next child
	// subreaper above.
	for pid := m.s.pid; ; {
		above := m.c.member(pid)
		if above == nil {
			break
		}
		for !above.asked && m.turn.Pass() {
			// It is asked at the same time.
		}
		if above.p.Attributes.Subreaper {
			if above == m {
				return errors.New("the process is a child subreaper")
			}
			return fmt.Errorf("%s, above it, is a child subreaper", above.s.name())
		}
		pid = above.s.stat.PPid
	}
	if n := m.s.status.NSpid; len(n) > 0 && n[len(n)-1] == 1 {
		return errors.New("the process is the first of its pid namespace")
	}
	return nil
}

// finishTwin takes from the twin what was not taken while the process stood
// still.
func (m *member) finishTwin(ctx context.Context) error {
	copyLater := m.copyTwin
	if m.copiedAhead() {
		copyLater = m.writeAhead
	}
	if len(m.later) > 0 && m.c.o.Compress == 0 {
		if err := copyLater(ctx); err != nil {
			return err
		}
	}
	if m.flags != nil {
		return m.flags.take(ctx, m)
	}
	return nil
}

// writeAhead writes what was copied ahead into the image.
func (m *member) writeAhead(ctx context.Context) error {
	return aside(ctx, &m.c.beat, stallLimit, func() error { return m.copier(m.laterMemory()).copy(ctx, m.later) })
}

// laterMemory has what is to be copied when the process runs again.
func (m *member) laterMemory() io.ReaderAt {
	if m.copiedAhead() {
		return m.c.inc.of(m).ahead
	}
	return m.twin.Memory()
}

// copyTwin copies the memory of the twin.
func (m *member) copyTwin(ctx context.Context) error {
	rest := m.later
	if m.writer == nil && total(rest) >= twinLeast { // else it would take longer to hand it the image
		at, _ := m.twin.Scratch()
		m.writer, _ = m.c.handImage(m.twin, m.twin.Memory(), at)
	}
	if m.writer != nil {
		var err error
		if rest, err = m.writer.write(ctx, m.space(), m.p.Areas, rest); err != nil {
			return err
		}
	}
	if len(rest) == 0 {
		return nil
	}
	return aside(ctx, &m.c.beat, stallLimit, func() error { return m.copier(m.twin.Memory()).copy(ctx, rest) })
}
