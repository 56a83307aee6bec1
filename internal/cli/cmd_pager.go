package cli

import (
	"github.com/spf13/cobra"

	"ckpt/internal/pager"
)

func newPager() *cobra.Command {
	return &cobra.Command{
		Use:    pager.Command + " ROLE",
		Short:  "Give a program its memory (started by ckpt restore --lazy)",
		Hidden: true,
		Args:   exactly("ROLE"),
		RunE:   func(_ *cobra.Command, args []string) error { return pager.Main(args[0]) },
	}
}
