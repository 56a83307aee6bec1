package tests

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ckpt/internal/image"
)

// startFamily starts a process with a child, both with libckpt.so, and gives the
// child's id.
func startFamily(t *testing.T, env ...string) (p *process, child int) {
	t.Helper()
	needRoot(t) // Yama
	p = start(t, command{
		argv: []string{target(t, "family"), "signals"}, dir: workDir(t, os.Geteuid()), uid: os.Geteuid(),
		env: append(env, "LD_PRELOAD="+binary(t, "libckpt.so"), "CKPT_LOG="+agentLog),
	})
	p.awaitOutput("\n3 ")
	child, err := strconv.Atoi(strings.TrimSpace(string(procFile(p.pid(), "task/"+strconv.Itoa(p.pid())+"/children"))))
	if err != nil {
		t.Fatal(err)
	}
	return p, child
}

// inImage are the ids of the processes in dir/myckpt, none if it is not there.
func inImage(dir string) (pids []int) {
	im, err := image.Open(filepath.Join(dir, "myckpt"))
	if err != nil {
		return nil
	}
	defer im.Close()
	for i := range im.Manifest().Processes {
		pids = append(pids, im.Manifest().Processes[i].PID)
	}
	return pids
}

// TestAgentTree: CKPT_TREE says what a signal to a member of a tree saves.
func TestAgentTree(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		tree       string
		ask        func(parent, child int) int
		wants      func(parent, child int) []int
		complaints string
	}{
		{"", func(p, _ int) int { return p }, func(p, c int) []int { return []int{p, c} }, ""},
		{"", func(_, c int) int { return c }, func(_, c int) []int { return []int{c} }, ""},
		{"root", func(_, c int) int { return c }, func(p, c int) []int { return []int{p, c} }, ""},
		{"root", func(p, _ int) int { return p }, func(p, c int) []int { return []int{p, c} }, ""},
		{"self", func(p, _ int) int { return p }, nil, "would not be saved with it"},
		{"all", func(p, _ int) int { return p }, nil, "CKPT_TREE"},
	} {
		t.Run(c.tree, func(t *testing.T) {
			t.Parallel()
			p, child := startFamily(t, "CKPT_TREE="+c.tree)
			if err := syscall.Kill(c.ask(p.pid(), child), syscall.SIGUSR2); err != nil {
				t.Fatal(err)
			}
			if c.wants == nil {
				eventually(t, "a word in the log", func() bool { return strings.Contains(text(p.dir, agentLog), c.complaints) })
				return
			}
			want := c.wants(p.pid(), child)
			eventually(t, "the image; "+text(p.dir, agentLog), func() bool { got := inImage(p.dir); return slices.Equal(got, want) })
		})
	}
}

// TestTwoSignals: two processes of a tree get the signal at the same moment. Both
// are heard, and the tree counts on.
func TestTwoSignals(t *testing.T) {
	t.Parallel()
	for _, tree := range []string{"", "root"} {
		t.Run(tree, func(t *testing.T) {
			t.Parallel()
			p, child := startFamily(t, "CKPT_TREE="+tree)
			watch, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(watch)
			if _, err := unix.InotifyAddWatch(watch, p.dir, unix.IN_MOVED_TO); err != nil {
				t.Fatal(err)
			}
			for range 5 {
				for _, pid := range []int{p.pid(), child} {
					if err := syscall.Kill(pid, syscall.SIGUSR2); err != nil {
						t.Fatal(err)
					}
				}
				images := 0
				eventually(t, "two images; "+text(p.dir, agentLog), func() bool {
					var event [unix.SizeofInotifyEvent + unix.NAME_MAX + 1]byte
					if n, err := unix.Read(watch, event[:]); err == nil && n > 0 {
						images += bytes.Count(event[:n], []byte("myckpt\x00"))
					}
					return images == 2 && engineOf(p.pid()) == 0 && engineOf(child) == 0
				})
				if log := text(p.dir, agentLog); log != "" {
					t.Fatal(log)
				}
			}
			n := len(text(p.dir, "out"))
			eventually(t, "the program to count on", func() bool { return len(text(p.dir, "out")) > n })
		})
	}
}
