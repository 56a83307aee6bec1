package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// What a program pays for libckpt.so while nothing is saved is less than the noise of
// most machines. So two programs do the same things by turns, one with the library and
// one without it, a few milliseconds each; and two without it show what the noise is.

// loop is what a program does over and over.
type loop struct {
	kind, name string
	count      int // some milliseconds of it
}

var loops = []loop{
	{"syscall", "system calls", 10000},
	{"fork", "forks", 20},
	{"compute", "computing", 2000000},
}

// overhead are the runs of a loop.
type overhead struct {
	Loop string        `json:"loop"`
	Runs []overheadRun `json:"runs"`
}

// overheadRun is how much longer it took than without the library, in percent.
type overheadRun struct {
	Preloaded float64 `json:"preloaded"`
	Noise     float64 `json:"noise"` // of one without it
}

// turns is how often two programs take turns, and left out is what of that they
// need to get going.
const (
	turns   = 100
	leftOut = 5
)

// overhead measures a loop n times.
func (t *tools) overhead(ctx context.Context, library string, of loop, n int) (o overhead, err error) {
	o.Loop = of.name
	for range n {
		progress("overhead, %s, run %d of %d ", of.name, len(o.Runs)+1, n)
		var r overheadRun
		if r.Noise, err = t.compare(ctx, of, ""); err != nil {
			return o, err
		}
		if r.Preloaded, err = t.compare(ctx, of, library); err != nil {
			return o, err
		}
		o.Runs = append(o.Runs, r)
	}
	progress("")
	return o, nil
}

// compare is how much longer a loop takes with a library, in percent, by the medians
// of all turns.
func (t *tools) compare(ctx context.Context, of loop, library string) (more float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, step)
	defer cancel()
	var both [2]*looper
	for i, with := range []string{"", library} {
		if both[i], err = t.startLoop(ctx, of, with); err != nil {
			return 0, err
		}
		defer both[i].close()
	}
	var took [2][]float64
	for turn := range turns {
		for i := range both {
			who := (turn + i) % 2 // the first of a turn finds other caches
			ns, err := both[who].once()
			if err != nil {
				return 0, fmt.Errorf("%s: %w", of.name, err)
			}
			if turn >= leftOut {
				took[who] = append(took[who], float64(ns))
			}
		}
	}
	return 100 * (newStat(took[1]).Median/newStat(took[0]).Median - 1), nil
}

// looper is a running overhead.c.
type looper struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.ReadCloser
}

func (t *tools) startLoop(ctx context.Context, of loop, preload string) (*looper, error) {
	l := &looper{cmd: exec.CommandContext(ctx, t.loops, of.kind, strconv.Itoa(of.count))}
	l.cmd.Stderr = os.Stderr
	if preload != "" {
		l.cmd.Env = append(os.Environ(), "LD_PRELOAD="+preload)
	}
	var err error
	if l.in, err = l.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if l.out, err = l.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	return l, l.cmd.Start()
}

// once has it do its loop, and gives the nanoseconds that took.
func (l *looper) once() (uint64, error) {
	if _, err := l.in.Write([]byte{1}); err != nil {
		return 0, err
	}
	var ns [8]byte
	_, err := io.ReadFull(l.out, ns[:])
	return binary.LittleEndian.Uint64(ns[:]), err
}

func (l *looper) close() {
	l.in.Close()
	_ = l.cmd.Wait() // it has said all that it was asked for
}

// starting is how long starting and ending a program takes, without the library and
// with it.
type starting struct {
	Plain     stat `json:"plain_us"`
	Preloaded stat `json:"preloaded_us"`
}

// starting starts true by turns.
func (t *tools) starting(ctx context.Context, library string) (s starting, err error) {
	var took [2][]float64
	for range turns {
		for i, env := range [][]string{os.Environ(), append(os.Environ(), "LD_PRELOAD="+library)} {
			cmd := exec.CommandContext(ctx, "true")
			cmd.Env = env
			begin := time.Now()
			if err := cmd.Run(); err != nil {
				return s, err
			}
			took[i] = append(took[i], float64(time.Since(begin))/1e3)
		}
	}
	return starting{newStat(took[0]), newStat(took[1])}, nil
}

// library is where libckpt.so is.
func (c ckpt) library() string { return filepath.Join(filepath.Dir(c.path), "libckpt.so") }

// overheads measures all of that.
func (t *tools) overheads(ctx context.Context, c ckpt, n int, r *report) error {
	for _, of := range loops {
		o, err := t.overhead(ctx, c.library(), of, n)
		if err != nil {
			return err
		}
		r.Overheads = append(r.Overheads, o)
	}
	var err error
	r.Starting, err = t.starting(ctx, c.library())
	return err
}

func (o overhead) over(of func(overheadRun) float64) stat {
	return over(o.Runs, of)
}

func (o overhead) preloaded() stat {
	return o.over(func(r overheadRun) float64 { return r.Preloaded })
}
func (o overhead) noise() stat { return o.over(func(r overheadRun) float64 { return r.Noise }) }

// writeOverheads prints the part of the table about programs that are not saved.
func (r *report) writeOverheads(w io.Writer) {
	fmt.Fprintf(w, "\nwith libckpt.so, while nothing is saved, %% more\n")
	for _, o := range r.Overheads {
		v, noise := o.preloaded(), o.noise()
		writeRow(w, o.Loop, v,
			fmt.Sprintf("noise %s to %s", short(noise.Min), short(noise.Max)))
	}
	p, v := r.Starting.Plain, r.Starting.Preloaded
	writeRow(w, "start of true, us", v, fmt.Sprintf("%s without it", short(p.Median)))
}

// overheadBars: a program does not notice the library.
func (r *report) overheadBars() (out []bar) {
	for _, o := range r.Overheads {
		v := o.preloaded().Median
		out = append(out, bar{o.Loop + ", with libckpt.so", v, 0.5, "% more", v <= 0.5})
	}
	return out
}
