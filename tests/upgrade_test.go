package tests

import (
	"os"
	"path/filepath"
	"testing"
)

// TestUpgradedProgram: a program whose executable was replaced or removed since
// the save goes on with the code that it had.
func TestUpgradedProgram(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"replaced", "removed"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			dir := workDir(t, os.Geteuid())
			program := filepath.Join(dir, "program")
			if err := copyFile(program, target(t, "counter")); err != nil {
				t.Fatal(err)
			}
			p := start(t, command{argv: []string{program, "60"}, dir: dir, uid: os.Geteuid()})
			p.awaitOutput("\n3 ")
			p.save(os.Geteuid(), "--then", "kill")
			p.wait()
			if err := os.Remove(program); err != nil {
				t.Fatal(err)
			}
			if how == "replaced" {
				if err := copyFile(program, target(t, "fault")); err != nil {
					t.Fatal(err)
				}
			}
			p = restore(t, "myrestart", dir, os.Geteuid(), "program")
			if code := p.wait(); code != 0 {
				t.Fatalf("status %d: %s", code, text(dir, "restore.err"))
			}
			got := text(dir, "out")
			straightDir := workDir(t, os.Geteuid())
			straight := start(t, command{argv: []string{target(t, "counter"), "60", "1"}, dir: straightDir, uid: os.Geteuid()})
			if code := straight.wait(); code != 0 {
				t.Fatalf("straight run: status %d", code)
			}
			if got != text(straightDir, "out") {
				t.Errorf("the restored program counted otherwise:\n%s", got)
			}
		})
	}
}
