// Package cli is the command line of ckpt: one file a command, and one place
// each for exit codes (exit.go), the wording of errors (explain.go) and what
// may be drawn on a terminal (terminal.go).
//
// Results go to standard output; everything else that is said goes to standard
// error. Messages begin with "ckpt: ", in lower case, without a period. Each
// reading command has --json: one document with a field "schema".
package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"ckpt/internal/image"
	"ckpt/internal/pager"
	"ckpt/internal/save"
)

// version is set by the Makefile: -ldflags "-X ckpt/internal/cli.version=...".
var version = "devel"

// restarter is the name under which ckpt is only ckpt restore. A link costs
// nothing, where a program of its own would be another 6 MB.
const restarter = "myrestart"

// Main is the command with the arguments args, its own name first; it returns
// the exit code.
func Main(args []string) int {
	if len(args) == 0 {
		return exitUsage // execve(2) lets callers do that
	}
	go image.WarmUp()
	if filepath.Base(args[0]) == restarter {
		return run(MyRestart(), args[1:])
	}
	if len(args) > 1 && commands[args[1]] != nil {
		return run(rootWith(args[1]), args[1:])
	}
	return run(Root(), args[1:])
}

// commands are the subcommands by their names.
var commands = map[string]func() *cobra.Command{
	"save": newSave, "restore": newRestore,
	"show": newShow, "verify": newVerify, "plan": newPlan, "core": newCore,
	"flatten": newFlatten, "diff": newDiff,
	"check": newCheck, "doctor": newDoctor, "version": newVersion,
	save.AgentCommand: newAgentSave, pager.Command: newPager, "emit-agent": newEmitAgent,
}

// Root is the command ckpt with all its subcommands.
func Root() *cobra.Command {
	root := newRoot()
	for _, make := range commands {
		root.AddCommand(make())
	}
	return root
}

// rootWith is Root with only that subcommand: making all the others takes as long
// as freezing a process.
func rootWith(name string) *cobra.Command {
	root := newRoot()
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(commands[name]())
	return root
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "ckpt",
		Short: "Save a running process to a file, and make it run on from there",
		Long: `Ckpt saves a running process to an image, a file that is also an ELF core, and
makes it run on from there, on this or any later day. The program needs no
change, and nobody needs to be root.

A program that was started with LD_PRELOAD=/path/to/libckpt.so saves itself to
myckpt in its working directory when it gets SIGUSR2. CKPT_SIGNAL in its
environment names another signal, CKPT_LOG the file for error messages
(myckpt.log). CKPT_INCREMENTAL=1 saves what was written to since the last image.
Its descendants are saved with it, unless CKPT_TREE is "self"; if
it is "root", the topmost process above it with libckpt.so is saved, with all of
its descendants, to that one's working directory. CKPT_COMPRESS is what
ckpt save --compress takes.

` + exitHelp(),
		Example: `  ckpt check 4711             # would process 4711 survive?
  ckpt save 4711              # writes ./myckpt; the process runs on
  ckpt restore myckpt         # makes it run on from there
  ckpt show myckpt            # what is in the image
  gdb PROGRAM myckpt          # where it was`,
		Version: version,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			hint := "see ckpt --help"
			cmd.SuggestionsMinimumDistance = 2 // letters that may be wrong
			if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
				hint = "do you mean " + like[0] + "?"
			}
			return &usageError{fmt.Errorf("unknown command %q", args[0]), hint}
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	prepare(root)
	return root
}

// MyRestart is the command myrestart.
func MyRestart() *cobra.Command {
	cmd := newRestore()
	cmd.Use = restarter + " FILE"
	cmd.Long += "\n\nMyrestart FILE is the same as ckpt restore FILE."
	cmd.Example = "  myrestart myckpt"
	cmd.Version = version
	cmd.CompletionOptions.DisableDefaultCmd = true
	prepare(cmd)
	return cmd
}

// prepare sets what a command at the top has to say about errors and versions.
func prepare(top *cobra.Command) {
	top.SilenceErrors, top.SilenceUsage = true, true
	top.SetVersionTemplate("{{.DisplayName}} {{.Version}}\n")
	top.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err, "see " + cmd.CommandPath() + " --help"}
	})
}

// run executes a command and says what went wrong.
func run(top *cobra.Command, args []string) int {
	top.SetArgs(args)
	cmd, err := top.ExecuteC()
	if err == nil {
		return exitOK
	}
	for _, line := range explain(err) {
		fmt.Fprintln(top.ErrOrStderr(), line)
	}
	return exitCode(err, cmd.Annotations[ownCode] != "")
}

// ownCode is the annotation of commands that end with the exit code of another
// program, so that ckpt's own failures need a code of their own.
const ownCode = "own-code"

// interruptible is a context that ends when the user wants the command to end,
// so that it can clean up. The second time, the signal does what it always did.
func interruptible() (context.Context, func()) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
