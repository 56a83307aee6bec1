package kind

import (
	"bytes"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// TestUnprivileged runs the other tests once more as the user nobody.
func TestUnprivileged(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("this is a run without privileges already")
	}
	// /proc/self/exe can be executed even though its directory is closed to
	// nobody.
	cmd := exec.Command("/proc/self/exe", "-test.count=1", "-test.short="+shortFlag(), "-test.skip=^TestUnprivileged$")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "HOME=/")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("as nobody: %v\n%s", err, bytes.TrimSpace(out))
	}
}

func shortFlag() string {
	if testing.Short() {
		return "true"
	}
	return "false"
}
