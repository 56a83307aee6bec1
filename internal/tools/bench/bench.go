package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

type options struct {
	sizes []int64
	runs  int // for each program but the small one
	small int // for that

	threads, processes int // of the programs that have many; 1: not measured
	dir                string
	json               bool
}

// bench measures everything and prints it.
func bench(ctx context.Context, o options) error {
	if o.runs < 1 || o.small < 1 || o.threads < 1 || o.processes < 1 {
		return errors.New("-n, -small, -threads and -processes must be at least 1")
	}
	if err := adoptOrphans(); err != nil {
		return err
	}
	machine, err := lookAtMachine()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.dir, ".ckpt-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	t, err := build(ctx, dir)
	if err != nil {
		return err
	}
	ours, err := findCkpt()
	if err != nil {
		return err
	}
	r := &report{Schema: "ckpt/bench/1", Machine: machine}
	if !o.json {
		machine.writeHead(os.Stdout)
	}
	for _, of := range o.shapes() {
		if why := t.noRoom(of.Size); why != "" {
			r.note("%v: not measured: %s", of, why)
			continue
		}
		s, err := t.series(ctx, ours, of, o.count(of))
		if err != nil {
			return err
		}
		r.add(s, o)
	}
	s, err := t.series(ctx, preloaded{ours}, small, o.small)
	if err != nil {
		return err
	}
	r.add(s, o)
	for _, size := range o.sizes {
		if size < barSize || t.noRoom(size) != "" {
			continue
		}
		i, err := t.increment(ctx, ours, size, o.runs)
		if err != nil {
			return err
		}
		r.Chains = append(r.Chains, i)
		if !o.json {
			i.writeRows(os.Stdout)
		}
	}
	for _, of := range realPrograms {
		p, err := t.packing(ctx, ours, of, o.runs)
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			r.note("%s: compression not measured: %v", of.name, err)
			continue
		}
		r.Packed = append(r.Packed, p)
		if !o.json {
			p.writeRows(os.Stdout)
		}
	}
	for _, of := range slowPrograms {
		s, err := t.slowStart(ctx, ours, of, o.runs)
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			r.note("%s: start and restore not measured: %v", of.name, err)
			continue
		}
		r.Slow = append(r.Slow, s)
		if !o.json {
			s.writeRows(os.Stdout)
		}
	}
	if err := t.overheads(ctx, ours, o.runs, r); err != nil {
		return err
	}
	if !o.json {
		r.writeOverheads(os.Stdout)
	}
	for _, p := range peers() {
		if err := t.peer(ctx, p, o, r); err != nil {
			if ctx.Err() != nil {
				return err
			}
			r.note("%v", err)
		}
	}
	r.Bars = bars(r.Series)
	for _, p := range r.Packed {
		r.Bars = append(r.Bars, p.bars()...)
	}
	for _, i := range r.Chains {
		r.Bars = append(r.Bars, i.bars()...)
	}
	r.Bars = append(r.Bars, r.overheadBars()...)
	if o.json {
		return r.writeJSON(os.Stdout)
	}
	r.writeBars(os.Stdout)
	return nil
}

// add notes a series and prints it at once: all of them take minutes.
func (r *report) add(s series, o options) {
	r.Series = append(r.Series, s)
	if !o.json {
		s.writeRows(os.Stdout)
	}
}

// peer measures another checkpointer, if it is there and works.
func (t *tools) peer(ctx context.Context, p peer, o options, r *report) error {
	if err := p.usable(ctx); err != nil {
		return fmt.Errorf("%s: not measured: %w", p.name(), err)
	}
	for _, of := range o.shapes() {
		if t.noRoom(of.Size) != "" {
			continue
		}
		s, err := t.series(ctx, p, of, o.runs)
		if err != nil {
			return err
		}
		r.add(s, o)
	}
	return nil
}

// shapes are the programs that are measured.
func (o options) shapes() []shape {
	all := []shape{small}
	if o.threads > 1 {
		all = append(all, shape{Threads: o.threads, Processes: 1})
	}
	if o.processes > 1 {
		all = append(all, shape{Threads: 1, Processes: o.processes})
	}
	for _, size := range o.sizes {
		all = append(all, large(size))
		if size < barSize {
			continue
		}
		dirty := large(size)
		dirty.Dirty = dirtyRate
		all = append(all, dirty)
		if size == barSize {
			random := large(size)
			random.Random = true
			all = append(all, random)
		}
	}
	return all
}

func (o options) count(of shape) int {
	if of == small {
		return o.small
	}
	return o.runs
}

// parseSizes understands a list like 16M,1G.
func parseSizes(list string) ([]int64, error) {
	var sizes []int64
	for word := range strings.SplitSeq(list, ",") {
		if word == "" {
			continue
		}
		digits, shift := word, 0
		switch word[len(word)-1] {
		case 'M':
			digits, shift = word[:len(word)-1], 20
		case 'G':
			digits, shift = word[:len(word)-1], 30
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n <= 0 || n > 1<<40>>shift || n<<shift%4096 != 0 {
			return nil, fmt.Errorf("-sizes: %q is not like 16M or 1G", word)
		}
		sizes = append(sizes, n<<shift)
	}
	return sizes, nil
}

// sizeName is a size in a user's words.
func sizeName(size int64) string {
	switch {
	case size == 0:
		return "small"
	case size%(1<<30) == 0:
		return fmt.Sprintf("%d GB", size>>30)
	case size%(1<<20) == 0:
		return fmt.Sprintf("%d MB", size>>20)
	}
	return fmt.Sprintf("%d bytes", size)
}
