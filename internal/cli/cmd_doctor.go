package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func newDoctor() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Tell what this host, kernel and user allow, and prove it",
		Long: `Doctor asks the kernel for everything that saving and restoring use, says what
follows where something is missing, and then saves and restores a small process
of its own. The exit code is 0 if that worked, 6 if not.`,
		Example: `  ckpt doctor
  ckpt doctor --json`,
		Args: exactly(),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d := doctorJSON{Schema: schema("doctor"), Version: version}
		for _, p := range probes {
			s := p.ask()
			s.Name = p.name
			d.Probes = append(d.Probes, s)
		}
		d.Proof = prove()
		var err error
		if *asJSON {
			err = sayJSON(cmd, d)
		} else {
			err = say(cmd, doctorText(&d, paintFor(cmd.OutOrStdout())))
		}
		if err == nil && !d.Proof.OK {
			return statusError(exitIncompatible)
		}
		return err
	}
	return cmd
}

// doctorJSON is what doctor --json prints.
type doctorJSON struct {
	Schema  string  `json:"schema"`
	Version string  `json:"version"`
	Probes  []state `json:"probes"`
	Proof   proof   `json:"proof"`
}

// Verdicts of a probe.
const (
	verdictOK      = "ok"      // all is well
	verdictLimited = "limited" // it works, with a consequence
	verdictNo      = "no"      // saving or restoring does not work
)

// state is what a probe found.
type state struct {
	Name    string `json:"name"`
	Verdict string `json:"verdict"`
	Found   string `json:"found"`
	Means   string `json:"means,omitempty"` // the consequence
}

func doctorText(d *doctorJSON, p painter) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	colours := map[string]string{verdictOK: green, verdictLimited: yellow, verdictNo: red}
	for _, s := range d.Probes {
		text := s.Found
		if s.Means != "" {
			text += ": " + s.Means
		}
		// All verdicts of a column are coloured or none, or it would not align.
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Name, p.paint(colours[s.Verdict], s.Verdict), clean(text))
	}
	_ = w.Flush() // to memory
	if d.Proof.OK {
		fmt.Fprintf(&b, "\n%s: a process was saved (frozen %s, total %s), killed and restored (%s)\n", p.paint(green, "proved"),
			duration(d.Proof.Frozen), duration(d.Proof.Saved), duration(d.Proof.Restored))
		return b.String()
	}
	fmt.Fprintf(&b, "\n%s: %s\n", p.paint(red, "it does not work here"), clean(d.Proof.Problem))
	return b.String()
}
