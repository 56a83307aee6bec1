package cli

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ckpt/internal/save"
	"ckpt/internal/sys"
)

// meant finds the process that a command is about. If that one has namespaces of
// its own, the command is run in there, so that all ids are those that it knows;
// then the error ends this one.
func meant(cmd *cobra.Command, pid int) (int, error) {
	l := save.Locate(pid)
	if l.Guardian {
		fmt.Fprintf(cmd.ErrOrStderr(), "ckpt: %d is the restore that stays beside process %d, which is the one that is meant\n", pid, l.PID)
	}
	if l.Flags == 0 {
		return l.PID, nil
	}
	code, err := runThere(cmd, l)
	if err != nil {
		return l.PID, nil // it is refused with a reason
	}
	return l.PID, statusError(code)
}

// runThere runs the same command in a process's namespaces, and gives its exit
// code.
func runThere(cmd *cobra.Command, l save.Location) (int, error) {
	dir, err := os.Getwd()
	if err != nil {
		return 0, err
	}
	args := append(sameFlags(cmd, "ckpt", cmd.Name()), "--", fmt.Sprint(l.Inner))
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	pid, err := sys.StartBeside(l.PID, l.Flags, dir, args, os.Environ())
	if err != nil {
		return 0, err
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case s := <-signals:
				_ = syscall.Kill(pid, s.(syscall.Signal)) // it may have ended
			case <-done:
				return
			}
		}
	}()
	p, err := os.FindProcess(pid)
	if err != nil {
		return 0, err
	}
	state, err := p.Wait()
	if err != nil {
		return 0, err
	}
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return state.ExitCode(), nil
}

// sameFlags adds the flags that a command was given to the beginning of a command
// line.
func sameFlags(cmd *cobra.Command, args ...string) []string {
	cmd.Flags().Visit(func(f *pflag.Flag) { args = append(args, "--"+f.Name+"="+f.Value.String()) })
	return args
}
