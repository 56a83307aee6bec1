package proc

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMapsLines(t *testing.T) {
	t.Parallel()
	text := `00400000-00452000 r-xp 00000000 08:02 173521                             /usr/bin/a b
7f0000000000-7f0000001000 rw-s 7fffffff000 103:fffff 18446744073709551615 /x\012y (deleted) (deleted)
7f0000001000-7f0000002000 ---p 00000000 00:00 0 
7f0000002000-7f0000003000 rw-p 00000000 00:00 0                          [anon:a (b) c]
7f0000003000-7f0000004000 rw-s 00000000 00:01 1034                       /memfd:m n (deleted)
7f0000004000-7f0000005000 rw-p 00000000 fe:00 9                          /tail 
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
`
	want := []VMA{
		{Start: 0x400000, End: 0x452000, Read: true, Exec: true, DevMajor: 8, DevMinor: 2, Inode: 173521, Path: "/usr/bin/a b"},
		{
			Start: 0x7f0000000000, End: 0x7f0000001000, Read: true, Write: true, Shared: true, Offset: 0x7fffffff000,
			DevMajor: 0x103, DevMinor: 0xfffff, Inode: 1<<64 - 1, Path: "/x\ny (deleted)", Deleted: true,
		},
		{Start: 0x7f0000001000, End: 0x7f0000002000},
		{Start: 0x7f0000002000, End: 0x7f0000003000, Read: true, Write: true, Path: "[anon:a (b) c]"},
		{
			Start: 0x7f0000003000, End: 0x7f0000004000, Read: true, Write: true, Shared: true,
			DevMinor: 1, Inode: 1034, Path: "/memfd:m n", Deleted: true,
		},
		{Start: 0x7f0000004000, End: 0x7f0000005000, Read: true, Write: true, DevMajor: 0xfe, Inode: 9, Path: "/tail "},
		{Start: 0xffffffffff600000, End: 0xffffffffff601000, Exec: true, Path: "[vsyscall]"},
	}
	if diff := cmp.Diff(want, mustParse(t, text, parseMaps)); diff != "" {
		t.Error(diff)
	}
}

func TestMapsBad(t *testing.T) {
	t.Parallel()
	const good = "00400000-00452000 r-xp 00000000 08:02 17 /a\n"
	for _, line := range []string{
		"",
		"00500000-00600000 r-xp 00000000 08:02 17",
		"00600000-00500000 r-xp 00000000 08:02 17 ",
		"00500000-00500000 r-xp 00000000 08:02 17 ",
		"00500000 r-xp 00000000 08:02 17 ",
		"10000000000500000-10000000000600000 r-xp 00000000 08:02 17 ",
		"00500000-00600000 r-x 00000000 08:02 17 ",
		"00500000-00600000 rwxP 00000000 08:02 17 ",
		"00500000-00600000 wr-p 00000000 08:02 17 ",
		"00500000-00600000 r-xp x 08:02 17 ",
		"00500000-00600000 r-xp 00000000 0802 17 ",
		"00500000-00600000 r-xp 00000000 08:02 18446744073709551616 ",
		"00500000-00600000 r-xp 00000000 08:02 -1 ",
		"Rss:       8 kB",
	} {
		wantBad(t, good+line+"\n", 2, parseMaps)
		if line != "Rss:       8 kB" {
			wantBad(t, good+line+"\n", 2, parseSmaps)
		}
	}
	_, err := parseText(good+"00451000-00460000 r-xp 00000000 08:02 17 \n", parseMaps)
	if !errors.Is(err, errOverlap) {
		t.Errorf("overlap gives %v", err)
	}
}

func TestSmapsLines(t *testing.T) {
	t.Parallel()
	text := `00400000-00452000 r-xp 00000000 08:02 17 /Rss: a
Size:                328 kB
Rss:                   8 kB
Private_Dirty:         4 kB
AnonHugePages:      2048 kB
Swap:                 12 kB
Locked:                0 kB
New_Key: whatever
THPeligible:           0
ProtectionKey:         3
VmFlags: rd ex mr mw me 
7f0000001000-7f0000002000 ---p 00000000 00:00 0 
Rss:                   0 kB
VmFlags: mr gd 
`
	got := mustParse(t, text, parseSmaps)
	want := []VMA{
		{
			Start: 0x400000, End: 0x452000, Read: true, Exec: true, DevMajor: 8, DevMinor: 2, Inode: 17, Path: "/Rss: a",
			Rss: 8 << 10, PrivateDirty: 4 << 10, AnonHugePages: 2 << 20, Swap: 12 << 10, ProtectionKey: 3,
			VmFlags: []string{"rd", "ex", "mr", "mw", "me"},
		},
		{Start: 0x7f0000001000, End: 0x7f0000002000, VmFlags: []string{"mr", "gd"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !got[1].HasFlag("gd") || got[0].HasFlag("gd") || got[1].Size() != 4096 {
		t.Error("HasFlag or Size is wrong")
	}
	const head = "00400000-00452000 r-xp 00000000 08:02 17 /a\n"
	wantBad(t, "Rss:   8 kB\n", 1, parseSmaps)
	wantBad(t, head+"Rss\n", 2, parseSmaps)
	wantBad(t, head+"Rss: 8\n", 2, parseSmaps)
	wantBad(t, head+"Swap: 99999999999999999999 kB\n", 2, parseSmaps)
	wantBad(t, head+"ProtectionKey:  -1\n", 2, parseSmaps)
}

// manyMaps is the maps of a process with n mappings of a few files.
func manyMaps(n int) string {
	var b strings.Builder
	for i := range n {
		start := 0x7f0000000000 + uint64(i)<<13
		fmt.Fprintf(&b, "%012x-%012x rw-p %08x fe:00 %d                     /usr/lib/lib%d.so.6\n",
			start, start+4096, i<<12, 247278+i%7, i%7)
	}
	return b.String()
}

func TestMapsAllocations(t *testing.T) {
	text := manyMaps(5000)
	allocs := testing.AllocsPerRun(3, func() {
		l := newLines(strings.NewReader(text), "test", maxList)
		if list, err := parseMaps(l); err != nil || len(list) != 5000 {
			t.Errorf("%d mappings, error %v", len(list), err)
		}
	})
	if allocs > 100 {
		t.Errorf("%v allocations for 5000 mappings", allocs)
	}
}

func BenchmarkMaps(b *testing.B) {
	text := manyMaps(50000)
	for b.Loop() {
		l := newLines(strings.NewReader(text), "test", maxList)
		if _, err := parseMaps(l); err != nil {
			b.Fatal(err)
		}
	}
}
