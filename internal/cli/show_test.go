package cli

import (
	"strings"
	"testing"
	"unicode/utf8"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

const page = image.PageSize

// saved are the numbers of pages that are in an image.
type saved []uint64

func (s saved) AppendPieces(pieces []image.Piece, start, end uint64) []image.Piece {
	for _, n := range s {
		if n*page >= start && n*page < end {
			pieces = append(pieces, image.Piece{Addr: n * page, Len: page})
		}
	}
	return pieces
}

func TestDescribeAreas(t *testing.T) {
	t.Parallel()
	areas := []image.Area{
		{Start: 10 * page, End: 20 * page, Kind: image.Anonymous},
		{Start: 20 * page, End: 24 * page, Kind: image.PrivateFile, Name: "/lib/libc.so.6"},
		{Start: 24 * page, End: 25 * page, Kind: image.PrivateFile, Name: "/lib/libc.so.6"},
		{Start: 30 * page, End: 31 * page, Kind: image.VVar, Name: "[vvar]"},
	}
	got := describeAreas(areas, saved{11, 19, 22, 23}, nil)
	want := []showMemory{
		{10 * page, 2 * page, 0, 8 * page, 0},
		{4 * page, 2 * page, 2 * page, 0, 0},
		{page, 0, page, 0, 0},
		{page, 0, page, 0, 0},
	}
	for i := range want {
		if got[i].showMemory != want[i] {
			t.Errorf("area %d: %+v, want %+v", i, got[i].showMemory, want[i])
		}
	}
	groups := groupAreas(got)
	if len(groups) != 3 || groups[1].name != "libc.so.6" || groups[1].areas != 2 || groups[1].Mapped != 5*page {
		t.Errorf("groups %+v", groups)
	}
}

// TestBar draws bars of all kinds: never longer than there is room, and what is
// not nothing is seen.
func TestBar(t *testing.T) {
	t.Parallel()
	const columns, largest = 20, 1 << 40
	for _, m := range []showMemory{
		{page, page, 0, 0, 0}, {page, 0, page, 0, 0}, {page, 0, 0, page, 0},
		{1 << 40, page, page, 1<<40 - 2*page, 0}, {1 << 40, 1 << 40, 0, 0, 0},
		{1 << 20, 1 << 19, 1 << 19, 0, 0}, {3 * page, page, page, page, 0}, {largest, largest - page, page, 0, 0},
	} {
		bar := drawBar(m, largest, columns)
		if n := utf8.RuneCountInString(bar); n < 1 || n > columns {
			t.Errorf("%+v: %d columns: %s", m, n, bar)
		}
		if strings.Contains(bar, "█") && m.Saved == 0 || strings.Contains(bar, "▒") && m.FromFile == 0 ||
			strings.Contains(bar, "░") && m.Untouched == 0 {
			t.Errorf("%+v: shows what is not there: %s", m, bar)
		}
		if m.Saved > 0 && !strings.Contains(bar, "█") {
			t.Errorf("%+v: does not show what is saved: %s", m, bar)
		}
	}
}

func TestMemoryTable(t *testing.T) {
	t.Parallel()
	areas := []showArea{{Start: 0x1000, End: 0x3000, Name: "[heap]", showMemory: showMemory{0x2000, 0x800, 0, 0x1000, 0x800}}}
	plain := memoryTable(areas, 0)
	if want := "000000001000       1    8.0 KiB   4.0 KiB         -   4.0 KiB  [heap]\n"; !strings.HasSuffix(plain, want) {
		t.Errorf("got\n%swant\n%s", plain, want)
	}
	wide := memoryTable(areas, 120)
	for line := range strings.Lines(wide) {
		if n := utf8.RuneCountInString(line); n > 121 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if !strings.Contains(wide, "█") {
		t.Errorf("no bar on a wide terminal:\n%s", wide)
	}
}

func TestSignalList(t *testing.T) {
	t.Parallel()
	for want, sigs := range map[string][]int{
		"none":         nil,
		"HUP USR2 SYS": {1, 12, 31},
		"34 64":        {34, 64},
	} {
		if got := signalList(sigs); got != want {
			t.Errorf("%v is %q, want %q", sigs, got, want)
		}
	}
	var most []int
	for sig := 1; sig <= 64; sig++ {
		if sig != 9 && sig != 19 {
			most = append(most, sig)
		}
	}
	if got := signalList(most); got != "all but KILL STOP" {
		t.Errorf("got %q", got)
	}
}

func TestOpenMode(t *testing.T) {
	t.Parallel()
	for flags, want := range map[int]string{
		sys.ORdonly: "r", sys.ORdwr: "rw", sys.OWronly | sys.OAppend: "wa", sys.ORdonly | sys.ONonblock: "rn", sys.OPath: "path",
	} {
		if got := openMode(flags); got != want {
			t.Errorf("%#o is %q, want %q", flags, got, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for want, fds := range map[string][]int{"0": {0}, "0,1,2": {0, 1, 2}, "0,1,2,3": {0, 1, 2, 3}, "0,1,2,+2": {0, 1, 2, 3, 4}} {
		if got := numbers(fds); got != want {
			t.Errorf("%v is %q, want %q", fds, got, want)
		}
	}
}
