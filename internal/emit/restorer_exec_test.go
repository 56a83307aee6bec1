package emit

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ckpt/internal/plan"
)

// The tests execute restorers as ckpt does: by execveat of a memfd. Only a
// process of its own can do that, so the test binary is started again with
// execEnv set, and init does it. The value is the uid to become before.
const (
	execEnv = "CKPT_TEST_EXEC_RESTORER"
	execFD  = 3
)

func init() {
	uid, ok := os.LookupEnv(execEnv)
	if !ok {
		return
	}
	os.Unsetenv(execEnv)
	fail := func(what string, err error) {
		if err != nil {
			os.Stderr.WriteString(what + ": " + err.Error() + "\n")
			os.Exit(1)
		}
	}
	if uid != "" {
		n, err := strconv.Atoi(uid)
		fail("uid", err)
		fail("setgroups", unix.Setgroups(nil))
		fail("setgid", unix.Setresgid(n, n, n))
		fail("setuid", unix.Setresuid(n, n, n))
	}
	unix.CloseOnExec(execFD)
	fail("execveat", execveat(execFD))
}

// execveat executes the file open as fd with an argument and an environment
// variable, so that the restorer has something to skip.
func execveat(fd int) error {
	empty, _ := unix.BytePtrFromString("")
	argv := []*byte{empty, empty, nil}
	envv, _ := unix.BytePtrFromString("A=B")
	_, _, errno := unix.Syscall6(unix.SYS_EXECVEAT, uintptr(fd), ptr(empty), ptrs(argv), ptrs([]*byte{envv, nil}), unix.AT_EMPTY_PATH, 0)
	return errno
}

// result is how a restorer ended.
type result struct {
	stdout, stderr string
	status         string // as os.ProcessState has it
}

// execute runs a restorer around a plan in a process of user uid, "" for the
// own one.
func execute(t *testing.T, p *plan.Plan, o plan.Options, uid string) result {
	t.Helper()
	block, err := plan.Encode(p, o)
	if err != nil {
		t.Fatal(err)
	}
	file, err := Restorer(block, plan.Entry, testLoad)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.MemfdCreate("restorer", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	memfd := os.NewFile(uintptr(fd), "restorer")
	defer memfd.Close()
	if _, err := memfd.Write(file); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), execEnv+"="+uid)
	cmd.ExtraFiles = []*os.File{memfd}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer kill.Stop()
	cmd.Wait()
	return result{stdout.String(), strings.TrimSpace(stderr.String()), cmd.ProcessState.String()}
}
