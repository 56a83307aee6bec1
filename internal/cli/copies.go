package cli

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"ckpt/internal/restore"
)

// maxCopies bounds --copies: each is a process.
const maxCopies = 10000

// handedOn are the signals that all copies get. A terminal gives its own to the
// whole process group, which they are in.
var handedOn = []os.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGCONT}

// restoreCopies restores an image so many times, and waits for all. The error is
// how the first one of those that failed did.
func restoreCopies(cmd *cobra.Command, path string, copies int) error {
	lazy, err := restore.CheckCopies(path, func(object, text string) { warn(cmd, object, text) })
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, handedOn...)
	ignored := make(chan os.Signal, 1)
	signal.Notify(ignored, syscall.SIGINT, syscall.SIGQUIT)
	if tty, err := os.Open("/dev/tty"); err != nil {
		signal.Notify(signals, syscall.SIGINT, syscall.SIGQUIT)
	} else {
		tty.Close()
	}
	args := []string{"ckpt", "restore"}
	for _, a := range sameFlags(cmd) {
		if !strings.HasPrefix(a, "--"+copiesFlag+"=") && !strings.HasPrefix(a, "--"+lazyFlag+"=") {
			args = append(args, a)
		}
	}
	if lazy {
		args = append(args, "--"+lazyFlag)
	}
	args = append(args, "--", path)
	var all []*os.Process
	kill := func(s syscall.Signal) {
		for _, p := range all {
			_ = p.Signal(s) // it may have ended
		}
	}
	for i := range copies {
		p, err := os.StartProcess("/proc/self/exe", args, &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
		if err != nil {
			kill(syscall.SIGKILL)
			return fmt.Errorf("start copy %d: %w", i+1, err)
		}
		all = append(all, p)
	}
	go func() {
		for s := range signals {
			kill(s.(syscall.Signal))
		}
	}()
	var failed error
	for i, p := range all {
		state, err := p.Wait()
		if err != nil {
			return fmt.Errorf("wait for copy %d: %w", i+1, err)
		}
		if !state.Success() {
			fmt.Fprintf(cmd.ErrOrStderr(), "ckpt: copy %d (process %d): %v\n", i+1, p.Pid, state)
			if failed == nil {
				failed = &restore.EndedError{Status: state.Sys().(syscall.WaitStatus)}
			}
		}
	}
	return failed
}
