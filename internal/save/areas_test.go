package save

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ckpt/internal/image"
	"ckpt/internal/proc"
)

// smaps makes a proc file system of one process whose smaps has a mapping for
// each line, which is as in maps with the VmFlags (and a protection key) in
// front, separated by bars.
func smaps(t *testing.T, lines ...string) []proc.VMA {
	t.Helper()
	var text strings.Builder
	for _, l := range lines {
		part := strings.SplitN(l, "|", 3)
		fmt.Fprintf(&text, "%s\nRss:                   4 kB\nProtectionKey:         %s\nVmFlags: %s \n", part[2], part[1], part[0])
	}
	dir := filepath.Join(t.TempDir(), "1")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "smaps"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	vmas, err := proc.FS{Root: filepath.Dir(dir)}.Process(1).Smaps()
	if err != nil || len(vmas) != len(lines) {
		t.Fatalf("%d mappings of %d, error %v", len(vmas), len(lines), err)
	}
	return vmas
}

// TestClassify: every kind of mapping, as kernel 6.18 shows them.
func TestClassify(t *testing.T) {
	t.Parallel()
	const at = "7f0000000000-7f0000001000 "
	type want struct {
		Kind   image.AreaKind
		Whole  bool
		Flags  string
		Offset uint64
		Object uint64
		Refuse string // part of the obstacle
	}
	for line, w := range map[string]want{
		// Private memory.
		"rd wr mr mw me ac sd|0|" + at + "rw-p 00000000 00:00 0 ":                                 {Kind: image.Anonymous, Flags: "mw"},
		"rd wr mr mw me gd ac|0|" + at + "rw-p 00000000 00:00 0                          [stack]": {Kind: image.Anonymous, Flags: "mw gd"},
		"rd wr dc wf dd hg nh mg sr rr lo lf nr mw|0|" + at + "rw-p 00000000 00:00 0 ":            {Kind: image.Anonymous, Flags: "dc wf dd hg nh mg sr rr lo lf nr mw"},
		"rd wr|0|" + at + "rw-p 00000000 00:00 0                          [heap]":                 {Kind: image.Anonymous},
		"rd wr|0|" + at + "rw-p 00000000 00:00 0                          [anon:my name]":         {Kind: image.Anonymous},
		"rd wr|0|" + at + "rw-p 00003000 00:05 6                          /dev/zero":              {Kind: image.Anonymous},
		// Shared memory without a name.
		"rd wr sh|0|" + at + "rw-s 00002000 00:01 1034                       /dev/zero (deleted)":  {Kind: image.SharedAnonymous, Offset: 0x2000, Object: 1034},
		"rd wr sh|0|" + at + "rw-s 00000000 00:01 1035                       [anon_shmem:my name]": {Kind: image.SharedAnonymous, Object: 1035},
		// Files.
		"rd mr|0|" + at + "r--p 00001000 fe:00 77                         /usr/bin/data file":           {Kind: image.PrivateFile, Whole: true, Offset: 0x1000},
		"rd ex|0|" + at + "r-xp 00001000 fe:00 78                         /usr/lib/libx.so":             {Kind: image.PrivateFile, Whole: true, Offset: 0x1000},
		"rd|0|7f0000000000-7f0000200000 r--p 00000000 fe:00 77                         /data":           {Kind: image.PrivateFile},
		"rd|0|7f0000000000-7f0000200000 r--p 00000000 fe:00 77                         /data (deleted)": {Kind: image.PrivateFile, Whole: true},
		"rd ex|0|7f0000000000-7f0000200000 r-xp 00000000 fe:00 77                         /prog":        {Kind: image.PrivateFile, Whole: true},
		"rd wr sh mw|0|" + at + "rw-s 00000000 fe:00 77                         /data":                  {Kind: image.SharedFile, Flags: "mw"},
		"rd wr sh mw|0|" + at + "rw-s 00000000 00:01 99                         /memfd:a b (deleted)":   {Kind: image.SharedFile, Flags: "mw"},
		"rd wr|0|" + at + "rw-p 00000000 00:01 99                         /memfd:a b (deleted)":         {Kind: image.PrivateFile, Whole: true},
		// The kernel's own.
		"rd ex|0|" + at + "r-xp 00000000 00:00 0                          [vdso]":                 {Kind: image.VDSO},
		"rd pf io de dd|0|" + at + "r--p 00000000 00:00 0                          [vvar]":        {Kind: image.VVar, Flags: "dd"},
		"rd pf io de dd|0|" + at + "r--p 00000000 00:00 0                          [vvar_vclock]": {Kind: image.VVar, Flags: "dd"},
		// What is refused.
		"rd wr sh|0|" + at + "rw-s 00000000 00:01 3                          /SYSV00001234 (deleted)":  {Kind: image.SharedFile, Refuse: "System V shared memory"},
		"rd wr sh|0|" + at + "rw-s 00000000 00:10 55                         /[aio] (deleted)":         {Kind: image.SharedFile, Refuse: "io_setup(2)"},
		"rd wr sh|0|" + at + "rw-s 00000000 00:0f 1028                       anon_inode:[io_uring]":    {Kind: image.SharedFile, Refuse: "an object of the kernel"},
		"rd wr ht|0|" + at + "rw-p 00000000 00:0f 7                          /anon_hugepage (deleted)": {Kind: image.PrivateFile, Whole: true, Refuse: "huge pages of hugetlbfs"},
		"rd wr um|0|" + at + "rw-p 00000000 00:00 0 ":                                                  {Kind: image.Anonymous, Refuse: "userfaultfd"},
		"rd wr uw|0|" + at + "rw-p 00000000 00:00 0 ":                                                  {Kind: image.Anonymous, Refuse: "userfaultfd"},
		"rd wr ui|0|" + at + "rw-p 00000000 00:00 0 ":                                                  {Kind: image.Anonymous, Refuse: "userfaultfd"},
		"rd wr sh io pf|0|" + at + "rw-s fd000000 00:06 88                         /dev/mem":           {Kind: image.SharedFile, Offset: 0xfd000000, Refuse: "maps a device"},
		"rd wr ss|0|" + at + "rw-p 00000000 00:00 0 ":                                                  {Kind: image.Anonymous, Refuse: "shadow stack"},
		"rd wr sf sh|0|" + at + "rw-s 00000000 fe:00 5                          /pmem/x":               {Kind: image.SharedFile, Refuse: "MAP_SYNC"},
		"ex|1|" + at + "--xp 00000000 00:00 0 ":                                                        {Kind: image.Anonymous},
		"rd wr|3|" + at + "rw-p 00000000 00:00 0 ":                                                     {Kind: image.Anonymous, Refuse: "protection key 3"},
	} {
		s := &subject{}
		ms := s.classify(smaps(t, line))
		if len(ms) != 1 {
			t.Errorf("%s: %d areas", line, len(ms))
			continue
		}
		a := ms[0].Area
		got := want{Kind: a.Kind, Whole: a.Whole, Offset: a.Offset, Object: a.Object}
		for _, f := range strings.Fields(w.Flags) {
			if a.HasFlag(f) {
				got.Flags = strings.TrimSpace(got.Flags + " " + f)
			}
		}
		if n := len(strings.Fields(w.Flags)); n != len(a.Flags) {
			t.Errorf("%s: flags %q", line, a.Flags)
		}
		if len(s.obstacles) > 0 && w.Refuse != "" && strings.Contains(s.obstacles[0].Reason, w.Refuse) {
			got.Refuse = w.Refuse
		}
		if len(s.obstacles) > 0 && w.Refuse == "" {
			t.Errorf("%s: refused: %v", line, s.obstacles)
		}
		if diff := cmp.Diff(w, got); diff != "" {
			t.Errorf("%s: %s", line, diff)
		}
	}
}

// TestClassifyFiles: what is executable in one place is code in all others,
// and addresses of the kernel are nobody's.
func TestClassifyFiles(t *testing.T) {
	t.Parallel()
	s := &subject{}
	ms := s.classify(smaps(t,
		"rd|0|7f0000000000-7f0000200000 r--p 00000000 fe:00 77 /lib/big.so",
		"rd ex|0|7f0000200000-7f0000201000 r-xp 00200000 fe:00 77 /lib/big.so",
		"rd|0|7f0000300000-7f0000500000 r--p 00000000 fe:01 77 /other/disk/big",
		"rd ex|0|7f0000600000-7f0000601000 --xp 00000000 00:00 0 [uprobes]",
		"ex|0|ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]",
	))
	if len(ms) != 3 || !ms[0].Whole || !ms[1].Whole || ms[2].Whole || len(s.obstacles) > 0 {
		t.Errorf("%+v, obstacles %v", ms, s.obstacles)
	}
	if ms[0].Prot != image.ProtRead || ms[1].Prot != image.ProtRead|image.ProtExec || ms[0].Name != "/lib/big.so" {
		t.Errorf("%+v", ms)
	}
}

// TestCapturedClassify: real processes have nothing that is refused.
func TestCapturedClassify(t *testing.T) {
	t.Parallel()
	for _, pid := range []int{1001, 1002} {
		vmas, err := proc.FS{Root: "../proc/testdata/proc"}.Process(pid).Smaps()
		if err != nil {
			t.Fatal(err)
		}
		s := &subject{}
		kinds := map[image.AreaKind]int{}
		for _, m := range s.classify(vmas) {
			kinds[m.Kind]++
			if file := m.Kind == image.PrivateFile || m.Kind == image.SharedFile; file != strings.HasPrefix(m.Name, "/") || file != m.needsFile() {
				t.Errorf("%d: %s is of kind %s", pid, m.Name, m.Kind)
			}
		}
		if len(s.obstacles) > 0 || kinds[image.VDSO] != 1 || kinds[image.VVar] == 0 || kinds[image.PrivateFile] < 10 {
			t.Errorf("%d: %v, obstacles %v", pid, kinds, s.obstacles)
		}
	}
}
