package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/sys"
)

// The layout of the file that is shared with program.c.
const (
	beatsAt   = 0
	commandAt = 8
	answerAt  = 16
	ringAt    = 4096
	ringLen   = 65536
)

// Commands to the program.
const (
	commandFork  = 1
	commandCheck = 2
	commandQuit  = 3
	commandWrite = 4 // to as many pages as are a hundredth of its memory
)

// poll is how often the shared file is looked at. Often would disturb.
const poll = time.Millisecond

// program is a running program.c, saved and restored or not.
type program struct {
	shared *os.File
	cmd    *exec.Cmd     // the process
	log    string        // file with what it says on stderr
	ended  chan struct{} // closed when it has
	err    error         // how it ended, valid then
}

// start starts a program of that shape, and waits until it beats.
func (t *tools) start(ctx context.Context, wrap []string, of shape) (*program, error) {
	shared, err := os.OpenFile(filepath.Join(t.dir, "shared"), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := shared.Truncate(ringAt + 8*ringLen); err != nil {
		shared.Close()
		return nil, err
	}
	beat := 1000 // microseconds
	if of.Size == 0 {
		beat = 100 // shorter than what is measured
	}
	args := append(wrap, t.program, shared.Name(), strconv.FormatInt(of.Size, 10), strconv.Itoa(beat), strconv.Itoa(os.Getpid()),
		strconv.Itoa(of.Threads), strconv.Itoa(of.Processes), map[bool]string{true: "1", false: "0"}[of.Random], strconv.FormatInt(of.Dirty, 10))
	p := &program{shared: shared}
	if err := p.launch(t.dir, exec.Command(args[0], args[1:]...)); err != nil {
		shared.Close()
		return nil, err
	}
	if _, err := p.beatAfter(ctx, 0); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// launch starts a process that is, or becomes, the program.
func (p *program) launch(dir string, cmd *exec.Cmd) error {
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stderr = log // a file and no pipe, which would be saved
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd, p.log, p.ended = cmd, log.Name(), make(chan struct{})
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return nil
}

// word reads a word of the shared file.
func (p *program) word(at int64) (uint64, error) {
	var b [8]byte
	_, err := p.shared.ReadAt(b[:], at)
	return binary.LittleEndian.Uint64(b[:]), err
}

func (p *program) setWord(at int64, v uint64) error {
	_, err := p.shared.WriteAt(binary.LittleEndian.AppendUint64(nil, v), at)
	return err
}

// beats is how often the program has beaten.
func (p *program) beats() (uint64, error) { return p.word(beatsAt) }

// beatAfter waits until the program has beaten more than n times, and returns
// the time of beat n, in nanoseconds of CLOCK_MONOTONIC.
func (p *program) beatAfter(ctx context.Context, n uint64) (int64, error) {
	err := p.until(ctx, func() (bool, error) {
		now, err := p.beats()
		return now > n, err
	})
	if err != nil {
		return 0, fmt.Errorf("wait for the program to beat: %w", err)
	}
	at, err := p.word(ringAt + 8*int64(n%ringLen))
	return int64(at), err
}

// until waits until done, for a step at most.
func (p *program) until(ctx context.Context, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, step)
	defer cancel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	ended := p.ended
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ended:
			if p.err != nil {
				said, _ := os.ReadFile(p.log)
				return fmt.Errorf("it ended: %w: %s", p.err, said)
			}
			ended = nil // the program runs as somebody else's child
		case <-tick.C:
		}
	}
}

// do gives the program a command and returns its answer.
func (p *program) do(ctx context.Context, command uint64) (uint64, error) {
	if err := p.setWord(commandAt, command); err != nil {
		return 0, err
	}
	err := p.until(ctx, func() (bool, error) {
		c, err := p.word(commandAt)
		return c == 0, err
	})
	if err != nil {
		return 0, err
	}
	return p.word(answerAt)
}

// check has the program compare its memory with what it was at first.
func (p *program) check(ctx context.Context) error {
	same, err := p.do(ctx, commandCheck)
	if err == nil && same != 1 {
		err = errors.New("the program's memory is not what it was")
	}
	return err
}

// longestGap is the longest time between two beats from number from to number
// to, both included.
func (p *program) longestGap(from, to uint64) (time.Duration, error) {
	if to-from >= ringLen {
		return 0, fmt.Errorf("%d beats are too many to look back", to-from)
	}
	var last, longest uint64
	for i := from; i <= to; i++ {
		at, err := p.word(ringAt + 8*int64(i%ringLen))
		if err != nil {
			return 0, err
		}
		if i > from {
			longest = max(longest, at-last)
		}
		last = at
	}
	return time.Duration(longest), nil
}

// kill ends the process at once and waits for it, and for its children, which
// end with it.
func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
	reapOrphans()
}

// adoptOrphans makes us the parent of orphans: with an init that takes its time
// ids would be in use for seconds after their processes have ended.
func adoptOrphans() error {
	_, err := sys.Prctl(abi.PrSetChildSubreaper, 1)
	return err
}

// reapOrphans waits, for a second at most, for all children to end.
func reapOrphans() {
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		switch pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); {
		case err == syscall.ECHILD:
			return
		case pid == 0:
			time.Sleep(poll)
		}
	}
}

// close ends the program, wherever it is, and gives up its file.
func (p *program) close() {
	// A program that is no child of ours, as CRIU leaves it, listens to this.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = p.do(ctx, commandQuit)
	p.kill()
	p.shared.Close()
}

// now is the time of the clock that the program uses.
func now() (int64, error) { return sys.ClockNow(sys.ClockMonotonic) }
