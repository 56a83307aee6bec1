package cli

import (
	"fmt"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"ckpt/internal/proc"
	"ckpt/internal/save"
)

func newCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check PID",
		Short: "Tell whether a process would survive saving and restoring",
		Long: `Check looks at a running process and all its descendants, and names everything
that could not be saved, with what can be done about it. They are neither
stopped nor changed. The exit code is 0 if they would survive, 3 if they would
with warnings, 4 if they would not.`,
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
		agent := hasAgent(pid)
		if *asJSON {
			r.Obstacles, r.Warnings = notNil(r.Obstacles), notNil(r.Warnings)
			err = sayJSON(cmd, checkJSON{schema("check"), r, agent})
		} else {
			err = say(cmd, checkText(r, agent, paintFor(cmd.OutOrStdout())))
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
	Agent bool `json:"libckpt"` // libckpt.so is loaded
}

// hasAgent reports whether the process runs with libckpt.so. It only decides
// about a remark, so whatever can not be read counts as no.
func hasAgent(pid int) bool {
	vmas, _ := proc.Host().Process(pid).Maps()
	for _, v := range vmas {
		if path.Base(v.Path) == "libckpt.so" {
			return true
		}
	}
	return false
}

func checkText(r *save.Report, agent bool, p painter) string {
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
	switch {
	case agent:
		line(green, "ok  ", fmt.Sprintf("libckpt.so is loaded: kill -12 %d saves it, too", r.PID), "")
	case r.CatchUSR2:
		line(yellow, "note", "it uses SIGUSR2 itself: save it with ckpt save, not kill -12", "")
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
