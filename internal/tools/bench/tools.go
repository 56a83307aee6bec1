package main

import (
	"bytes"
	"context"
	_ "embed" // the C programs
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

//go:embed c/program.c
var programSource []byte

//go:embed c/reference.c
var referenceSource []byte

//go:embed c/overhead.c
var overheadSource []byte

// tools are the compiled C programs, and the directory for all files.
type tools struct {
	dir, program, reference, loops string
}

// step bounds each single thing that is measured.
const step = 2 * time.Minute

// build compiles the C programs.
func build(ctx context.Context, dir string) (*tools, error) {
	t := &tools{dir: dir, program: filepath.Join(dir, "program"), reference: filepath.Join(dir, "reference"), loops: filepath.Join(dir, "overhead")}
	for _, p := range []struct {
		path   string
		source []byte
	}{{t.program, programSource}, {t.reference, referenceSource}, {t.loops, overheadSource}} {
		if err := os.WriteFile(p.path+".c", p.source, 0o600); err != nil {
			return nil, err
		}
		if _, err := output(ctx, "gcc", "-O2", "-o", p.path, p.path+".c"); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// output runs a command for at most a step and returns what it prints.
func output(ctx context.Context, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, step)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.Bytes(), fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.Bytes(), nil
}

// warm gets so much memory, and some more, from the host, where freed memory
// goes back to within seconds: the first touch of it takes ten times as long as
// any later one. It comes right before whatever takes new memory.
func (t *tools) warm(ctx context.Context, bytes int64) error {
	_, err := t.refer(ctx, "warm", strconv.FormatInt(bytes+bytes/4+64<<20, 10))
	return err
}

// refer runs the reference program and returns the time it measured.
func (t *tools) refer(ctx context.Context, args ...string) (time.Duration, error) {
	out, err := output(ctx, t.reference, args...)
	if err != nil {
		return 0, err
	}
	ns, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reference %s: %w", args[0], err)
	}
	return time.Duration(ns), nil
}
