package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestForbiddenOutput: an ordinary user's program writes its output to a file
// that root opened for it and the user may not open. It is saved all the same,
// and goes on to write to the output of the restart.
func TestForbiddenOutput(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir, private := workDir(t, nobody), t.TempDir()
	if err := os.Chmod(private, 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := os.OpenFile(filepath.Join(private, "out"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p := start(t, command{
		argv: []string{target(t, "counter"), "1000000"}, dir: dir, uid: nobody,
		setup: func(cmd *exec.Cmd) { cmd.Stdout = out },
	})
	eventually(t, "output in a file of root's", func() bool { return text(private, "out") != "" })
	ckpt(t, dir, nobody, "save", itoa(p.pid())).want(t, exitWarnings, "may not open it again")
	p.kill()
	restored := start(t, command{argv: []string{binary(t, "ckpt"), "restore", "myckpt"}, dir: dir, uid: nobody, prefix: "restore."})
	eventually(t, "output of the restored program; "+restored.describe(), func() bool { return text(dir, "restore.out") != "" })
}
