package save

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"ckpt/internal/proc"
)

// TestFirstChild: process 1 of a restore's namespaces is asked for its program, and
// has adopted others.
func TestFirstChild(t *testing.T) {
	for _, c := range []struct {
		name     string
		children map[int]string // by thread
		want     int
	}{
		{"none", map[int]string{1: ""}, 0},
		{"of the first thread", map[int]string{1: "40 50 ", 7: ""}, 40},
		{"of another thread", map[int]string{1: "50 60 ", 7: "", 9: "40 "}, 40},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			for tid, list := range c.children {
				dir := filepath.Join(root, "1", "task", fmt.Sprint(tid))
				if err := os.MkdirAll(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "children"), []byte(list), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got := firstChild(proc.FS{Root: root}.Process(1), 1); got != c.want {
				t.Errorf("process %d, want %d", got, c.want)
			}
		})
	}
}
