package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ckpt/internal/save"
)

func newCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check PID",
		Short: "Tell whether a process would survive saving and restoring",
		Long: `Check looks at a running process and all its descendants, and names everything
that could not be saved, with what can be done about it. They are not changed,
and not stopped; only one that has libckpt.so stands still for a few
milliseconds, while it is asked whether the signal still is the library's. The
exit code is 0 if they would survive, 3 if they would with warnings, 4 if they
would not.`,
		Example: `  ckpt check 4711
  ckpt check --json 4711`,
		Args: exactly("PID"),
	}
	asJSON := jsonFlag(cmd)
	given := givenFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		pid, err := parsePID(args[0])
		if err != nil {
			return err
		}
		if pid, err = meant(cmd, pid); err != nil {
			return err
		}
		r, err := save.Check(pid, nil, *given...)
		if err != nil {
			return err
		}
		use := findSignalUse(r)
		if *asJSON {
			r.Obstacles, r.Warnings = notNil(r.Obstacles), notNil(r.Warnings)
			err = sayJSON(cmd, checkJSON{schema("check"), r, use.loaded, len(use.users) > 0})
		} else {
			err = say(cmd, checkText(r, use, paintFor(cmd.OutOrStdout())))
		}
		switch {
		case err != nil:
			return err
		case len(r.Obstacles) > 0:
			return statusError(exitUnsupported)
		case len(r.Warnings) > 0:
			return statusError(exitWarnings)
		}
		return nil
	}
	return cmd
}

// checkJSON is what check --json prints.
type checkJSON struct {
	Schema string `json:"schema"`
	*save.Report
	Agent  bool `json:"libckpt"`        // libckpt.so is loaded
	Itself bool `json:"catches_signal"` // a program uses the signal that saves for itself
}

func checkText(r *save.Report, use signalUse, p painter) string {
	var b strings.Builder
	fmt.Fprintf(&b, "ckpt check: %s", clean(r.Name))
	if n := len(r.Processes) - 1; n > 0 {
		fmt.Fprintf(&b, " and %s", plurals(n, "descendant", "descendants"))
	}
	fmt.Fprintf(&b, ", %s", plural(r.Threads, "thread"))
	if len(r.Obstacles) == 0 {
		fmt.Fprintf(&b, ", %s to save (%s mapped)", size(r.ToSave), size(r.Mapped))
	}
	b.WriteString("\n")
	line := func(colour, verdict, text, advice string) {
		fmt.Fprintf(&b, "  %s  %s\n", p.paint(colour, verdict), clean(text))
		if advice != "" {
			fmt.Fprintf(&b, "        try: %s\n", clean(advice))
		}
	}
	for _, o := range r.Obstacles {
		line(red, "FAIL", o.Where()+": "+o.Reason, o.Advice)
	}
	for _, w := range r.Warnings {
		line(yellow, "warn", w.Where()+": "+w.Reason, w.Advice)
	}
	if len(r.Obstacles) == 0 {
		line(green, "ok  ", plural(r.Files, "file")+", open or mapped", "")
	}
	if text, good := use.text(r.PID); good {
		line(green, "ok  ", text, "")
	} else if text != "" {
		line(yellow, "note", text, use.advice())
	}
	b.WriteString(verdict(r))
	return b.String()
}

func verdict(r *save.Report) string {
	var counts []string
	if n := len(r.Obstacles); n > 0 {
		counts = append(counts, plural(n, "problem"))
	}
	if n := len(r.Warnings); n > 0 {
		counts = append(counts, plural(n, "warning"))
	}
	what, these := strings.Join(counts, ", "), "this process"
	if len(r.Processes) > 1 {
		these = "these processes"
	}
	switch {
	case len(r.Obstacles) > 0:
		return what + ": " + these + " can not be saved now\n"
	case what != "":
		return what + ": " + these + " can be saved\n"
	}
	return these + " can be saved\n"
}
