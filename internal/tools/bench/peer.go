package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// peer is another checkpointer.
type peer interface {
	engine
	// usable says why it can not be measured here.
	usable(ctx context.Context) error
}

func peers() []peer { return []peer{criu{}, dmtcp{}} }

// criu is CRIU, which needs root or capabilities.
type criu struct{}

func (criu) name() string { return "criu" }

func (criu) usable(ctx context.Context) error {
	if _, err := exec.LookPath("criu"); err != nil {
		return err
	}
	_, err := output(ctx, "criu", "check")
	return err
}

func (criu) wrap(string) []string { return nil }

func (criu) save(ctx context.Context, pid int, dir string) error {
	_, err := output(ctx, "criu", "dump", "-t", strconv.Itoa(pid), "-D", dir, "--leave-running", "--shell-job")
	return err
}

func (criu) restore(dir string) *exec.Cmd {
	return exec.Command("criu", "restore", "-D", dir, "--shell-job", "--restore-detached")
}

// dmtcp is DMTCP without compression, with a coordinator for each program.
type dmtcp struct{}

func (dmtcp) name() string { return "dmtcp" }

func (dmtcp) usable(context.Context) error {
	for _, tool := range []string{"dmtcp_launch", "dmtcp_command", "dmtcp_restart"} {
		if _, err := exec.LookPath(tool); err != nil {
			return err
		}
	}
	return nil
}

// portFile is where the coordinator of a program leaves its port.
const portFile = "port"

func (dmtcp) wrap(dir string) []string {
	return []string{"dmtcp_launch", "--no-gzip", "--interval", "0", "--new-coordinator",
		"--coord-port", "0", "--port-file", filepath.Join(dir, portFile), "--ckptdir", dir}
}

func (dmtcp) save(ctx context.Context, _ int, dir string) error {
	port, err := os.ReadFile(filepath.Join(dir, portFile))
	if err != nil {
		return err
	}
	_, err = output(ctx, "dmtcp_command", "--coord-port", strings.TrimSpace(string(port)), "--bcheckpoint")
	return err
}

func (dmtcp) restore(dir string) *exec.Cmd {
	images, err := filepath.Glob(filepath.Join(dir, "*.dmtcp"))
	cmd := exec.Command("dmtcp_restart", append([]string{"--new-coordinator", "--coord-port", "0"}, images...)...)
	if err == nil && len(images) != 1 {
		err = fmt.Errorf("%d images instead of one", len(images))
	}
	if err != nil {
		cmd.Err = err
	}
	return cmd
}
