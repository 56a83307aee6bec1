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
// pids is that a process with several threads keeps its ids, for which one has to
// be root: see anyIDs; late-ids, that a restore waits for an id that a killed thread
// has not given back yet ("file exists").
//
// Whoever builds one of these takes it as there by CKPT_NEEDS=trees,sockets,
// and removes it here when all that needs it passes.
var missing = []string{"late-ids", "trees"}

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

// anyIDs chooses the programs that work for users who may not choose ids.
func anyIDs(p *probe) bool { return !slices.Contains(p.list("needs"), "pids") }
