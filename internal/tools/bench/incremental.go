package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// increment is a program that is saved, writes to as many pages as are a hundredth of them, at random, and is
// saved again with --incremental.
type increment struct {
	Size int64          `json:"size"` // bytes of memory
	Runs []incrementRun `json:"runs"`
}

type incrementRun struct {
	Full      time.Duration `json:"full_ns"` // the first save, of everything
	Next      time.Duration `json:"next_ns"` // the second one
	Pause     time.Duration `json:"pause_ns"`
	FullBytes int64         `json:"full_bytes"` // on the disk
	NextBytes int64         `json:"next_bytes"`
	Restore   time.Duration `json:"restore_ns"` // from both
}

// chained saves images that go on from each other, with these names.
type chained struct {
	ckpt
	image string
}

func (c chained) save(ctx context.Context, pid int, dir string) error {
	_, err := output(ctx, c.path, "save", strconv.Itoa(pid), "-o", filepath.Join(dir, c.image), "--fsync", "no", "--incremental")
	return err
}

func (c chained) restore(dir string) *exec.Cmd {
	return exec.Command(c.path, "restore", filepath.Join(dir, c.image))
}

// increment measures a program of that size n times.
func (t *tools) increment(ctx context.Context, c ckpt, size int64, n int) (i increment, err error) {
	i.Size = size
	for range n {
		progress("incremental, %s, run %d of %d ", sizeName(size), len(i.Runs)+1, n)
		r, err := t.incrementRun(ctx, c, size)
		if err != nil {
			return i, fmt.Errorf("incremental, %s: %w", sizeName(size), err)
		}
		i.Runs = append(i.Runs, r)
	}
	progress("")
	return i, nil
}

func (t *tools) incrementRun(ctx context.Context, c ckpt, size int64) (r incrementRun, err error) {
	dir := filepath.Join(t.dir, "images")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	p, err := t.start(ctx, nil, large(size))
	if err != nil {
		return r, err
	}
	defer p.close()
	var full, next run
	if err := t.save(ctx, chained{c, "first"}, p, dir, size, &full); err != nil {
		return r, err
	}
	if _, err := p.do(ctx, commandWrite); err != nil {
		return r, err
	}
	second := chained{c, "second"}
	if err := t.save(ctx, second, p, dir, size/100, &next); err != nil {
		return r, err
	}
	r = incrementRun{full.Save, next.Save, next.Pause, full.Image, next.Image - full.Image, 0}
	return r, t.restore(ctx, p, second.restore(dir), full.Image, &r.Restore)
}

func (i increment) over(of func(incrementRun) float64) stat {
	return over(i.Runs, of)
}

func (i increment) pause() stat {
	return i.over(func(r incrementRun) float64 { return float64(r.Pause) / 1e6 })
}

// time and bytes are those of the second save in percent of the first one's.
func (i increment) time() stat {
	return i.over(func(r incrementRun) float64 { return 100 * float64(r.Next) / float64(r.Full) })
}

func (i increment) bytes() stat {
	return i.over(func(r incrementRun) float64 { return 100 * float64(r.NextBytes) / float64(r.FullBytes) })
}

// writeRows prints the part of the table for one size.
func (i increment) writeRows(w io.Writer) {
	fmt.Fprintf(w, "\n%s, incremental, 1 %% written since, %d runs\n", sizeName(i.Size), len(i.Runs))
	for _, line := range []struct {
		what, remark string
		v            stat
	}{
		{"first save, without fsync", "", i.over(func(r incrementRun) float64 { return float64(r.Full) / 1e6 })},
		{"second save", short(i.time().Median) + " % of the first", i.over(func(r incrementRun) float64 { return float64(r.Next) / 1e6 })},
		{"  pause of the program", "", i.pause()},
		{"restore from both", "", i.over(func(r incrementRun) float64 { return float64(r.Restore) / 1e6 })},
		{"second image, 10^6 bytes", short(i.bytes().Median) + " % of the first", i.over(func(r incrementRun) float64 { return float64(r.NextBytes) / 1e6 })},
	} {
		writeRow(w, line.what, line.v, line.remark)
	}
}

// bars: it costs what was written.
func (i increment) bars() []bar {
	name := sizeName(i.Size) + ", incremental, "
	of := func(what string, v, limit float64, unit string) bar {
		return bar{name + what, v, limit, unit, v <= limit}
	}
	return []bar{
		of("save", i.time().Median, 5, "% of the first save"),
		of("image", i.bytes().Median, 5, "% of the first image"),
		of("pause", i.pause().Median, 8, "ms"),
	}
}
