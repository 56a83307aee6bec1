package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"ckpt/internal/kind"
	"ckpt/internal/restore"
)

func newRestore() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make a saved process run on",
		Long: `Restore replaces itself by the saved process, which runs on from where it was
saved: with the same memory, files and settings, and with the process id,
terminal and standard streams of this restore. Every checksum of the image is
verified before the program runs its first instruction, but for --lazy.

Several threads or processes keep their own ids instead: restore then stays as
their parent, hands signals on, and ends as the program ends. Where ids may not
be chosen (that takes root, or CAP_CHECKPOINT_RESTORE), or others have them, the
program gets a pid namespace of its own, and does not see processes outside.

With --lazy memory is mapped from the image and read when it is used: a program
of any size runs at once, and many copies share what they only read. That memory
is not verified. The image may be replaced or removed, but not changed in place.
Not for programs that rely on zeros in memory that they have given back with
madvise(MADV_DONTNEED) or enlarged with mremap. From a compressed image a
program runs at once if you are root: for some seconds two processes, ckpt
pager, give it its memory as it runs, verified, and kill it if they can not.

--copies makes many processes of one image, which share the memory that they do
not write to and the standard streams; each has a process id of its own, and so
its copies can tell themselves apart. Images of programs that would all write to
one file are refused by its name. It ends with the status of the first copy, in
their order, that failed, and hands signals on to all.

An image is code: restoring one is running it.

Files that the program writes to are put back to the state they had when it was
saved, so that nothing is written twice: --grown and --changed say how.

The exit code is the program's own. If ckpt itself fails, it is 125 and nothing
was started or changed; if the command line makes no sense, it is 2.`,
		Example: `  ckpt restore myckpt
  ckpt restore --grown fail myckpt        # not if an output file has grown since
  ckpt restore --lazy myckpt              # at once, whatever its size
  ckpt restore --copies 8 myckpt          # eight processes that share memory
  ckpt restore myckpt <input >output      # if those were pipes or a terminal
  ckpt restore --fd 5=3 myckpt 3</dev/tcp/db/5432`,
		Args:        exactly("FILE"),
		Annotations: map[string]string{ownCode: "yes"},
	}
	options := restoreFlags(cmd)
	copies := cmd.Flags().Int(copiesFlag, 1, "restore the image `N` times at once, lazily, and wait for all")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := noEmpty("the name of the image", args[0]); err != nil {
			return err
		}
		if *copies < 1 || *copies > maxCopies {
			return &usageError{fmt.Errorf("--copies %d", *copies), fmt.Sprintf("1 to %d", maxCopies)}
		}
		m := newMeter(cmd.ErrOrStderr(), "verifying")
		defer m.stop()
		o := options(cmd, args[0])
		o.Progress = m.callback()
		var err error
		if *copies > 1 {
			err = restoreCopies(cmd, args[0], *copies)
		} else {
			err = restore.Restore(context.Background(), o)
		}
		var ended *restore.EndedError
		if errors.As(err, &ended) {
			m.stop()
			ended.Exit()
		}
		return err
	}
	return cmd
}

// restoreFlags adds the flags of restore, and gives what makes options of them.
func restoreFlags(cmd *cobra.Command) func(cmd *cobra.Command, path string) restore.Options {
	grown := oneOf(cmd, "grown", "a file open for writing that has grown since is cut back (the tail is kept beside it), kept, or a reason to fail",
		kind.GrownCut, kind.GrownKeep, kind.GrownFail)
	changed := oneOf(cmd, "changed", "a file that was changed in another way is kept (with a warning), or a reason to fail",
		kind.ChangedKeep, kind.ChangedFail)
	pid := oneOf(cmd, "pid", "the process id: the restore's own (new), the saved one (keep), or the saved one where threads need it (auto)",
		restore.PIDAuto, restore.PIDNew, restore.PIDKeep)
	given := handOver{}
	cmd.Flags().Var(given, "fd", "give the program, as its descriptor N that save --fd left out, the descriptor M of this shell")
	lazy := cmd.Flags().Bool(lazyFlag, false, "map memory from the image, which must stay unchanged, instead of reading it: it runs at once, and memory is not verified (but of a compressed image)")
	inside := cmd.Flags().Int(insideFlag, 0, "")
	_ = cmd.Flags().MarkHidden(insideFlag) // it is there
	return func(cmd *cobra.Command, path string) restore.Options {
		return restore.Options{
			Again: func(fd int) []string {
				return append(sameFlags(cmd, "ckpt", "restore"), fmt.Sprintf("--%s=%d", insideFlag, fd), "--", path)
			},
			Inside: *inside, Lazy: *lazy, Given: given, Path: path, PID: pid.value, Policy: kind.Policy{Grown: grown.value, Changed: changed.value},
			Warn: func(object, text string) { warn(cmd, object, text) },
		}
	}
}

const (
	copiesFlag = "copies"
	lazyFlag   = "lazy"
)

// insideFlag is only for ckpt itself: restore.Options.Inside.
const insideFlag = "inside"
