package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"ckpt/internal/image"
)

func newVersion() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of ckpt and of its image format",
		Example: "  ckpt version",
		Args:    exactly(),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *asJSON {
			return sayJSON(cmd, versionJSON{schema("version"), version, image.ManifestVersion, runtime.Version(), runtime.GOARCH})
		}
		return say(cmd, fmt.Sprintf("ckpt %s, image format %d, %s %s\n", version, image.ManifestVersion,
			runtime.Version(), runtime.GOARCH))
	}
	return cmd
}

// versionJSON is what version --json prints.
type versionJSON struct {
	Schema  string `json:"schema"`
	Version string `json:"version"`
	Format  int    `json:"image_format"`
	Go      string `json:"go"`
	Arch    string `json:"arch"`
}
