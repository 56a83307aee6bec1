package tests

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// missing are the needs of programs (the directive needs=...) that the engine
// cannot meet yet. Tests that save such a program are skipped; run without any
// checkpoint it has to work all the same.
//
// pids is that a process with several threads keeps its own id, too; late-ids,
// that a restore waits for an id that a killed thread has not given back yet
// ("file exists").
//
// Whoever builds one of these takes it as there by CKPT_NEEDS=pids,trees,
// and removes it here when all that needs it passes.
var missing = []string{"pids", "late-ids", "trees", "sockets", "ptys", "pidfds"}

// needEngine skips a test that saves what the engine cannot save yet.
func needEngine(t *testing.T, needs []string) {
	t.Helper()
	for _, need := range needs {
		if !engineHas(need) {
			t.Skipf("the engine does not save %s yet", need)
		}
	}
}

// engineHas reports whether the engine can do it, or is taken as if it could.
func engineHas(need string) bool {
	meant := strings.Split(os.Getenv("CKPT_NEEDS"), ",")
	return !slices.Contains(missing, need) || slices.Contains(meant, need)
}
