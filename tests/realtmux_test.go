package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// pane is a shell in a tmux of its own.
type pane struct {
	t     *testing.T
	dir   string
	uid   int
	shell int // its pid
}

func newPane(t *testing.T, uid int) *pane {
	t.Helper()
	p := &pane{t: t, dir: workDir(t, uid), uid: uid}
	path, err := exec.LookPath("tmux")
	if err != nil {
		t.Fatalf("%v: run tests/setup.sh", err)
	}
	start(t, command{argv: []string{path, "-D", "-f", "/dev/null", "-S", "socket"}, dir: p.dir, uid: uid})
	eventually(t, "tmux", func() bool {
		_, err := os.Stat(filepath.Join(p.dir, "socket"))
		return err == nil
	})
	// One word would be for the user's shell, which may be one that lets nobody in.
	p.tmux("new-session", "-d", "-x", "80", "-y", "24", "-c", p.dir, "sh", "-i")
	if p.shell, err = strconv.Atoi(strings.TrimSpace(p.tmux("display", "-p", "#{pane_pid}"))); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *pane) tmux(args ...string) string {
	p.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", "socket"}, args...)...)
	cmd.Dir = p.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// press types keys as tmux names them.
func (p *pane) press(keys ...string) { p.t.Helper(); p.tmux(append([]string{"send-keys"}, keys...)...) }

func (p *pane) screen() string { p.t.Helper(); return p.tmux("capture-pane", "-p") }

func (p *pane) awaitScreen(what string) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%q on the screen", what), func() bool { return strings.Contains(p.screen(), what) })
}

// program waits until the shell runs a program of that name, itself or by way of a
// restore that stays beside it.
func (p *pane) program(comm string) (pid int) {
	p.t.Helper()
	defer func() {
		if pid == 0 {
			p.t.Logf("the screen:\n%s", strings.TrimSpace(p.screen()))
		}
	}()
	eventually(p.t, comm+" in the shell", func() bool {
		below := children(p.shell)
		for i := 0; i < len(below); i++ {
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", below[i]))
			if strings.TrimSpace(string(name)) == comm && !restoring(below[i]) {
				pid = below[i]
				return true
			}
			below = append(below, children(below[i])...)
		}
		return false
	})
	return pid
}

// replace saves the program in the pane, kills it and restores it there.
func (p *pane) replace(comm string) {
	p.t.Helper()
	pid := p.program(comm)
	ckpt(p.t, p.dir, p.uid, "save", strconv.Itoa(pid)).want(p.t, exitOK)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		p.t.Fatal(err)
	}
	eventually(p.t, "the end of "+comm, func() bool { return len(children(p.shell)) == 0 })
	// The killed program's settings of the terminal are still there: no echo, and
	// Enter is no end of a line.
	p.press("reset; clear; "+binary(p.t, "myrestart")+" myckpt", "C-j")
	p.program(comm)
}

// inTmux are programs that people type into, and what they do there. big ones are
// for make check-all.
var inTmux = []struct {
	name string
	big  bool
	use  func(t *testing.T, p *pane)
}{
	{"vim", true, useVim}, {"python3", false, usePython}, {"less", false, useLess},
}

// TestRealInTmux: what people type into, saved, killed and restored three times
// in a row in a terminal: what they typed is there, and what they see.
func TestRealInTmux(t *testing.T) {
	t.Parallel()
	users := []int{os.Geteuid()}
	if isRoot() {
		users = append(users, nobody)
	}
	for _, c := range inTmux {
		for _, uid := range users {
			t.Run(fmt.Sprintf("%s as user %d", c.name, uid), func(t *testing.T) {
				t.Parallel()
				if c.big && os.Getenv("CKPT_ALL") == "" {
					t.Skip("in make check-all")
				}
				c.use(t, newPane(t, uid))
			})
		}
	}
}

func useVim(t *testing.T, p *pane) {
	p.press("vim -u NONE -i NONE -n file", "Enter")
	p.awaitScreen("~")
	p.press("ione", "Escape", `"ayy`, "otwo", "Escape", ":let g:x=42", "Enter")
	p.awaitScreen("two")
	for range restores {
		p.replace("vim")
	}
	p.press("C-l")
	p.awaitScreen("two")
	p.press("u", `"ap`, ":put =g:x", "Enter", ":wq", "Enter")
	eventually(t, "the file", func() bool { return text(p.dir, "file") != "" })
	if got := text(p.dir, "file"); got != "one\none\n42\n" {
		t.Fatalf("the file is %q", got)
	}
	t.Logf("restored %d times: undo, register, variable and terminal as before", restores)
}

func usePython(t *testing.T, p *pane) {
	p.press("PYTHONHISTFILE=/dev/null /usr/bin/python3 -q", "Enter")
	p.awaitScreen(">>>")
	p.press("answer = 6 * 7", "Enter")
	for range restores {
		p.replace("python3")
	}
	// What readline has remembered, too.
	p.press("'answer', answer", "Enter")
	p.awaitScreen("('answer', 42)")
	p.press("Up", "Up", "Enter", "Up", "Up", "Enter", "exit()", "Enter")
	eventually(t, "the end of python3", func() bool { return len(children(p.shell)) == 0 })
	t.Logf("restored %d times: its variable and its history as before", restores)
}

func useLess(t *testing.T, p *pane) {
	var lines strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&lines, "line %d of many\n", i)
	}
	writeFile(t, p.dir, "lines", lines.String())
	p.press("less lines", "Enter")
	p.awaitScreen("line 0")
	p.press("800g")
	p.awaitScreen("line 800 ")
	before := p.screen()
	for range restores {
		p.replace("less")
	}
	p.press("C-l")
	eventually(t, "the screen as it was", func() bool { return p.screen() == before })
	p.press("50d")
	p.awaitScreen("line 860 ")
	p.press("q")
	eventually(t, "the end of less", func() bool { return len(children(p.shell)) == 0 })
	t.Logf("restored %d times: its position, its screen and its terminal as before", restores)
}
