package save

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ckpt/internal/proc"
)

// captured is a tree of kernel 6.18, see internal/proc: bash is 1001, a python3
// with two threads 1002, its zombie child 1003, kthreadd 2.
const captured = "../proc/testdata/proc"

// tree is a copy of the captured bash as the only process of a proc file
// system, with the links that no captured tree has.
type tree struct {
	t    *testing.T
	root string
}

func newTree(t *testing.T) *tree {
	t.Helper()
	g := &tree{t, t.TempDir()}
	for _, name := range []string{"status", "stat"} {
		b, err := os.ReadFile(filepath.Join(captured, "1001", name))
		if err != nil {
			t.Fatal(err)
		}
		g.write(name, string(b))
	}
	g.write("task/1001/children", "")
	g.write("fd/0", "")
	g.write("exe", "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	g.link("root", "/")
	g.link("cwd", "/")
	for _, ns := range []string{"mnt", "pid", "user", "net", "ipc"} { // and a kernel without UTS namespaces
		own, err := os.Readlink("/proc/self/ns/" + ns)
		if err != nil {
			t.Fatal(err)
		}
		g.link("ns/"+ns, own)
	}
	return g
}

func (g *tree) path(name string) string {
	g.t.Helper()
	path := filepath.Join(g.root, "1001", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		g.t.Fatal(err)
	}
	return path
}

func (g *tree) write(name, text string) {
	g.t.Helper()
	if err := os.WriteFile(g.path(name), []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

func (g *tree) link(name, to string) {
	g.t.Helper()
	os.Remove(g.path(name))
	if err := os.Symlink(to, g.path(name)); err != nil {
		g.t.Fatal(err)
	}
}

// replace changes a file that was captured.
func (g *tree) replace(name, old, new string) {
	g.t.Helper()
	b, err := os.ReadFile(g.path(name))
	if err != nil || !strings.Contains(string(b), old) {
		g.t.Fatalf("%s has no %q, error %v", name, old, err)
	}
	g.write(name, strings.Replace(string(b), old, new, 1))
}

// add makes another process, of which there is no more than a status.
func (g *tree) add(pid, name string) {
	g.t.Helper()
	b, err := os.ReadFile(filepath.Join(captured, "1001/status"))
	if err != nil {
		g.t.Fatal(err)
	}
	text := strings.NewReplacer("Name:\tbash", "Name:\t"+name, "Tgid:\t1001", "Tgid:\t"+pid).Replace(string(b))
	g.write("../"+pid+"/status", text)
	g.write("../"+pid+"/comm", name+"\n")
}

// thread makes the process one of two threads; the second one's status differs
// by the replacements.
func (g *tree) thread(tid string, differs []string) {
	g.t.Helper()
	g.replace("status", "Threads:\t1", "Threads:\t2")
	b, err := os.ReadFile(g.path("status"))
	if err != nil {
		g.t.Fatal(err)
	}
	text := strings.NewReplacer(append(differs, "Pid:\t1001", "Pid:\t"+tid)...).Replace(string(b))
	g.write("task/"+tid+"/status", text)
}

func TestLook(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change  func(g *tree)
		helpers []int
		want    string // "" if it can be saved
	}{
		"plain":       {change: func(g *tree) {}},
		"zombie":      {change: func(g *tree) { g.replace("status", "State:\tS (sleeping)", "State:\tZ (zombie)") }, want: "process: is a zombie"},
		"threads":     {change: func(g *tree) { g.thread("1002", nil) }},
		"two users":   {change: func(g *tree) { g.thread("1002", []string{"Uid:\t0\t0", "Uid:\t7\t0"}) }, want: "thread 1002 (bash): has user or group ids of its own"},
		"two groups":  {change: func(g *tree) { g.thread("1002", []string{"Groups:\t", "Groups:\t77 "}) }, want: "thread 1002 (bash): has user or group ids of its own"},
		"two powers":  {change: func(g *tree) { g.thread("1002", []string{"CapAmb:\t000000000000000", "CapAmb:\t000000000000001"}) }, want: "thread 1002 (bash): has capabilities of its own"},
		"one filter":  {change: func(g *tree) { g.thread("1002", []string{"Seccomp:\t0", "Seccomp:\t2"}) }, want: "thread 1002 (bash): runs under a seccomp filter"},
		"one promise": {change: func(g *tree) { g.thread("1002", []string{"NoNewPrivs:\t0", "NoNewPrivs:\t1"}) }, want: "thread 1002 (bash): has a no_new_privs flag of its own"},
		"one traced":  {change: func(g *tree) { g.thread("1002", []string{"TracerPid:\t0", "TracerPid:\t1500"}); g.add("1500", "gdb") }, want: "thread 1002 (bash): is being traced by gdb (1500)"},
		"two networks": {change: func(g *tree) {
			g.thread("1002", nil)
			g.link("task/1002/ns/net", "net:[2]")
		}, want: "thread 1002 (bash): has a namespace (net) of its own"},
		"ended thread": {change: func(g *tree) {
			g.thread("1002", []string{"State:\tS (sleeping)", "State:\tZ (zombie)", "Uid:\t0", "Uid:\t7"})
		}},
		"a thread":      {change: func(g *tree) { g.replace("status", "Tgid:\t1001", "Tgid:\t1000") }, want: "process: is a thread of process 1000 (save that one)"},
		"seccomp":       {change: func(g *tree) { g.replace("status", "Seccomp:\t0", "Seccomp:\t2") }, want: "process: runs under a seccomp filter"},
		"shadow stack":  {change: func(g *tree) { g.replace("status", "Threads:", "x86_Thread_features:\tshstk \nThreads:") }, want: "process: uses a shadow stack"},
		"traced":        {change: func(g *tree) { g.replace("status", "TracerPid:\t0", "TracerPid:\t1500"); g.add("1500", "gdb") }, want: "process: is being traced by gdb (1500)"},
		"32 bits":       {change: func(g *tree) { g.write("exe", "\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00") }, want: "program: is a 32-bit program"},
		"no ELF":        {change: func(g *tree) { g.write("exe", "#!/bin/sh\nexit 0 # and so on") }, want: "program: is not an ELF file"},
		"short program": {change: func(g *tree) { g.write("exe", "\x7fELF") }, want: "program: is not an ELF file"},
		"mounts":        {change: func(g *tree) { g.link("ns/mnt", "mnt:[1]") }, want: "process: is in another mount namespace"},
		"pids":          {change: func(g *tree) { g.link("ns/pid", "pid:[1]") }, want: "process: is in another pid namespace"},
		"users":         {change: func(g *tree) { g.link("ns/user", "user:[1]") }, want: "process: is in another user namespace"},
		"networks":      {change: func(g *tree) { g.link("ns/net", "net:[1]") }, want: "process: is in another network namespace"},
		"ipc":           {change: func(g *tree) { g.link("ns/ipc", "ipc:[1]") }, want: "process: is in another IPC namespace"},
		"host names":    {change: func(g *tree) { g.link("ns/uts", "uts:[1]") }, want: "process: is in another UTS (host name) namespace"},
		"chroot":        {change: func(g *tree) { g.link("root", "/srv/jail") }, want: "process: has another root directory: /srv/jail"},
		"deleted":       {change: func(g *tree) { g.link("cwd", "/tmp/a b (deleted)") }, want: "working directory: /tmp/a b was deleted"},
		"child":         {change: func(g *tree) { g.write("task/1001/children", "1500 "); g.add("1500", "sleep") }, want: "child process 1500 (sleep)"},
		"gone child":    {change: func(g *tree) { g.write("task/1001/children", "1500 ") }},
		"helper":        {change: func(g *tree) { g.write("task/1001/children", "1500 "); g.add("1500", "ckpt") }, helpers: []int{1500}},
		"no children":   {change: func(g *tree) { os.Remove(g.path("task/1001/children")) }},
	} {
		g := newTree(t)
		c.change(g)
		k := kin{fs: proc.FS{Root: g.root}, root: 1001, helpers: c.helpers, alone: true}
		all, err := k.look()
		if err != nil || len(all) != 1 {
			t.Errorf("%s: %d processes, error %v", name, len(all), err)
			continue
		}
		s := all[0]
		var got string
		if len(s.obstacles) > 0 {
			got = s.obstacles[0].String()
		}
		if len(s.obstacles) > 1 || !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: %q, want %q", name, s.obstacles, c.want)
		}
		if s.name() != "bash (1001)" {
			t.Errorf("%s: it is called %q", name, s.name())
		}
	}
}

func TestLookCaptured(t *testing.T) {
	t.Parallel()
	for pid, want := range map[int]string{2: "is a kernel thread", 1003: "is a zombie"} {
		k := kin{fs: proc.FS{Root: captured}, root: pid, alone: true}
		all, err := k.look()
		if err != nil || len(all[0].obstacles) != 1 || !strings.HasPrefix(all[0].obstacles[0].Reason, want) {
			t.Errorf("%d: %+v, error %v", pid, all, err)
		}
	}
	for _, pid := range []int{4711, 0} {
		k := kin{fs: proc.FS{Root: captured}, root: pid}
		if _, err := k.look(); !errors.Is(err, ErrNoProcess) {
			t.Errorf("%d: %v", pid, err)
		}
	}
}

// TestForeign: what may not be looked into is refused, and what for.
func TestForeign(t *testing.T) {
	t.Parallel()
	own := os.Geteuid()
	wants := map[int]string{own: "does not let its own user", own + 1: "may not be looked into by uid"}
	if own == 0 {
		wants = map[int]string{0: "may not be looked into, not even by root", 1: "may not be looked into, not even by root"}
	}
	for uid, want := range wants {
		s := &subject{status: &proc.Status{Uid: [4]int{uid, uid, uid, uid}}}
		s.refuseForeign()
		if len(s.obstacles) != 1 || !strings.HasPrefix(s.obstacles[0].Reason, want) || s.obstacles[0].Advice == "" {
			t.Errorf("uid %d: %v", uid, s.obstacles)
		}
	}
}

// TestSameProcess: a number that was given anew is not the same process.
func TestSameProcess(t *testing.T) {
	t.Parallel()
	s := &subject{start: 5}
	if err := s.sameProcess(5); err != nil {
		t.Error(err)
	}
	if err := s.sameProcess(4); !errors.Is(err, ErrNoProcess) {
		t.Errorf("error %v", err)
	}
}

// TestGone: which errors say that there is no process.
func TestGone(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		proc.ErrGone: true, syscall.ESRCH: true, os.NewSyscallError("kcmp", syscall.ESRCH): true,
		proc.ErrNoMemory: false, syscall.ENOENT: false, syscall.EPERM: false,
	} {
		if got := errors.Is(gone(1, err), ErrNoProcess); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}
