package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func newVerify() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check every checksum of an image",
		Long: `Verify reads a whole image and checks that it is as it was written: headers,
notes, every piece of memory and of files. A single flipped bit is found. The
exit code is 5 if the image is damaged.`,
		Example: `  ckpt verify myckpt
  ckpt verify --json myckpt`,
		Args: exactly("FILE"),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		im, err := openImage(args[0])
		if err != nil {
			return err
		}
		defer im.Close()
		ctx, stop := interruptible()
		defer stop()
		m := newMeter(cmd.ErrOrStderr(), "verifying")
		err = im.Verify(ctx, runtime.NumCPU(), m.callback())
		m.stop()
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		s := im.Stats()
		if *asJSON {
			return sayJSON(cmd, verifyJSON{
				Schema: schema("verify"), Image: args[0], ID: im.Manifest().ID,
				Size: s.Size, Memory: s.Memory, Payload: s.Payload, Chunks: s.Chunks,
			})
		}
		return say(cmd, fmt.Sprintf("%s: %s read, all %s match\n", clean(args[0]), size(uint64(s.Size)),
			plural(s.Chunks, "checksum")))
	}
	return cmd
}

// verifyJSON is what verify --json prints; there is none for a damaged image.
type verifyJSON struct {
	Schema  string `json:"schema"`
	Image   string `json:"image"`
	ID      string `json:"id"`
	Size    int64  `json:"size"`
	Memory  int64  `json:"memory"`
	Payload int64  `json:"payload"`
	Chunks  int    `json:"chunks"`
}
