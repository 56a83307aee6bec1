package save

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// TestWrittenTo: a library is written to when the program runs again, and before it is
// read. The image is made once more, with the library read while the program stands.
func TestWrittenTo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	library := filepath.Join(dir, "library")
	// Mappings of ELF files are saved whole.
	elf, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(library, elf[:1<<17], 0o755); err != nil {
		t.Fatal(err)
	}
	if magic, err := sys.FSMagic(library); err != nil || !sys.IsPageCacheFS(magic) {
		t.Skipf("nothing is read later on file system %#x, %v", magic, err)
	}
	eventually(t, "the library to settle", func() bool {
		st, err := sys.StatPath(library)
		return err != nil || time.Since(time.Unix(0, st.Ctime)) > settled+10*time.Millisecond
	})
	g := startProgram(t, nil, "target", "library", library)
	o := options(g, filepath.Join(t.TempDir(), "myckpt"))
	released := 0
	o.Released = func(*image.Manifest) {
		if released++; released > 1 {
			return
		}
		f, err := os.OpenFile(library, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteAt([]byte("changed"), 1<<16)
			_ = f.Close() // the write counts
		}
		if err != nil {
			t.Error(err)
		}
	}
	if _, err := Save(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	if released != 2 {
		t.Errorf("the program was released %d times, not twice", released)
	}
	verified(t, o.Path)
}
