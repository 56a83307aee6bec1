package tests

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCopies: copies of one image are processes of their own, that all run to the
// end; it is said if one fails.
func TestCopies(t *testing.T) {
	t.Parallel()
	const copies = "3"
	dir := workDir(t, os.Geteuid())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := start(t, command{argv: []string{target(t, "counter"), "20"}, dir: dir, uid: os.Geteuid(), setup: func(cmd *exec.Cmd) { cmd.Stdout, cmd.Stderr = w, w }})
	w.Close()
	lines := bufio.NewScanner(r)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "3 ") {
	}
	p.save(os.Geteuid())
	p.kill()
	restore := func(between func(pids string)) ([]byte, string, error) {
		cmd := exec.Command(binary(t, "ckpt"), "restore", "--copies", copies, "myckpt")
		cmd.Dir = dir
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		between(itoa(cmd.Process.Pid))
		err := cmd.Wait()
		return out.Bytes(), errs.String(), err
	}
	out, errs, err := restore(func(string) {})
	if n := bytes.Count(out, []byte("\n19 ")); err != nil || n != 3 {
		t.Errorf("%d copies have come to the end: %v\n%s%s", n, err, out, errs)
	}
	_, errs, err = restore(func(pid string) {
		var children []string
		eventually(t, "the copies", func() bool {
			children = nil
			lists, _ := filepath.Glob("/proc/" + pid + "/task/*/children")
			for _, list := range lists {
				text, _ := os.ReadFile(list)
				children = append(children, strings.Fields(string(text))...)
			}
			return len(children) == 3
		})
		if out, err := exec.Command("kill", "-9", children[1]).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	if err == nil || strings.Count(errs, "ckpt: copy ") != 1 {
		t.Errorf("one copy was killed: %v\n%s", err, errs)
	}
}

// TestCopiesOfWriter: what all would write to is named, and none is started.
func TestCopiesOfWriter(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	p := start(t, command{argv: []string{target(t, "counter"), "100000"}, dir: dir, uid: os.Geteuid()})
	p.awaitOutput("\n3 ")
	p.save(os.Geteuid())
	p.kill()
	before := text(dir, "out")
	r := ckpt(t, dir, os.Geteuid(), "restore", "--copies", "2", "myckpt")
	r.want(t, exitRestore, "fd 1 ("+dir+"/out)", "all copies would write to it")
	if after := text(dir, "out"); after != before {
		t.Errorf("the file has changed from %d to %d bytes", len(before), len(after))
	}
	ckpt(t, dir, os.Geteuid(), "restore", "--copies", "0", "myckpt").want(t, exitUsage, "--copies 0")
}
