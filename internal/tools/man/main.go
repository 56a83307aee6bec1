// Man writes the manual pages of ckpt, one for each command, to a directory.
// It is a program of its own so that ckpt need not carry the generator.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"ckpt/internal/cli"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: man DIRECTORY")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "man:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, top := range []*cobra.Command{cli.Root(), cli.MyRestart()} {
		top.DisableAutoGenTag = true
		spellOut(top)
		// The date is today's, or that of SOURCE_DATE_EPOCH.
		header := &doc.GenManHeader{Section: "1", Source: "ckpt " + top.Version, Manual: "Checkpoint and restart"}
		if err := doc.GenManTree(top, header, dir); err != nil {
			return err
		}
	}
	return nil
}

// spellOut adds to the description of each flag what words it takes, which
// --help has in another column and the generator leaves out.
func spellOut(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if words := f.Value.Type(); strings.Contains(words, "|") {
			f.Usage += "; one of " + strings.ReplaceAll(words, "|", ", ")
		}
	})
	for _, sub := range cmd.Commands() {
		spellOut(sub)
	}
}
