package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"ckpt/internal/image"
)

func newFlatten() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "flatten FILE",
		Short: "Make an incremental image complete in itself",
		Long: `Flatten writes what an incremental image holds, and what it keeps of the images
that it goes on from, as one image that needs no other. It is the same
checkpoint, with the same id, and takes the place of the other for images that
go on from it. Nothing is run; checksums are looked at. The images that it went
on from are not removed.`,
		Example: `  ckpt flatten myckpt             # in its place
  ckpt flatten -o job7.ckpt myckpt`,
		Args: exactly("FILE"),
	}
	output := cmd.Flags().StringP("output", "o", "", "write the image to this file (default in the place of FILE)")
	fsync := oneOf(cmd, "fsync", "wait until the image would survive a power cut", "data", "no")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		im, err := openImage(args[0])
		if err != nil {
			return err
		}
		defer im.Close()
		path := args[0]
		if cmd.Flags().Changed("output") {
			if err := noEmpty("the name of the image", *output); err != nil {
				return err
			}
			path = *output
		}
		ctx, stop := interruptible()
		defer stop()
		parents := 0
		for at := im.Parent(); at != nil; at = at.Parent() {
			parents++
		}
		s, err := im.Flatten(ctx, path, image.CommitOptions{Fsync: fsync.value == "data"})
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		if *asJSON {
			return sayJSON(cmd, flattenJSON{schema("flatten"), args[0], im.Manifest().ID, parents, path, s.Size, s.Memory, s.Payload})
		}
		return say(cmd, fmt.Sprintf("%s: %s of %s in one\n", clean(path), size(uint64(s.Memory+s.Payload)), plural(parents+1, "image")))
	}
	return cmd
}

// flattenJSON is what flatten --json prints.
type flattenJSON struct {
	Schema  string `json:"schema"`
	Image   string `json:"image"`
	ID      string `json:"id"`
	Parents int    `json:"parents"` // images that it was in, besides that one
	Output  string `json:"output"`
	Size    int64  `json:"size"` // of the output
	Memory  int64  `json:"memory"`
	Payload int64  `json:"payload"`
}
