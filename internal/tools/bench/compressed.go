package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What compression costs and saves depends on what is in memory. So it is
// measured with real programs, each saved by turns without and with it.

// realProgram is a program whose memory is saved.
type realProgram struct {
	name  string
	start func(ctx context.Context, dir string) (*exec.Cmd, error)
	least int64 // bytes of memory that it is to have before it is stopped
}

var realPrograms = []realProgram{
	{"python3", startPython, 120 << 20},
	{"cc1plus", startCompiler, 100 << 20},
}

// startPython starts an interpreter with modules, objects and syntax trees.
func startPython(_ context.Context, dir string) (*exec.Cmd, error) {
	const text = `import ast, asyncio, decimal, email, glob, http.server, json, logging, os, random, sqlite3, ssl, time, unittest, xml.dom.minidom
random.seed(1)
objects = {"key%d" % i: [i, str(i * 7919), {"a": i, "b": random.random()}] for i in range(120000)}
trees = [ast.parse(open(f).read()) for f in sorted(glob.glob(os.path.dirname(os.__file__) + "/*.py"))[:150]]
time.sleep(1000)
`
	// By its own name: elsewhere python3 may be a script that starts another.
	return exec.Command("/usr/bin/python3", "-c", text), nil
}

// startCompiler starts a compilation of many templates.
func startCompiler(ctx context.Context, dir string) (*exec.Cmd, error) {
	var text strings.Builder
	text.WriteString("#include <algorithm>\n#include <array>\n#include <map>\n#include <regex>\n#include <vector>\n")
	for i := range 600 {
		fmt.Fprintf(&text, "std::map<int,std::array<char,%[1]d>> m%[1]d; void f%[1]d() { m%[1]d[3]; std::vector<std::array<int,%[1]d>> v; v.push_back({}); std::sort(v.begin(), v.end()); }\n", i+1)
	}
	source, plain := filepath.Join(dir, "templates.cc"), filepath.Join(dir, "templates.ii")
	if err := os.WriteFile(source, []byte(text.String()), 0o600); err != nil {
		return nil, err
	}
	if _, err := output(ctx, "g++", "-E", source, "-o", plain); err != nil {
		return nil, err
	}
	path, err := output(ctx, "g++", "-print-prog-name=cc1plus")
	if err != nil {
		return nil, err
	}
	return exec.Command(strings.TrimSpace(string(path)), "-fpreprocessed", "-O2", "-quiet", plain, "-o", os.DevNull), nil
}

// packing are the runs of a real program.
type packing struct {
	Program string       `json:"program"`
	Runs    []packingRun `json:"runs"`
}

// packingRun is a plain save, and a compressed one right after it.
type packingRun struct {
	Plain  time.Duration `json:"plain_ns"`
	Packed time.Duration `json:"packed_ns"`
	Memory int64         `json:"memory"` // bytes that are saved
	Size   int64         `json:"size"`   // of the compressed image
}

func (r packingRun) ratio() float64  { return float64(r.Packed) / float64(r.Plain) }
func (r packingRun) speed() float64  { return float64(r.Memory) / 1e6 / r.Packed.Seconds() }
func (r packingRun) shrunk() float64 { return 100 * float64(r.Size) / float64(r.Memory) }

func (p packing) over(of func(packingRun) float64) stat {
	return over(p.Runs, of)
}

// packing measures a real program n times.
func (t *tools) packing(ctx context.Context, c ckpt, of realProgram, n int) (p packing, err error) {
	p.Program = of.name
	dir := filepath.Join(t.dir, of.name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return p, err
	}
	defer os.RemoveAll(dir)
	cmd, err := of.start(ctx, dir)
	if err != nil {
		return p, err
	}
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		return p, err
	}
	defer func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	}()
	if err := grown(ctx, cmd.Process.Pid, of.least); err != nil {
		return p, err
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return p, err
	}
	for range n {
		progress("compressed, %s, run %d of %d ", of.name, len(p.Runs)+1, n)
		var r packingRun
		for _, compress := range []string{"none", "zstd"} {
			if err := t.warm(ctx, of.least); err != nil {
				return p, err
			}
			if err := c.pack(ctx, cmd.Process.Pid, filepath.Join(dir, "image"), compress, &r); err != nil {
				return p, err
			}
		}
		p.Runs = append(p.Runs, r)
	}
	progress("")
	return p, nil
}

// pack saves to a new file and removes it.
func (c ckpt) pack(ctx context.Context, pid int, image, compress string, r *packingRun) error {
	begin := time.Now()
	out, err := output(ctx, c.path, "save", strconv.Itoa(pid), "-o", image, "--fsync", "no", "--compress", compress, "--json")
	took := time.Since(begin)
	if err != nil {
		return err
	}
	var said struct{ Memory, Size int64 }
	if err := json.Unmarshal(out, &said); err != nil {
		return err
	}
	if compress == "none" {
		r.Plain = took
	} else {
		r.Packed, r.Memory, r.Size = took, said.Memory, said.Size
	}
	return os.Remove(image)
}

// grown waits until a process has so much memory of its own.
func grown(ctx context.Context, pid int, least int64) error {
	for end := time.Now().Add(step); time.Now().Before(end); time.Sleep(poll) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return err
		}
		_, rest, ok := strings.Cut(string(b), "\nRssAnon:")
		if !ok {
			return errors.New("it has ended before it had much memory")
		}
		if kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64); kb<<10 >= least {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return fmt.Errorf("it has not %d bytes of memory after %v", least, step)
}

// writeRows prints the part of the table for one real program.
func (p packing) writeRows(w io.Writer) {
	fmt.Fprintf(w, "\n%s, %d runs\n", p.Program, len(p.Runs))
	for _, line := range []struct {
		what, remark string
		of           func(packingRun) float64
	}{
		{"save, without fsync", "", func(r packingRun) float64 { return float64(r.Plain) / 1e6 }},
		{"  compressed", fmt.Sprintf("%s × plain, %s MB/s", short(p.over(packingRun.ratio).Median), short(p.over(packingRun.speed).Median)),
			func(r packingRun) float64 { return float64(r.Packed) / 1e6 }},
		{"image, % of memory", "", packingRun.shrunk},
	} {
		writeRow(w, line.what, p.over(line.of), line.remark)
	}
}

// bars: compressing costs little, or is fast; and it is worth it.
func (p packing) bars() []bar {
	const fast = 900 // MB/s
	ratio, shrunk := p.over(packingRun.ratio).Median, p.over(packingRun.shrunk).Median
	return []bar{
		{p.Program + ", compressed save, or 900 MB/s", ratio, 1.3, "× plain save", ratio <= 1.3 || p.over(packingRun.speed).Median >= fast},
		{p.Program + ", compressed image", shrunk, 25, "% of its memory", shrunk <= 25},
	}
}
