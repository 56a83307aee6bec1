package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// ckpt is what this repository builds.
type ckpt struct{ path string }

// findCkpt finds the binary: in CKPT_BIN, else in ./bin.
func findCkpt() (ckpt, error) {
	dir := os.Getenv("CKPT_BIN")
	if dir == "" {
		dir = "bin"
	}
	path, err := filepath.Abs(filepath.Join(dir, "ckpt"))
	if err != nil {
		return ckpt{}, err
	}
	if _, err := os.Stat(path); err != nil {
		return ckpt{}, fmt.Errorf("%w: run make first, or set CKPT_BIN to the directory of the binaries", err)
	}
	return ckpt{path}, nil
}

func (ckpt) name() string { return "ckpt" }

func (ckpt) wrap(string) []string { return nil }

func (c ckpt) save(ctx context.Context, pid int, dir string) error {
	return c.saveThen(ctx, "run", pid, dir)
}

func (c ckpt) saveAndStop(ctx context.Context, pid int, dir string) error {
	return c.saveThen(ctx, "stop", pid, dir)
}

func (c ckpt) saveThen(ctx context.Context, then string, pid int, dir string) error {
	_, err := output(ctx, c.path, "save", strconv.Itoa(pid), "-o", filepath.Join(dir, "image"), "--fsync", "no", "--then", then)
	return err
}

func (c ckpt) restore(dir string) *exec.Cmd {
	return exec.Command(c.path, "restore", filepath.Join(dir, "image"))
}

func (c ckpt) restoreLazily(dir string) *exec.Cmd {
	return exec.Command(c.path, "restore", "--lazy", filepath.Join(dir, "image"))
}
