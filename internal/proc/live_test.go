package proc

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func self() Process { return Host().Process(os.Getpid()) }

// eventually waits for a condition, at most ten seconds.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not come true", what)
		}
	}
}

func TestLiveSelf(t *testing.T) {
	t.Parallel()
	p := self()
	status, err := p.Status()
	if err != nil {
		t.Fatal(err)
	}
	if status.Tgid != os.Getpid() || status.PPid != os.Getppid() || status.Uid[1] != os.Geteuid() ||
		status.VmRSS == 0 || status.VmSize < status.VmRSS || status.Zombie() || status.KernelThread() {
		t.Errorf("status is %+v", status)
	}
	stat, err := p.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if stat.Pid != os.Getpid() || stat.PPid != os.Getppid() || stat.Comm != status.Name ||
		stat.EnvEnd <= stat.EnvStart || stat.EndCode <= stat.StartCode {
		t.Errorf("stat is %+v", stat)
	}
	args, err := p.Cmdline()
	if err != nil || !slices.Equal(args, os.Args) {
		t.Errorf("cmdline is %q, %v; want %q", args, err, os.Args)
	}
	if env, err := p.Environ(); err != nil || len(env) == 0 {
		t.Errorf("environ is %q, %v", env, err)
	}
	auxv, err := p.Auxv()
	if err != nil || auxv.Values[6] != uint64(os.Getpagesize()) {
		t.Errorf("auxv is %+v, %v", auxv, err)
	}
	want, err := os.Executable()
	if exe, err2 := p.Exe(); err != nil || err2 != nil || exe != (Link{Path: want}) {
		t.Errorf("exe is %+v, want %s, %v, %v", exe, want, err, err2)
	}
	want, err = os.Getwd()
	if cwd, err2 := p.Cwd(); err != nil || err2 != nil || cwd != (Link{Path: want}) {
		t.Errorf("cwd is %+v, want %s, %v, %v", cwd, want, err, err2)
	}
	if root, err := p.Root(); err != nil || root.Path == "" {
		t.Errorf("root is %+v, %v", root, err)
	}
	tids, err := p.Tasks()
	if err != nil || !slices.Contains(tids, os.Getpid()) || !slices.IsSorted(tids) {
		t.Errorf("tasks are %d, %v", tids, err)
	}
	mounts, err := p.MountInfo()
	if err != nil || len(mounts) == 0 {
		t.Errorf("mounts are %+v, %v", mounts, err)
	}
	state, err := p.Syscall()
	if err != nil || !state.Running && state.SP == 0 {
		t.Errorf("system call is %+v, %v", state, err)
	}
	for _, read := range []func() error{
		func() error { _, err := p.Wchan(); return err },
		func() error { _, err := p.OOMScoreAdj(); return err },
		func() error { _, err := p.Personality(); return err },
		func() error { _, err := p.CoredumpFilter(); return err },
		func() error { _, err := p.Timers(); return err },
		func() error { _, err := Host().Locks(); return err },
		func() error { _, err := Host().BootID(); return err },
		func() error { _, err := Host().CPUInfo(); return err },
	} {
		if err := read(); err != nil {
			t.Error(err)
		}
	}
}

func TestLiveLimits(t *testing.T) {
	t.Parallel()
	limits, err := self().Limits()
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range limits {
		var want unix.Rlimit
		if err := unix.Prlimit(os.Getpid(), i, nil, &want); err != nil {
			t.Fatal(err)
		}
		if got != (Limit{want.Cur, want.Max}) {
			t.Errorf("limit %d is %d, want %d", i, got, want)
		}
	}
}

func TestLiveThread(t *testing.T) {
	t.Parallel()
	runtime.LockOSThread() // for good: the name goes with the thread
	const name = "x) R \\1\n(é"
	b := append([]byte(name), 0)
	if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&b[0])), 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	p := Host().Thread(os.Getpid(), unix.Gettid())
	got, err := p.Comm()
	if err != nil || got != name {
		t.Errorf("comm is %q, %v", got, err)
	}
	status, err := p.Status()
	if err != nil || status.Name != name || status.Pid != unix.Gettid() || status.Tgid != os.Getpid() {
		t.Errorf("status is %+v, %v", status, err)
	}
	stat, err := p.Stat()
	if err != nil || stat.Comm != name || stat.Pid != unix.Gettid() || stat.State != 'R' {
		t.Errorf("stat is %+v, %v", stat, err)
	}
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 12345, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	if slack, err := Host().Process(unix.Gettid()).TimerSlack(); err != nil || slack != 12345 {
		t.Errorf("timer slack is %d, %v", slack, err)
	}
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kids, err := self().Children()
	if err != nil || !slices.Contains(kids, cmd.Process.Pid) {
		t.Errorf("children are %d, %v; want %d among them", kids, err, cmd.Process.Pid)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestLiveMaps maps a file with an odd name and looks for it.
func TestLiveMaps(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a b (c)\n\\040 é \n(deleted)")
	if err := os.WriteFile(path, make([]byte, 8192), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mem, err := unix.Mmap(int(f.Fd()), 4096, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mem)
	if err := unix.Madvise(mem, unix.MADV_DONTFORK); err != nil {
		t.Fatal(err)
	}
	mem[0] = 1
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil {
		t.Fatal(err)
	}
	start := uint64(uintptr(unsafe.Pointer(&mem[0])))
	for _, deleted := range []bool{false, true} {
		if deleted {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		for what, read := range map[string]func() ([]VMA, error){"maps": self().Maps, "smaps": self().Smaps} {
			list, err := read()
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(list, func(v VMA) bool { return v.Start == start })
			if i < 0 {
				t.Fatalf("%s has no %#x", what, start)
			}
			v := list[i]
			if v.Path != path || v.Deleted != deleted || v.Size() != 4096 || v.Offset != 4096 || !v.Shared ||
				!v.Read || !v.Write || v.Exec || v.Inode != stat.Ino ||
				v.DevMajor != unix.Major(stat.Dev) || v.DevMinor != unix.Minor(stat.Dev) {
				t.Errorf("%s has %+v", what, v)
			}
			if what == "smaps" && (!v.HasFlag("dc") || !v.HasFlag("sh") || v.Rss != 4096) {
				t.Errorf("smaps has %+v", v)
			}
		}
	}
}

// forbidden says that an error is only because we are not root: a zombie is
// not dumpable, so that its files belong to root.
func forbidden(err error) bool { return os.Geteuid() != 0 && errors.Is(err, fs.ErrPermission) }

func TestLiveGone(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := Host().Process(cmd.Process.Pid)
	eventually(t, "zombie", func() bool {
		s, err := p.Status()
		return err == nil && s.Zombie()
	})
	if stat, err := p.Stat(); err != nil || !stat.Zombie() || stat.KernelThread() {
		t.Errorf("zombie's stat is %+v, %v", stat, err)
	}
	for what, read := range map[string]func() (int, error){
		"maps":    func() (int, error) { l, err := p.Maps(); return len(l), err },
		"smaps":   func() (int, error) { l, err := p.Smaps(); return len(l), err },
		"cmdline": func() (int, error) { l, err := p.Cmdline(); return len(l), err },
		"environ": func() (int, error) { l, err := p.Environ(); return len(l), err },
		"fd":      func() (int, error) { l, err := p.FDs(); return len(l), err },
		"timers":  func() (int, error) { l, err := p.Timers(); return len(l), err },
	} {
		if n, err := read(); n != 0 || err != nil && !forbidden(err) {
			t.Errorf("zombie has %d %s, %v", n, what, err)
		}
	}
	if _, err := p.Auxv(); !errors.Is(err, ErrNoMemory) && !forbidden(err) || errors.Is(err, ErrGone) {
		t.Errorf("zombie's auxv: %v", err)
	}
	if _, err := p.CoredumpFilter(); !errors.Is(err, ErrNoMemory) {
		t.Errorf("zombie's coredump filter: %v", err)
	}
	if _, err := p.Exe(); !errors.Is(err, fs.ErrNotExist) && !forbidden(err) || errors.Is(err, ErrGone) {
		t.Errorf("zombie's exe: %v", err)
	}
	open, err := os.Open(p.Path("stat"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := open.Read(make([]byte, 1)); !errors.Is(p.dir.explain(err), ErrGone) {
		t.Errorf("reading on after the end: %v", err)
	}
	for what, read := range map[string]func() error{
		"maps":     func() error { _, err := p.Maps(); return err },
		"status":   func() error { _, err := p.Status(); return err },
		"stat":     func() error { _, err := p.Stat(); return err },
		"comm":     func() error { _, err := p.Comm(); return err },
		"environ":  func() error { _, err := p.Environ(); return err },
		"auxv":     func() error { _, err := p.Auxv(); return err },
		"exe":      func() error { _, err := p.Exe(); return err },
		"fds":      func() error { _, err := p.FDs(); return err },
		"fd":       func() error { _, err := p.FDLink(0); return err },
		"fdinfo":   func() error { _, err := p.FDInfo(0); return err },
		"tasks":    func() error { _, err := p.Tasks(); return err },
		"children": func() error { _, err := p.Children(); return err },
		"filter":   func() error { _, err := p.CoredumpFilter(); return err },
	} {
		if err := read(); !errors.Is(err, ErrGone) {
			t.Errorf("%s of no process: %v", what, err)
		}
	}
}

// TestPermission reads what it may not, also when run by root.
func TestPermission(t *testing.T) {
	t.Parallel()
	root, err := os.MkdirTemp("", "proc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	dir := filepath.Join(root, "1")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Chmod(root, 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"maps", "auxv"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	p := FS{root}.Process(1)
	result := make(chan error, 2)
	go func() {
		runtime.LockOSThread() // for good: its credentials are not for others
		if os.Geteuid() == 0 {
			if err := unix.Setfsuid(65534); err != nil {
				t.Error(err)
			}
		}
		_, err := p.Maps()
		result <- err
		_, err = p.Auxv()
		result <- err
	}()
	for range 2 {
		if err := <-result; !errors.Is(err, fs.ErrPermission) || errors.Is(err, ErrGone) {
			t.Errorf("forbidden file: %v", err)
		}
	}
}

func TestMissingFile(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "1", "fd"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := FS{root}.Process(1)
	if _, err := p.Timers(); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrGone) {
		t.Errorf("timers: %v", err)
	}
	for name, text := range map[string]string{
		"comm": "x", "personality": "1ffffffff\n", "oom_score_adj": "x\n", "coredump_filter": "\n", "children": "1 x ",
	} {
		if err := os.WriteFile(filepath.Join(root, "1", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for what, read := range map[string]func() error{
		"comm":            func() error { _, err := p.Comm(); return err },
		"personality":     func() error { _, err := p.Personality(); return err },
		"oom_score_adj":   func() error { _, err := p.OOMScoreAdj(); return err },
		"coredump_filter": func() error { _, err := p.CoredumpFilter(); return err },
	} {
		err := read()
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("bad %s: %v", what, err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "1", "fd", "1x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.FDs(); err == nil {
		t.Error("descriptor 1x is taken")
	}
	if err := os.WriteFile(filepath.Join(root, "1", "stat"), make([]byte, maxSmall+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Stat(); !errors.Is(err, errTooLarge) {
		t.Errorf("stat of %d bytes: %v", maxSmall+1, err)
	}
}
