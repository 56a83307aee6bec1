package cli

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"ckpt/internal/image"
	"ckpt/internal/save"
)

// defaultImage is the name of an image if nobody says another.
const defaultImage = "myckpt"

func newSave() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "save PID",
		Short: "Save a running process to an image",
		Long: `Save writes an image of a running process and all its descendants, from which
ckpt restore makes them run on. They are stopped for some milliseconds, all at
the same time, and go on as if nothing had happened; --then says otherwise. An
older image of the same name is replaced when the new one is complete, and not
before.

A compressed image is in the seekable zstd format: all commands take it like any
other, and zstd -d makes a plain one of it.

With --incremental the image holds only what was written to since the last image
that was saved so, and goes on from that one, which is kept beside it as
FILE.ID if it had the same name. From time to time, and whenever something is
in the way, the image is complete; then those that nothing in the directory goes
on from are removed. The program pays about a microsecond at its first write to
each page after such a save.

Processes that would not survive are refused before they are touched, with the
reasons; ckpt check tells the same without saving.`,
		Example: `  ckpt save 4711                          # writes ./myckpt
  ckpt save 4711 -o /scratch/job7.ckpt --then kill
  ckpt save 4711 --compress zstd          # a tenth to a third of the size
  ckpt save --json "$(pgrep -n myprog)"`,
		Args: exactly("PID"),
	}
	output := cmd.Flags().StringP("output", "o", defaultImage, "write the image to this file")
	then := oneOf(cmd, "then", "what becomes of the processes afterwards",
		string(save.ThenRun), string(save.ThenStop), string(save.ThenKill))
	fsync := oneOf(cmd, "fsync", "wait until the image would survive a power cut", "data", "no")
	compress := cmd.Flags().String("compress", "none", "compress the image: none or zstd[:LEVEL], LEVEL from 1 to 22")
	incremental := cmd.Flags().Bool("incremental", false, "save only what was written to since the last image that was saved so")
	timeout := cmd.Flags().Duration("timeout", 30*time.Second, "how long the processes may take to stop")
	asJSON := jsonFlag(cmd)
	given := givenFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		pid, err := parsePID(args[0])
		if err != nil {
			return err
		}
		if err := noEmpty("the name of the image", *output); err != nil {
			return err
		}
		if *timeout <= 0 {
			return &usageError{fmt.Errorf("--timeout %v", *timeout), "a time like 30s or 2m"}
		}
		level, err := compression("--compress", *compress)
		if err != nil {
			return err
		}
		if pid, err = meant(cmd, pid); err != nil {
			return err
		}
		o := save.Options{
			PID: pid, Path: *output, Then: save.Then(then.value), Sync: fsync.value == "data",
			Compress: level, Timeout: *timeout, Trigger: image.TriggerCommand, Version: version, Given: *given,
			Incremental: *incremental,
		}
		return runSave(cmd, o, *asJSON)
	}
	return cmd
}

func runSave(cmd *cobra.Command, o save.Options, asJSON bool) error {
	ctx, stop := interruptible()
	defer stop()
	m := newMeter(cmd.ErrOrStderr(), "saving")
	defer m.stop()
	o.Progress = m.callback()
	r, err := save.Save(ctx, o)
	m.stop()
	if err != nil {
		return err
	}
	for _, w := range r.Warnings {
		warn(cmd, w.Where(), w.Reason)
	}
	if asJSON {
		err = sayJSON(cmd, saveDocument(o, r))
	} else {
		err = say(cmd, saveLine(o, r))
	}
	if err == nil && len(r.Warnings) > 0 {
		return statusError(exitWarnings)
	}
	return err
}

func saveLine(o save.Options, r *save.Result) string {
	what, these := "", "the process is"
	if n := len(r.Manifest.Processes); n > 1 {
		what, these = fmt.Sprintf(" of %d processes", n), "the processes are"
	}
	end := map[save.Then]string{save.ThenStop: "; " + these + " stopped", save.ThenKill: "; " + these + " killed"}[o.Then]
	from := ""
	switch {
	case r.Parent != nil:
		from = fmt.Sprintf(" on top of %s", clean(r.Parent.Path))
	case r.Whole != nil:
		from = fmt.Sprintf(" as a complete image: %s", clean(r.Whole.Error()))
	}
	why := ""
	if o.Then == save.ThenRun {
		why = way(r)
	}
	packed := ""
	if o.Compress > 0 {
		packed = " as " + size(uint64(r.Stats.Size))
	}
	return fmt.Sprintf("%s: %s%s saved%s%s, frozen %s%s, total %s%s\n", clean(o.Path),
		size(uint64(r.Stats.Memory+r.Stats.Payload)), what, packed, from, duration(r.Frozen), why, duration(r.Total), end)
}

// way says how memory was saved while the program ran, and why not in a way that
// would have held it up for less.
func way(r *save.Result) string {
	switch {
	case r.NoTwin != nil:
		return fmt.Sprintf(" (all the while: %v)", r.NoTwin)
	case r.Ahead && r.NotAhead == nil:
		return " (copied ahead)"
	case r.NotAhead != nil:
		return fmt.Sprintf(" (forked: %v)", r.NotAhead)
	}
	return ""
}

// saveJSON is what save --json prints. Times are nanoseconds.
type saveJSON struct {
	Schema   string         `json:"schema"`
	Image    string         `json:"image"` // absolute path
	ID       string         `json:"id"`
	PID      int            `json:"pid"`
	PIDs     []int          `json:"pids"` // of all processes, that one first
	Then     string         `json:"then"`
	Size     int64          `json:"size"`    // of the file
	Raw      int64          `json:"raw"`     // of the file if it is not compressed, or once it is no more
	Memory   int64          `json:"memory"`  // bytes of memory in it
	Payload  int64          `json:"payload"` // bytes of files and pipes in it
	Zeros    int64          `json:"zeros"`   // bytes of memory that need no room
	Frozen   int64          `json:"frozen_ns"`
	NoTwin   string         `json:"no_twin,omitempty"`   // why it was frozen while memory was saved
	Ahead    bool           `json:"copied_ahead"`        // memory was copied while the program ran
	NotAhead string         `json:"not_ahead,omitempty"` // why it was not, or not all of it
	Parent   *image.Parent  `json:"parent,omitempty"`    // that it goes on from
	Complete string         `json:"complete,omitempty"`  // why it does not, if it was to
	Fsync    int64          `json:"fsync_ns"`
	Total    int64          `json:"total_ns"`
	Warnings []save.Finding `json:"warnings"`
}

func saveDocument(o save.Options, r *save.Result) saveJSON {
	path := o.Path
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	why := ""
	if r.NoTwin != nil {
		why = r.NoTwin.Error()
	}
	notAhead := ""
	if r.NotAhead != nil {
		notAhead = r.NotAhead.Error()
	}
	complete := ""
	if r.Whole != nil {
		complete = r.Whole.Error()
	}
	var pids []int
	for i := range r.Manifest.Processes {
		pids = append(pids, r.Manifest.Processes[i].PID)
	}
	return saveJSON{
		Schema: schema("save"), NoTwin: why, Ahead: r.Ahead, NotAhead: notAhead, Parent: r.Parent, Complete: complete, Image: path, ID: r.Manifest.ID, PID: o.PID, PIDs: pids, Then: string(o.Then),
		Size: r.Stats.Size, Raw: r.Stats.Raw, Memory: r.Stats.Memory, Payload: r.Stats.Payload, Zeros: r.Stats.ZeroSkipped,
		Frozen: r.Frozen.Nanoseconds(), Fsync: r.Sync.Nanoseconds(), Total: r.Total.Nanoseconds(),
		Warnings: notNil(r.Warnings),
	}
}

// notNil makes an empty list [] in JSON and not null.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
