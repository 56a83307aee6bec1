package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"ckpt/internal/plan"
	"ckpt/internal/restore"
)

func newPlan() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan FILE",
		Short: "Print the system calls by which an image would be restored",
		Long: `Plan compiles an image as ckpt restore would do here and now, and prints the
result like strace: the system calls that the new process makes before it
becomes the saved one. Nothing is started or changed. What docs/plan.md calls
slots, results of earlier calls, are written $4, $5 and so on.`,
		Example: `  ckpt plan myckpt
  ckpt plan myckpt | grep mmap`,
		Args: exactly("FILE"),
	}
	options := restoreFlags(cmd)
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := noEmpty("the name of the image", args[0]); err != nil {
			return err
		}
		p, err := restore.Compile(options(cmd, args[0]))
		if err != nil {
			return err
		}
		if *asJSON {
			document := planJSON{Schema: schema("plan"), Image: args[0], Steps: []plan.Line{}}
			for line := range plan.Lines(p) {
				document.Steps = append(document.Steps, line)
			}
			return sayJSON(cmd, document)
		}
		var b strings.Builder
		if err := plan.Format(&b, p); err != nil {
			return err
		}
		return say(cmd, b.String())
	}
	return cmd
}

// planJSON is what plan --json prints.
type planJSON struct {
	Schema string      `json:"schema"`
	Image  string      `json:"image"`
	Steps  []plan.Line `json:"steps"`
}
