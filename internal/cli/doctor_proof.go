package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"ckpt/internal/image"
	"ckpt/internal/save"
	"ckpt/internal/sys"
)

// proofTimeout bounds each half of the proof, which takes milliseconds.
const proofTimeout = 20 * time.Second

// proof is what came of saving and restoring a small process. Times are
// nanoseconds.
type proof struct {
	OK       bool          `json:"ok"`
	Problem  string        `json:"problem,omitempty"`
	Frozen   time.Duration `json:"frozen_ns"`
	Saved    time.Duration `json:"save_ns"`
	Restored time.Duration `json:"restore_ns"`
}

func prove() proof {
	var p proof
	if err := p.run(); err != nil {
		// What explain would print as lines is one cell of a table here.
		var words []string
		for _, line := range explain(err) {
			words = append(words, strings.TrimPrefix(strings.TrimSpace(line), "ckpt: "))
		}
		p.Problem = strings.Join(words, "; ")
		return p
	}
	p.OK = true
	return p
}

// run saves a process that waits for a byte, kills it, and looks whether the
// restored one still waits for it.
func (p *proof) run() error {
	dir, err := os.MkdirTemp("", "ckpt-doctor-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// What the shell has left open would be a reason to refuse.
	if err := sys.CloseRestOnExec(); err != nil {
		return err
	}
	program, err := waitingProgram()
	if err != nil {
		return err
	}
	path, file := filepath.Join(dir, "probe"), filepath.Join(dir, defaultImage)
	if err := os.WriteFile(path, program, 0o700); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), proofTimeout)
	defer cancel()
	if err := p.save(ctx, exec.CommandContext(ctx, path), file); err != nil {
		return fmt.Errorf("save: %w", err)
	}
	begin := time.Now()
	if err := restored(exec.CommandContext(ctx, "/proc/self/exe", "restore", file)); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	p.Restored = time.Since(begin)
	return nil
}

// save starts the probe, saves it and kills it.
func (p *proof) save(ctx context.Context, cmd *exec.Cmd, file string) error {
	cmd.Dir = filepath.Dir(file)
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%w (is %s mounted noexec? set TMPDIR)", err, filepath.Dir(cmd.Dir))
	}
	defer func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // it was killed: an error is what we want
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != waitingSays {
		return fmt.Errorf("the probe said %q: %w", line, errors.Join(err, ctx.Err()))
	}
	r, err := save.Save(ctx, save.Options{
		PID: cmd.Process.Pid, Path: file, Then: save.ThenRun, Timeout: proofTimeout / 2,
		Trigger: image.TriggerCommand, Version: version,
	})
	if err != nil {
		return err
	}
	p.Frozen, p.Saved = r.Frozen, r.Total
	return nil
}

// restored runs a restore of the probe, gives it its byte, and checks what it
// says.
func restored(cmd *exec.Cmd) error {
	var stdout, stderr strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("x"), &stdout, &stderr
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if err != nil || stdout.String() != waitingLives {
		said := strings.TrimPrefix(strings.TrimSpace(stderr.String()), "ckpt: ")
		return fmt.Errorf("the restored probe said %q: %w", stdout.String(), errors.Join(err, nonEmpty(said)))
	}
	return nil
}

func nonEmpty(s string) error {
	if s == "" {
		return nil
	}
	return errors.New(s)
}
