package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"ckpt/internal/emit"
)

func newEmitAgent() *cobra.Command {
	cmd := &cobra.Command{
		Use:    "emit-agent FILE",
		Short:  "Write libckpt.so (for the Makefile)",
		Hidden: true,
		Args:   exactly("FILE"),
	}
	engine := cmd.Flags().String("engine", "", "absolute path of ckpt, used if it is neither beside the library nor in ../bin")
	if err := cmd.MarkFlagRequired("engine"); err != nil {
		panic(err) // the flag was added a line above
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		library, err := emit.Agent(*engine)
		if err != nil {
			return err
		}
		return replaceFile(args[0], library)
	}
	return cmd
}

// replaceFile writes a file that programs may have mapped: they keep the old
// one.
func replaceFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".libckpt-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already if all went well
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(0o755)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
