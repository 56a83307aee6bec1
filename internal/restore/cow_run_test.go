package restore

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// waits is a program that waits for signals: mov $34, %eax; syscall; jmp.
var waits = []byte{0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7}

// TestCopyOnWrite: what a child has from its parent is one memory again, and
// everything else is its own.
func TestCopyOnWrite(t *testing.T) {
	t.Parallel()
	if sys.ProbeSetTID() != nil {
		t.Skip("only root can choose ids")
	}
	const at, pages = 0x600000, 256
	m := family(t, 3)
	var spaces []image.Space
	for i := range m.Processes {
		p := &m.Processes[i]
		p.Areas = append(p.Areas, image.Area{Start: at, End: at + pages*pageSize, Prot: rw, Kind: image.Anonymous, File: -1, Flags: []string{}})
		p.Threads[0].Regs = abi.Regs{Rip: 0x400000, Cs: 0x33, Ss: 0x2b, Eflags: 0x202, Rsp: 0x402000}
		spaces = append(spaces, image.Space{Areas: p.Areas, Runs: []image.Run{{Start: 0x400000, Len: pageSize}}})
	}
	for i := range m.Processes {
		m.Processes[i].Areas[0].Prot |= image.ProtExec
	}
	// The parent has all but the last page. The child has the same, but for one
	// that is zero, one of its own, and the last one. The grandchild has what the
	// child has, but for one page.
	run := func(from, to uint64) image.Run {
		return image.Run{Start: at + from*pageSize, Len: (to - from) * pageSize}
	}
	same := func(process int, from, to uint64) image.Same { return image.Same{Run: run(from, to), Process: process} }
	spaces[0].Runs = append(spaces[0].Runs, run(0, pages-1))
	spaces[1].Runs = append(spaces[1].Runs, run(11, 12), run(pages-1, pages))
	spaces[1].Same = []image.Same{same(0, 0, 10), same(0, 12, pages-1)}
	spaces[2].Runs = append(spaces[2].Runs, run(20, 21))
	spaces[2].Same = []image.Same{same(0, 0, 10), same(1, 11, 12), same(0, 12, 20), same(0, 21, pages-1), same(1, pages-1, pages)}
	want := make([][]byte, len(spaces)) // a byte for each page
	for i := range want {
		want[i] = make([]byte, pages)
		for _, s := range spaces[i].Same {
			copy(want[i][(s.Start-at)/pageSize:], want[s.Process][(s.Start-at)/pageSize:][:s.Len/pageSize])
		}
		for _, r := range spaces[i].Runs[1:] {
			for n := (r.Start - at) / pageSize; n < (r.Start-at+r.Len)/pageSize; n++ {
				want[i][n] = byte(1 + i*100 + int(n)%50)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "myckpt")
	w, err := image.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := w.Layout(image.Layout{Processes: spaces}); err != nil {
		t.Fatal(err)
	}
	for i, s := range spaces {
		put := func(r image.Run, content func(page uint64) []byte) {
			for n := uint64(0); n < r.Len; n += pageSize {
				page := make([]byte, pageSize)
				copy(page, content((r.Start+n-at)/pageSize))
				if err := w.Process(i).WriteMemory(r.Start+n, page); err != nil {
					t.Fatal(err)
				}
			}
		}
		put(s.Runs[0], func(uint64) []byte { return waits })
		for _, r := range s.Runs[1:] {
			put(r, func(page uint64) []byte { return bytes.Repeat(want[i][page:page+1], pageSize) })
		}
	}
	if _, err := w.Commit(m, image.CommitOptions{}); err != nil {
		t.Fatal(err)
	}

	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), restoreEnv+"="+path)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		for i := range m.Processes {
			_ = syscall.Kill(m.Processes[i].PID, syscall.SIGKILL)
		}
		_ = cmd.Wait() // as the program ended: killed
	}()
	for i := range m.Processes {
		pid := m.Processes[i].PID
		await(t, &said, func() bool {
			call, _ := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
			return strings.HasPrefix(string(call), "34 ")
		})
		mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, pages*pageSize)
		if _, err := mem.ReadAt(got, at); err != nil {
			t.Fatal(err)
		}
		mem.Close()
		for n := range want[i] {
			if !bytes.Equal(got[n*pageSize:][:pageSize], bytes.Repeat(want[i][n:n+1], pageSize)) {
				t.Errorf("process %d, page %d: %d, want %d", i, n, got[n*pageSize], want[i][n])
			}
		}
		if shared := sharedIn(t, pid, at); shared < (pages-10)*pageSize/1024 {
			t.Errorf("process %d shares %d kB of %d", i, shared, pages*pageSize/1024)
		}
	}
}

// await waits until something is so.
func await(t *testing.T, said *bytes.Buffer, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in vain: %s", said)
		}
	}
}

// sharedIn is how many kB of the area at an address are other processes', too.
func sharedIn(t *testing.T, pid int, at uint64) (kB int) {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	inside := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if strings.Contains(line, "-") && strings.Contains(line, " rw") {
			inside = strings.HasPrefix(line, fmt.Sprintf("%08x-", at))
		}
		var n int
		if _, err := fmt.Sscanf(line, "Shared_Dirty: %d kB", &n); err == nil && inside {
			kB += n
		}
	}
	return kB
}
