package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// call runs a command as run does, with its output caught.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	top := Root()
	top.SetOut(&out)
	top.SetErr(&errs)
	code = run(top, args)
	return code, out.String(), errs.String()
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args string
		want string
	}{
		{"frobnicate", `unknown command "frobnicate" (see ckpt --help)`},
		{"vrify x", `unknown command "vrify" (do you mean verify?)`},
		{"save", "ckpt save: PID is missing (see ckpt save --help)"},
		{"save 1 2", `ckpt save: unexpected argument "2" (see ckpt save --help)`},
		{"save x", `not a process id: "x" (a positive number, as ps and pgrep tell)`},
		{"save 0", `not a process id: "0"`},
		{"save 99999999999", `not a process id: "99999999999"`},
		{"save --then dance 1", `"dance"`},
		{"save --timeout 0s 1", "--timeout 0s"},
		{"save --fd x 1", "must be the number of a descriptor"},
		{"check --fd 3,-4 1", "must be the number of a descriptor"},
		{"save --bogus 1", "unknown flag: --bogus"},
		{"restore", "FILE is missing"},
		{"restore --grown maybe x", `must be one of cut, keep, fail`},
		{"show a b", `unexpected argument "b"`},
		{"version 1", `unexpected argument "1"`},
	} {
		code, stdout, stderr := call(t, strings.Fields(c.args)...)
		if code != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "ckpt: ") || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: code %d, stdout %q, stderr %q, want %q", c.args, code, stdout, stderr, c.want)
		}
		if strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: more than a line: %s", c.args, stderr)
		}
	}
}

func TestEmptyNames(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"restore", ""}, {"show", ""}, {"verify", ""}, {"plan", ""}, {"save", "-o", "", "1"}} {
		if code, _, stderr := call(t, args...); code != exitUsage {
			t.Errorf("%v: code %d, %s", args, code, stderr)
		}
	}
}

// TestEveryCommandIsExplained looks for what a user looks for.
func TestEveryCommandIsExplained(t *testing.T) {
	t.Parallel()
	for _, c := range Root().Commands() {
		if c.Hidden {
			continue
		}
		if c.Short == "" || c.Example == "" {
			t.Errorf("%s has no description or no example", c.Name())
		}
		if strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: %q ends in a period", c.Name(), c.Short)
		}
		for line := range strings.Lines(c.Long) {
			if len(line) > 81 {
				t.Errorf("%s: a line of %d columns: %s", c.Name(), len(line), line)
			}
		}
	}
	if code, stdout, stderr := call(t); code != exitOK || !strings.Contains(stdout, "Exit codes:") || stderr != "" {
		t.Errorf("ckpt alone: code %d, %q, %q", code, stdout, stderr)
	}
}

// TestCommandAlone: a command is the same without the others.
func TestCommandAlone(t *testing.T) {
	t.Parallel()
	for name := range commands {
		var texts [2]string
		for i, top := range []*cobra.Command{Root(), rootWith(name)} {
			var out bytes.Buffer
			top.SetOut(&out)
			top.SetArgs([]string{name, "--help"})
			cmd, err := top.ExecuteC()
			if err != nil || cmd.Name() != name {
				t.Errorf("%s: the command is %s, error %v", name, cmd.Name(), err)
			}
			texts[i] = out.String()
		}
		if texts[0] != texts[1] {
			t.Errorf("%s: with the others\n%s\nwithout them\n%s", name, texts[0], texts[1])
		}
	}
}

func TestVersionJSON(t *testing.T) {
	t.Parallel()
	code, stdout, _ := call(t, "version", "--json")
	var v map[string]any
	if err := json.Unmarshal([]byte(stdout), &v); code != exitOK || err != nil || v["schema"] != "ckpt/version/1" {
		t.Errorf("code %d, %v, %s", code, err, stdout)
	}
}

func TestNameDecides(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "none")
	if code := Main([]string{"/opt/bin/" + restarter, missing}); code != exitRestore {
		t.Errorf("as myrestart: code %d", code)
	}
	if code := Main([]string{"/opt/bin/ckpt", "verify", missing}); code != exitNotFound {
		t.Errorf("as ckpt: code %d", code)
	}
}

// TestErrorsNameTheFileOnce opens what is no image.
func TestErrorsNameTheFileOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, code := range map[string]int{text: exitDamaged, filepath.Join(dir, "none"): exitNotFound} {
		got, stdout, stderr := call(t, "verify", path)
		if got != code || stdout != "" || strings.Count(stderr, path) != 1 {
			t.Errorf("%s: code %d, want %d: %s", path, got, code, stderr)
		}
	}
}

// TestFullOutput prints to a device that is full.
func TestFullOutput(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	var errs bytes.Buffer
	top := Root()
	top.SetOut(full)
	top.SetErr(&errs)
	if code := run(top, []string{"version"}); code == exitOK || !strings.Contains(errs.String(), "no space left") {
		t.Errorf("code %d, %s", code, errs.String())
	}
}

func TestEmitAgent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "libckpt.so")
	if code, _, stderr := call(t, "emit-agent", path, "--engine", "/opt/ckpt/bin/ckpt"); code != exitOK {
		t.Fatal(stderr)
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(got, []byte("\x7fELF")) || !bytes.Contains(got, []byte("/opt/ckpt/bin/ckpt\x00")) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if code, _, _ := call(t, "emit-agent", path, "--engine", "relative"); code != exitError {
		t.Error("a relative path was accepted")
	}
	if code, _, _ := call(t, "emit-agent", path); code == exitOK {
		t.Error("no engine was accepted")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".libckpt*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
