package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
)

// say prints a result to standard output. A result that could not be printed
// is a failure: the disk behind a redirection may be full.
func say(cmd *cobra.Command, text string) error {
	if _, err := cmd.OutOrStdout().Write([]byte(text)); err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	return nil
}

// sayJSON prints a document.
func sayJSON(cmd *cobra.Command, document any) error {
	b, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	return say(cmd, string(b)+"\n")
}

// schema names the shape of a command's document; a number goes up when a
// reader of the old shape would go wrong.
func schema(command string) string { return "ckpt/" + command + "/1" }

// warn says something that is not the result.
func warn(cmd *cobra.Command, object, text string) {
	fmt.Fprintf(cmd.ErrOrStderr(), "ckpt: warning: %s\n", clean(object+": "+text))
}
