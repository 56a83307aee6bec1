package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"ckpt/internal/image"
)

func newCore() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "core FILE",
		Short: "Write a process of an image as a core file of its own",
		Long: `Core writes one of the processes of an image as a plain core file, for gdb and
other debuggers. An image is the core of its first process already; this is for
the others, and for tools that want a core and nothing else. What is not saved
is a hole in the file. Checksums are looked at.`,
		Example: `  ckpt core --pid 4712 myckpt           # writes core.4712
  ckpt core --pid 4712 -o x.core myckpt
  gdb PROGRAM core.4712`,
		Args: exactly("FILE"),
	}
	pid := pidFlag(cmd, "process to write, as ckpt show --tree lists them (default the first)")
	output := cmd.Flags().StringP("output", "o", "", "file to write (default core.PID)")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		im, err := openImage(args[0])
		if err != nil {
			return err
		}
		defer im.Close()
		i, err := findProcess(im, args[0], *pid)
		if err != nil {
			return err
		}
		p := im.Process(i)
		path := fmt.Sprintf("core.%d", p.PID)
		if cmd.Flags().Changed("output") {
			if err := noEmpty("the name of the core", *output); err != nil {
				return err
			}
			path = *output
		}
		if err := notTheImage(im, path); err != nil {
			return err
		}
		ctx, stop := interruptible()
		defer stop()
		n, err := im.WriteCore(ctx, i, path)
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		if *asJSON {
			return sayJSON(cmd, coreJSON{schema("core"), args[0], p.PID, path, n})
		}
		return say(cmd, fmt.Sprintf("wrote %s (%s): gdb %s %s\n", clean(path), size(uint64(n)), quoted([]string{p.Exe}), quoted([]string{path})))
	}
	return cmd
}

// notTheImage refuses to replace the image by one of its processes.
func notTheImage(im *image.Image, path string) error {
	there, err := os.Stat(path)
	if err != nil {
		return nil // whatever is wrong, creating it will tell
	}
	if im.SameFile(there) {
		return &usageError{fmt.Errorf("%s is the image itself", path), "name another file with -o"}
	}
	return nil
}

// coreJSON is what core --json prints.
type coreJSON struct {
	Schema string `json:"schema"`
	Image  string `json:"image"`
	PID    int    `json:"pid"`
	Core   string `json:"core"`
	Size   int64  `json:"size"`
}

// pidFlag adds --pid, which completes to the processes of the image that is on
// the command line.
func pidFlag(cmd *cobra.Command, usage string) *int {
	pid := cmd.Flags().Int("pid", 0, usage)
	complete := func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var words []cobra.Completion
		if len(args) > 0 {
			if im, err := image.Open(args[0]); err == nil {
				defer im.Close()
				for _, p := range im.Manifest().Processes {
					words = append(words, cobra.CompletionWithDesc(fmt.Sprint(p.PID), p.Threads[0].Comm))
				}
			}
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
	if err := cmd.RegisterFlagCompletionFunc("pid", complete); err != nil {
		panic(err) // a flag of that name was added above
	}
	return pid
}

// findProcess is the index of the process with that id; 0 is the first one.
func findProcess(im *image.Image, path string, pid int) (int, error) {
	all := im.Manifest().Processes
	if pid == 0 {
		return 0, nil
	}
	for i := range all {
		if all[i].PID == pid {
			return i, nil
		}
	}
	return 0, &usageError{fmt.Errorf("%s: no process %d in it", path, pid), "ckpt show --tree lists them"}
}
