package save

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"ckpt/internal/image"
	"ckpt/internal/kind"
	"ckpt/internal/proc"
)

func ownFiles(t *testing.T) *files {
	t.Helper()
	s := &subject{proc: proc.Host().Process(os.Getpid())}
	f, err := openFiles(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestListDescriptors: descriptors that were duplicated share an open file,
// those that were opened twice do not; and others come and go meanwhile.
func TestListDescriptors(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	one, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	two, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer two.Close()
	dup, err := syscall.Dup(int(one.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(dup)

	stop, stopped := make(chan struct{}), make(chan struct{})
	defer func() { close(stop); <-stopped }()
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				if f, err := os.Open(path); err == nil {
					f.Close()
				}
			}
		}
	}()
	for range 20 {
		f := ownFiles(t)
		if err := f.listDescriptors(); err != nil {
			// kcmp of one that was closed: only a process that runs has this.
			if !errors.Is(err, syscall.EBADF) {
				t.Fatal(err)
			}
			continue
		}
		file := map[int]image.Descriptor{}
		for _, d := range f.tables[0].list {
			file[d.FD] = d
		}
		a, b, c := file[int(one.Fd())], file[int(two.Fd())], file[dup]
		if a.File != c.File || a.File == b.File || !a.CloseOnExec || c.CloseOnExec {
			t.Fatalf("opened %+v, again %+v, duplicated %+v", a, b, c)
		}
		if d := f.descs[a.File]; d.Link != path || d.FD != min(int(one.Fd()), dup) {
			t.Errorf("described as %+v", d)
		}
	}
}

// TestFileOfMapping: a mapping is made from a descriptor that may do what it
// needs, else from a file of its own.
func TestFileOfMapping(t *testing.T) {
	t.Parallel()
	const inode = 77
	desc := func(fd int, flags uint32) *kind.Desc {
		d := &kind.Desc{FD: fd, Link: "/data"}
		d.Stat.Ino, d.Stat.DevMajor = inode, 8
		d.Info.Flags = flags
		return d
	}
	vma := &proc.VMA{Start: 1 << 30, End: 1<<30 + pageSize, DevMajor: 8, Inode: inode, Path: "/data"}
	other := &proc.VMA{Start: 2 << 30, End: 2<<30 + pageSize, DevMajor: 9, Inode: inode, Path: "/data"}
	private := mapping{Area: image.Area{Kind: image.PrivateFile, File: -1}, vma: vma}
	shared := mapping{Area: image.Area{Kind: image.SharedFile, Flags: []string{"mw"}, File: -1}, vma: vma}
	foreign := mapping{Area: image.Area{Kind: image.PrivateFile, File: -1}, vma: other}
	anonymous := mapping{Area: image.Area{Kind: image.Anonymous, File: -1}, vma: &proc.VMA{}}
	const path = 0o10000000 // O_PATH
	for name, c := range map[string]struct {
		descs []*kind.Desc
		m     []mapping
		want  []int // files of the mappings
		flags uint32
	}{
		"read":          {[]*kind.Desc{desc(3, syscall.O_RDONLY)}, []mapping{private}, []int{0}, 0},
		"write only":    {[]*kind.Desc{desc(3, syscall.O_WRONLY)}, []mapping{private}, []int{1}, 0},
		"path only":     {[]*kind.Desc{desc(3, path)}, []mapping{private}, []int{1}, 0},
		"shared":        {[]*kind.Desc{desc(3, syscall.O_RDONLY)}, []mapping{shared}, []int{1}, syscall.O_RDWR},
		"shared, both":  {[]*kind.Desc{desc(3, syscall.O_RDONLY), desc(4, syscall.O_RDWR)}, []mapping{shared, private}, []int{1, 0}, 0},
		"other device":  {[]*kind.Desc{desc(3, syscall.O_RDWR)}, []mapping{foreign, foreign}, []int{1, 1}, 0},
		"none":          {nil, []mapping{private, private, anonymous}, []int{0, 0, -1}, 0},
		"read, written": {nil, []mapping{private, shared, private}, []int{0, 1, 0}, 0},
	} {
		f := &files{descs: c.descs}
		f.addMappings(&subject{proc: proc.Host().Process(os.Getpid())}, c.m)
		for i, want := range c.want {
			if c.m[i].File != want {
				t.Errorf("%s: mapping %d is of file %d, want %d", name, i, c.m[i].File, want)
			}
		}
		if last := len(f.descs) - 1; c.flags != 0 && f.descs[last].Info.Flags != c.flags {
			t.Errorf("%s: to be opened with flags %#o", name, f.descs[last].Info.Flags)
		}
	}
}
