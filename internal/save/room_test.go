package save

import (
	"os"
	"path/filepath"
	"testing"

	"ckpt/internal/proc"
)

// TestRoomForTwin: every limit above the process counts, and the page cache
// does not.
func TestRoomForTwin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		files map[string]string
		ok    bool
	}{
		{"no groups", map[string]string{}, true},
		{"no limit", map[string]string{
			"proc/7/cgroup": "0::/job\n", "cg/job/memory.max": "max\n", "cg/job/memory.current": "1000000000000\n",
		}, true},
		{"tight", map[string]string{
			"proc/7/cgroup": "0::/job\n", "cg/job/memory.max": "20000000\n", "cg/job/memory.current": "15000000\n",
		}, false},
		{"cache", map[string]string{
			"proc/7/cgroup": "0::/job\n", "cg/job/memory.max": "20000000\n", "cg/job/memory.current": "15000000\n",
			"cg/job/memory.stat": "anon 5\ninactive_file 4000000\nactive_file 3000000\n",
		}, true},
		{"parent", map[string]string{
			"proc/7/cgroup": "0::/user/job\n", "cg/user/job/memory.max": "max\n", "cg/user/job/memory.current": "1\n",
			"cg/user/memory.max": "20000000\n", "cg/user/memory.current": "15000000\n",
		}, false},
		{"version 1", map[string]string{
			"proc/7/cgroup":                       "4:memory:/job\n3:cpu,cpuacct:/\n",
			"cg/memory/job/memory.limit_in_bytes": "20000000\n", "cg/memory/job/memory.usage_in_bytes": "15000000\n",
		}, false},
		{"machine", map[string]string{"proc/meminfo": "MemTotal: 20000 kB\nMemAvailable: 5000 kB\n"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, text := range c.files {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			pfs := proc.FS{Root: filepath.Join(dir, "proc")}
			err := roomForTwin(pfs, pfs.Process(7), filepath.Join(dir, "cg"), 10000000)
			if (err == nil) != c.ok {
				t.Errorf("room: %v", err)
			}
		})
	}
}
