package proc

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTimeOffsets(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir := filepath.Join(root, "7")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p := FS{root}.Process(7)
	if got, err := p.TimeOffsets(); err != nil || got != (TimeOffsets{}) {
		t.Errorf("without the file: %v, %v", got, err)
	}
	for text, want := range map[string]*TimeOffsets{
		"monotonic           0         0\nboottime            0         0\n": {},
		"monotonic      864000       500\nboottime           -7 999999999\n": {864000e9 + 500, -7e9 + 999999999},
		"monotonic 1\n":             nil,
		"monotonic 1 1000000000\n":  nil,
		"realtime 1 0\n":            nil,
		"monotonic 99999999999 0\n": nil,
	} {
		if err := os.WriteFile(filepath.Join(dir, "timens_offsets"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := p.TimeOffsets()
		if want == nil && err == nil || want != nil && (err != nil || got != *want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if _, err := Host().Process(os.Getpid()).TimeOffsets(); err != nil {
		t.Error(err)
	}
}
