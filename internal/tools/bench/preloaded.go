package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// preloaded is ckpt as kill -12 starts it in a program with libckpt.so. It always waits
// for the disk, which the program does not.
type preloaded struct{ ckpt }

func (preloaded) name() string { return "kill -12, with fsync" }

func (p preloaded) wrap(dir string) []string {
	return []string{"env", "-C", dir, "LD_PRELOAD=" + p.library()}
}

// save sends the signal and waits until the image has its name.
func (p preloaded) save(ctx context.Context, pid int, dir string) error {
	if err := syscall.Kill(pid, syscall.SIGUSR2); err != nil {
		return err
	}
	for end := time.Now().Add(step); time.Now().Before(end); time.Sleep(poll) {
		if _, err := os.Stat(p.image(dir)); !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if log, err := os.ReadFile(p.image(dir) + ".log"); err == nil {
			return errors.New(string(log))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return fmt.Errorf("no image after %v", step)
}

func (preloaded) image(dir string) string { return filepath.Join(dir, "myckpt") }

func (p preloaded) restore(dir string) *exec.Cmd {
	return exec.Command(p.path, "restore", p.image(dir))
}

func (p preloaded) restoreLazily(dir string) *exec.Cmd {
	return exec.Command(p.path, "restore", "--lazy", p.image(dir))
}
