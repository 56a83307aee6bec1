package cli

import (
	"errors"
	"strings"
	"testing"

	"ckpt/internal/image"
	"ckpt/internal/save"
)

// TestSaveSaysHow: the line of a save says in which way memory was saved, and why
// not in a better one.
func TestSaveSaysHow(t *testing.T) {
	t.Parallel()
	why := errors.New("of the moon")
	for want, r := range map[string]save.Result{
		"frozen 0.0 ms, total":                            {},
		"frozen 0.0 ms (copied ahead), total":             {Ahead: true},
		"frozen 0.0 ms (forked: of the moon), total":      {NotAhead: why},
		"frozen 0.0 ms (all the while: of the moon), tot": {NotAhead: why, NoTwin: why},
	} {
		r.Manifest = &image.Manifest{Processes: make([]image.Process, 1)}
		o := save.Options{Path: "myckpt", Then: save.ThenRun}
		if line := saveLine(o, &r); !strings.Contains(line, want) {
			t.Errorf("%q is not in %q", want, line)
		}
	}
	r := save.Result{NotAhead: why, Manifest: &image.Manifest{Processes: make([]image.Process, 1)}}
	if line := saveLine(save.Options{Then: save.ThenKill}, &r); strings.Contains(line, "moon") {
		t.Errorf("of a killed process: %q", line)
	}
}
