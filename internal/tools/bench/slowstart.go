package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Programs that take long to start are a reason to save them when they have. They print
// a line when they are ready, and then one after the other, so that a restored one
// soon does.

// slowProgram is such a program.
type slowProgram struct {
	name string
	file string // that it needs, with this text
	text string
	argv []string
}

var slowPrograms = []slowProgram{
	{"python3", "serve.py", `import ast, asyncio, decimal, email, http.server, json, logging, random, sqlite3, ssl, time, unittest, xml.dom.minidom
table = {"key%d" % i: [i, str(i * 7919)] for i in range(200000)}
while True:
    print("ready", flush=True)
    time.sleep(0.001)
`, []string{"/usr/bin/python3", "serve.py"}}, // by its own name: elsewhere python3 may be a script that starts another
	{"node", "serve.js", `for (const m of ['crypto', 'http2', 'https', 'inspector', 'readline', 'url', 'worker_threads', 'zlib']) require(m);
const table = new Map();
for (let i = 0; i < 200000; i++) table.set('key' + i, [i, String(i * 7919)]);
setInterval(() => console.log('ready'), 1);
`, []string{"node", "serve.js"}},
	{"java", "Serve.java", `import java.util.*;
public class Serve {
    public static void main(String[] args) throws Exception {
        Map<String, String> table = new HashMap<>();
        for (int i = 0; i < 200000; i++) table.put("key" + i, String.valueOf(i * 7919L));
        for (;;) {
            System.out.println("ready " + table.size());
            Thread.sleep(1);
        }
    }
}
`, []string{"java", "-XX:-UsePerfData", "Serve.java"}},
}

// slowStart are the runs of one of them.
type slowStart struct {
	Program string         `json:"program"`
	Runs    []slowStartRun `json:"runs"`
}

// slowStartRun is how long each way takes to the first line.
type slowStartRun struct {
	Start   time.Duration `json:"start_ns"`
	Restore time.Duration `json:"restore_ns"`
	Lazy    time.Duration `json:"lazy_ns"`
}

// slowStart measures a program n times.
func (t *tools) slowStart(ctx context.Context, c ckpt, of slowProgram, n int) (s slowStart, err error) {
	s.Program = of.name
	dir := filepath.Join(t.dir, "start-"+of.name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return s, err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, of.file), []byte(of.text), 0o600); err != nil {
		return s, err
	}
	for range n {
		progress("slow start, %s, run %d of %d ", of.name, len(s.Runs)+1, n)
		var r slowStartRun
		for _, way := range []struct {
			took *time.Duration
			cmd  *exec.Cmd
			then func(pid int) error
		}{
			{&r.Start, exec.Command(of.argv[0], of.argv[1:]...), func(pid int) error {
				_, err := output(ctx, c.path, "save", strconv.Itoa(pid), "-o", filepath.Join(dir, "image"), "--fsync", "no")
				return err
			}},
			{&r.Restore, c.restore(dir), nil},
			{&r.Lazy, c.restoreLazily(dir), nil},
		} {
			way.cmd.Dir = dir
			if *way.took, err = firstLine(ctx, way.cmd, way.then); err != nil {
				return s, err
			}
		}
		s.Runs = append(s.Runs, r)
	}
	progress("")
	return s, nil
}

// firstLine starts a program that prints lines, and gives the time to the first one.
// It ends it when that, and then, has been done.
func firstLine(ctx context.Context, cmd *exec.Cmd, then func(pid int) error) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, step)
	defer cancel()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	defer func() {
		// A restore hands it on to the program.
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = cmd.Wait()
	}()
	if _, err := out.Read(make([]byte, 1)); err != nil {
		return 0, errors.Join(err, ctx.Err())
	}
	took = time.Since(begin)
	go func() { _, _ = io.Copy(io.Discard, out) }() // until it ends
	if then != nil {
		err = then(cmd.Process.Pid)
	}
	return took, err
}

// writeRows prints the part of the table for one program.
func (s slowStart) writeRows(w io.Writer) {
	fmt.Fprintf(w, "\n%s, to its first line, %d runs\n", s.Program, len(s.Runs))
	for _, line := range []struct {
		what string
		of   func(slowStartRun) time.Duration
	}{
		{"started", func(r slowStartRun) time.Duration { return r.Start }},
		{"restored", func(r slowStartRun) time.Duration { return r.Restore }},
		{"restored --lazy", func(r slowStartRun) time.Duration { return r.Lazy }},
	} {
		writeRow(w, line.what, over(s.Runs, func(r slowStartRun) float64 { return float64(line.of(r)) / 1e6 }), "")
	}
}
