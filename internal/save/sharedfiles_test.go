package save

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// TestSharedBetweenProcesses: what a child inherited is one open file with its
// parent's, what it opened itself is another, in a crowd of descriptors of the
// same file.
func TestSharedBetweenProcesses(t *testing.T) {
	t.Parallel()
	const crowd = 300
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sleep", "60")
	for range crowd {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, file)
	}
	own, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	waitExec(t, cmd.Process.Pid)

	parent := &subject{proc: proc.Host().Process(os.Getpid())}
	child := &subject{proc: proc.Host().Process(cmd.Process.Pid)}
	f, err := openFiles(parent, child)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list := func(s *subject, fds ...int) {
		t.Helper()
		for _, table := range f.tables {
			if table.s == s {
				for _, fd := range fds {
					addFD(t, f, table, fd)
				}
			}
		}
	}
	for i, file := range cmd.ExtraFiles {
		list(parent, int(file.Fd()))
		list(child, 3+i)
	}
	list(parent, int(own.Fd()))
	if n := len(f.descs); n != crowd+1 {
		t.Fatalf("%d open files, want %d", n, crowd+1)
	}
	theirs := f.descriptors(child)
	for i, d := range f.descriptors(parent)[:crowd] {
		if d.File != theirs[i].File {
			t.Errorf("descriptor %d is file %d here and %d there", d.FD, d.File, theirs[i].File)
		}
	}
	if len(f.descs[0].Holders) != 2 {
		t.Errorf("holders %v", f.descs[0].Holders)
	}
}

// waitExec waits until a child has begun its program: before, it has all of
// its parent's descriptors.
func waitExec(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if exe, err := proc.Host().Process(pid).Comm(); err == nil && exe == "sleep" {
			return
		}
		if time.Now().After(end) {
			t.Fatal("it does not begin")
		}
	}
}

// TestManyDescriptors: thousands of open files of one inode are told apart by a
// dozen questions each.
func TestManyDescriptors(t *testing.T) {
	t.Parallel()
	const many = 2000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < many+500 {
		t.Skipf("only %d descriptors", limit.Cur)
	}
	f, err := openFiles(&subject{proc: proc.Host().Process(os.Getpid())})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var opened []int
	defer func() {
		for _, fd := range opened {
			_ = syscall.Close(fd)
		}
	}()
	for i := range many {
		fd, err := syscall.Open("/dev/null", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if i%2 == 1 {
			_ = syscall.Close(fd)
			fd, err = sys.Dup(opened[i-1])
		}
		if err != nil {
			t.Fatal(err)
		}
		opened = append(opened, fd)
	}
	start := time.Now()
	for _, fd := range opened {
		addFD(t, f, f.tables[0], fd)
	}
	if n := len(f.descs); n != many/2 {
		t.Errorf("%d open files, want %d", n, many/2)
	}
	for i, d := range f.descriptors(f.tables[0].s) {
		if d.File != i/2 {
			t.Fatalf("descriptor %d is of file %d, want %d", d.FD, d.File, i/2)
		}
	}
	// To compare each with each would take 1,000,000 questions, half a second
	// and more.
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

func addFD(t *testing.T, f *files, to *table, fd int) {
	t.Helper()
	d, err := describeFD(to.s.proc, fd)
	if err == nil {
		err = f.addDescriptor(to, d)
	}
	if err != nil {
		t.Fatal(err)
	}
}
