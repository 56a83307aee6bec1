package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"ckpt/internal/sys"
)

// needPager skips a test where a program can not be given its memory later.
func needPager(t *testing.T) {
	t.Helper()
	device, err := sys.ProbePager()
	if err != nil {
		t.Skipf("no userfaultfd for a pager: %v", err)
	}
	if device != nil {
		device.Close()
	}
}

// pagedRun is the target paged, restored lazily from a compressed image.
type pagedRun struct {
	*process
	sum   string // what is right
	saved []byte // the image
}

// startPaged starts the target and saves it.
func startPaged(t *testing.T) *pagedRun {
	t.Helper()
	needPager(t)
	dir := workDir(t, os.Geteuid())
	p := start(t, command{argv: []string{target(t, "paged")}, dir: dir, uid: os.Geteuid()})
	p.awaitOutput("sum ")
	p.awaitOutput("\n")
	p.save(os.Geteuid(), "--compress", "zstd:1")
	p.kill()
	return &pagedRun{p, sumOf(lines(text(dir, "out"))[0]), read(t, dir, "myckpt")}
}

func lines(s string) []string { return strings.Split(strings.TrimSuffix(s, "\n"), "\n") }

var sumLine = regexp.MustCompile(`^missing (\d+) sum ([0-9a-f]+)$`)

func sumOf(line string) string {
	if m := sumLine.FindStringSubmatch(line); m != nil {
		return m[2]
	}
	return ""
}

// again restores it.
func (r *pagedRun) again() {
	r.t.Helper()
	r.process = restore(r.t, lazily, r.dir, os.Geteuid(), "paged")
}

// check looks at all that it has written: a sum may be missing, but not wrong. It
// reports whether there was one while pages were missing.
func (r *pagedRun) check() (early bool) {
	r.t.Helper()
	all := lines(text(r.dir, "out"))
	for _, line := range all {
		if got := sumOf(line); got != r.sum {
			r.t.Fatalf("%q instead of sum %s", line, r.sum)
		}
		early = early || !strings.HasPrefix(line, "missing 0 ")
	}
	return early
}

// pagers are the processes that give it its memory, the warden and the pager: 0 if
// there is none.
func (r *pagedRun) pagers() (warden, pager int) {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range all {
		line, _ := os.ReadFile(name)
		role, ours := strings.CutPrefix(string(line), "ckpt\x00pager\x00")
		stderr, _ := os.Readlink(filepath.Join(filepath.Dir(name), "fd/2"))
		if !ours || filepath.Dir(stderr) != r.dir {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		switch strings.TrimRight(role, "\x00") {
		case "warden":
			warden = pid
		case "pager":
			pager = pid
		}
	}
	return warden, pager
}

// awaitAlone waits until nobody is left who gives it memory.
func (r *pagedRun) awaitAlone() {
	r.t.Helper()
	eventually(r.t, "the end of the pager", func() bool {
		warden, pager := r.pagers()
		return warden == 0 && pager == 0
	})
}

// inTime repeats what must happen while the pager is at work, which may be too fast.
func inTime(t *testing.T, try func() bool) {
	t.Helper()
	const tries = 20
	for range tries {
		if try() {
			return
		}
	}
	t.Errorf("the pager was too fast %d times", tries)
}

// TestPaged: a program runs before it has its memory, gets all of it, and keeps
// nothing of the pager.
func TestPaged(t *testing.T) {
	t.Parallel()
	r := startPaged(t)
	inTime(t, func() bool {
		r.again()
		eventually(t, "a line of the program", func() bool { return len(lines(text(r.dir, "out"))) > 2 || r.ended() })
		r.awaitAlone()
		if r.ended() {
			t.Fatalf("the program has ended with status %d: %s", r.wait(), text(r.dir, "restore.err"))
		}
		if flags := string(r.proc("smaps")); strings.Contains(flags, " um ") || !strings.Contains(flags, "VmFlags:") {
			t.Error("memory is still watched")
		}
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", r.pid()))
		if err != nil || len(fds) != 3 {
			t.Error("open descriptors:", fds, err)
		}
		early := r.check()
		r.kill()
		return early
	})
}

// TestPagedSaved: a program that is saved while pages are missing has all of them in
// the image.
func TestPagedSaved(t *testing.T) {
	t.Parallel()
	r := startPaged(t)
	inTime(t, func() bool {
		if err := os.WriteFile(filepath.Join(r.dir, "myckpt"), r.saved, 0o600); err != nil {
			t.Fatal(err)
		}
		r.again()
		_, pager := r.pagers()
		r.save(os.Geteuid())
		r.kill()
		r.process = restore(t, "ckpt", r.dir, os.Geteuid(), "paged")
		seen := len(text(r.dir, "out"))
		eventually(t, "more lines of the program", func() bool { return len(text(r.dir, "out")) > seen+100 || r.ended() })
		r.check()
		r.kill()
		return pager != 0
	})
}

// TestPagedKilled: whoever of the two ends before all is given, the program ends with
// it, and has seen nothing wrong.
func TestPagedKilled(t *testing.T) {
	for _, who := range []string{"pager", "warden"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			r := startPaged(t)
			inTime(t, func() bool {
				r.again()
				warden, pager := r.pagers()
				victim, word := pager, "the process that gives it its memory ended (signal: killed) before all was there"
				if who == "warden" {
					victim, word = warden, "the process that watches this one has ended"
				}
				if victim == 0 || syscall.Kill(victim, syscall.SIGKILL) != nil {
					r.kill()
					return false
				}
				r.awaitAlone()
				said := text(r.dir, "restore.err")
				if !strings.Contains(said, word) {
					r.check()
					r.kill()
					return false // all was given
				}
				if code := r.wait(); code != 128+int(syscall.SIGKILL) {
					t.Errorf("status %d", code)
				}
				r.check()
				return true
			})
		})
	}
}

// TestPagedDamaged: a program never sees a page whose checksum is not right.
func TestPagedDamaged(t *testing.T) {
	t.Parallel()
	r := startPaged(t)
	for _, part := range []int{30, 60, 90} {
		b := append([]byte(nil), r.saved...)
		b[len(b)/100*part] ^= 4
		if err := os.WriteFile(filepath.Join(r.dir, "myckpt"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		r.again()
		if code := r.wait(); code != 128+int(syscall.SIGKILL) {
			t.Errorf("%d %%: status %d", part, code)
		}
		r.awaitAlone()
		if said := text(r.dir, "restore.err"); !strings.Contains(said, "is killed: its memory can not be given to it: damaged image") {
			t.Errorf("%d %%: %s", part, said)
		}
		r.check()
	}
}

// TestPagedExec: the pager does not outlast the program that it is for.
func TestPagedExec(t *testing.T) {
	t.Parallel()
	r := startPaged(t)
	if err := os.WriteFile(filepath.Join(r.dir, "exec"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.process = restore(t, lazily, r.dir, os.Geteuid(), "sleep")
	r.awaitAlone()
	if r.ended() || strings.Contains(text(r.dir, "restore.err"), "killed") {
		t.Errorf("the program has ended: %s", text(r.dir, "restore.err"))
	}
}

// TestPagedProbes: programs notice nothing.
func TestPagedProbes(t *testing.T) {
	some := func(p *probe) bool {
		return p.variant != "static" && regexp.MustCompile("^mem_(brk|huge|mmap|realloc)|^thr_(stacks|fork)").MatchString(p.name)
	}
	eachProbe(t, some, func(t *testing.T, p *probe) { lazyTwice(t, p, os.Geteuid(), "--compress", "zstd:1") })
}

// TestPagedUnprivileged: who may not leave memory for later hears of it, and the program
// gets all at once.
func TestPagedUnprivileged(t *testing.T) {
	t.Parallel()
	uid := os.Geteuid()
	if isRoot() {
		uid = nobody
	}
	dir := workDir(t, uid)
	p := start(t, command{argv: []string{target(t, "counter"), "100000"}, dir: dir, uid: uid})
	p.awaitOutput("\n3 ")
	p.save(uid, "--compress", "zstd")
	p.kill()
	p = restore(t, lazily, dir, uid, "counter")
	seen := len(text(dir, "out"))
	eventually(t, "the program counts on", func() bool { return len(text(dir, "out")) > seen })
	p.kill()
	if said := text(dir, "restore.err"); !strings.Contains(said, "--lazy: the image is compressed, and giving its memory later takes root") {
		t.Error(said)
	}
}
