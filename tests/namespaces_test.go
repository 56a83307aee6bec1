package tests

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// needNamespaces skips a test that needs namespaces which an ordinary user makes,
// where the host allows none (sysctl user.max_user_namespaces, and others).
func needNamespaces(t *testing.T) {
	t.Helper()
	if err := namespacesWork(); err != nil {
		t.Skipf("this host lets ordinary users make no namespaces: %v", err)
	}
}

var namespacesWork = sync.OnceValue(func() error {
	cmd := exec.Command("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "true")
	if isRoot() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	cmd.Env = os.Environ()
	return cmd.Run()
})

// loop is a tree: a shell that has one child all the time.
const loop = `sleep 100 & trap 'echo term; kill %1; exit 7' TERM; trap 'echo usr' USR1; echo ready; while :; do wait; done`

func startLoop(t *testing.T, dir string, uid int) *process {
	t.Helper()
	p := start(t, command{argv: []string{"bash", "-c", loop}, dir: dir, uid: uid})
	// The child is not the shell any more, which a restore is to find by its name.
	eventually(t, "the loop", func() bool {
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.family()[len(p.family())-1]))
		return text(dir, "out") == "ready\n" && string(comm) == "sleep\n"
	})
	return p
}

// innerPID is the id that the program sees itself.
func (p *process) innerPID() int { return innerID(p.proc("status")) }

func innerID(status []byte) int {
	for line := range strings.Lines(string(status)) {
		if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			words := strings.Fields(ids)
			n, _ := strconv.Atoi(words[len(words)-1])
			return n
		}
	}
	return 0
}

func parent(t *testing.T, pid int) int {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	n, err := strconv.Atoi(strings.Fields(after)[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestNamespace: a tree that an ordinary user restores lives in namespaces. It has
// its ids there, is reached by its restore, and can be saved again from outside.
func TestNamespace(t *testing.T) {
	t.Parallel()
	needNamespaces(t)
	uid := os.Geteuid()
	if isRoot() {
		uid = nobody
	}
	dir := workDir(t, uid)
	p := startLoop(t, dir, uid)
	old := p.pid()
	for generation := range 3 {
		members := p.family()
		p.save(uid, "--then", "kill")
		p.wait()
		p.buryFamily(members)
		p = restore(t, "myrestart", dir, uid, "bash")
		if got := p.innerPID(); got != old || p.pid() == old {
			t.Fatalf("generation %d: it is %d inside and %d outside, was %d", generation, got, p.pid(), old)
		}
	}
	// The threads of process 1 have none of the ids that programs begun in there get.
	first := parent(t, p.pid())
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", first))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		if id := innerID(p.proc("../" + strconv.Itoa(first) + "/task/" + task.Name() + "/status")); id != 1 && id < 300 {
			t.Errorf("a thread of process 1 has the id %d", id)
		}
	}
	guardian := p.cmd.Process
	ckpt(t, dir, uid, "check", strconv.Itoa(p.pid())).want(t, exitOK)
	ckpt(t, dir, uid, "save", "-o", "by-guardian", strconv.Itoa(guardian.Pid)).want(t, exitOK)
	said := ckpt(t, dir, uid, "show", "by-guardian")
	if said.want(t, exitOK); !strings.Contains(said.stdout, strconv.Itoa(old)) {
		t.Errorf("the image is not about process %d:\n%s", old, said.stdout)
	}
	signal := func(s syscall.Signal) {
		t.Helper()
		if err := guardian.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	state := func(want string) func() bool {
		return func() bool {
			stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", guardian.Pid))
			return strings.Contains(string(stat), ") "+want) && (p.state() == "T") == (want == "T")
		}
	}
	signal(syscall.SIGTSTP)
	eventually(t, "both stopped", state("T"))
	signal(syscall.SIGCONT)
	eventually(t, "both going on", state("S"))
	signal(syscall.SIGUSR1)
	eventually(t, "its handler", func() bool { return strings.HasSuffix(text(dir, "out"), "usr\n") })
	signal(syscall.SIGTERM)
	if code := p.wait(); code != 7 || !strings.HasSuffix(text(dir, "out"), "term\n") {
		t.Errorf("status %d, output %q", code, text(dir, "out"))
	}
}

// TestNamespaceTakenID: whose id somebody has lives in namespaces, root's too; and
// nothing of it outlives a restore that is killed.
func TestNamespaceTakenID(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := workDir(t, os.Geteuid())
	first := startLoop(t, dir, os.Geteuid())
	first.save(os.Geteuid())
	second := restore(t, "ckpt", dir, os.Geteuid(), "bash")
	if got := second.innerPID(); got != first.pid() || second.pid() == got {
		t.Errorf("it is %d inside and %d outside, was %d", got, second.pid(), first.pid())
	}
	if said := text(dir, "restore.err"); !strings.Contains(said, "a pid namespace of its own") {
		t.Errorf("it says %q", said)
	}
	program := second.pid()
	_ = second.cmd.Process.Kill()
	second.wait()
	eventually(t, "the end of all inside", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", program))
		return err != nil || strings.Contains(string(stat), ") Z")
	})
	if first.ended() {
		t.Error("the first one has ended, too")
	}
}

// TestZombieHasID: a process that was killed, and of which its parent has not taken
// note, still has its id: a restore that needs it says who that is, and why.
func TestZombieHasID(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := workDir(t, os.Geteuid())
	parent := start(t, command{
		argv: []string{"sh", "-c", `"$0" 100000 & echo $! >pid; exec sleep 600`, target(t, "counter")}, dir: dir, uid: os.Geteuid(),
	})
	parent.awaitOutput("\n3 ")
	pid, err := strconv.Atoi(strings.TrimSpace(text(dir, "pid")))
	if err != nil {
		t.Fatal(err)
	}
	ckpt(t, dir, os.Geteuid(), "save", itoa(pid)).want(t, exitOK)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%d is the id of counter, which has ended and waits for its parent", pid)
	r := start(t, command{
		argv: []string{binary(t, "ckpt"), "restore", "--pid", "keep", "myckpt"}, dir: dir, uid: os.Geteuid(), prefix: "restore.",
	})
	eventually(t, fmt.Sprintf("%q", want), func() bool {
		ended := r.ended()
		said := text(dir, "restore.err")
		if ended && !strings.Contains(said, want) {
			t.Fatalf("it ended with status %d: %s", r.wait(), said)
		}
		return strings.Contains(said, want)
	})
}

// TestNoNamespace: where there can be none, a tree is refused, and it is said why.
func TestNoNamespace(t *testing.T) {
	t.Parallel()
	needRoot(t)
	needNamespaces(t)
	dir := workDir(t, os.Geteuid())
	p := startLoop(t, dir, os.Geteuid())
	p.save(os.Geteuid())
	cmd := exec.Command("unshare", "--user", "--map-root-user", "sh", "-c",
		`echo 0 >/proc/sys/user/max_pid_namespaces && exec "$0" restore myckpt`, binary(t, "ckpt"))
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 125 {
		t.Errorf("it ended with %v", err)
	}
	for _, want := range []string{"can not have their old ids", "no namespace can be made: no space left on device"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}
