package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// target builds one of the programs of targets/, which tests use as something
// to save; "counter" or "counter-static", for instance.
func target(t *testing.T, name string) string {
	t.Helper()
	return targetProbe(name).build(t)
}

func targetProbe(name string) *probe {
	source, variant, ok := strings.Cut(name, "-")
	if !ok {
		variant = "pie"
	}
	return &probe{name: source, source: filepath.Join("targets", source+".c"), variant: variant}
}

// startFault starts the target "fault" with one thing in hand and waits until
// it has it.
func startFault(t *testing.T, dir string, uid int, what string) *process {
	t.Helper()
	p := start(t, command{argv: []string{target(t, "fault"), what}, dir: dir, uid: uid})
	p.awaitOutput("ready\n")
	return p
}

// awaitOutput waits until the process has written the text to "out".
func (p *process) awaitOutput(want string) {
	p.t.Helper()
	eventually(p.t, "output "+want+" of "+p.cmd.Path, func() bool {
		ended := p.ended()
		if strings.Contains(text(p.dir, "out"), want) {
			return true
		}
		if ended {
			p.t.Fatalf("%s ended with status %d before it wrote %q\n%s%s", p.cmd.Path, p.wait(),
				want, text(p.dir, "out"), text(p.dir, "err"))
		}
		return false
	})
}

// mustRun checks that the process runs: it is not stopped, not traced, and has
// not ended.
func (p *process) mustRun() {
	p.t.Helper()
	if p.ended() {
		p.t.Errorf("the process has ended with status %d", p.wait())
		return
	}
	if s := p.state(); s == "T" || s == "t" || s == "Z" {
		p.t.Errorf("the process is in state %s", s)
	}
}

// onlyFiles checks that nothing was left behind in dir: no file but the named
// ones and the standard output files.
func onlyFiles(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{"out": true, "err": true, "restore.out": true, "restore.err": true}
	for _, name := range names {
		allowed[name] = true
	}
	for _, e := range entries {
		if !allowed[e.Name()] {
			t.Errorf("%s is left behind", e.Name())
		}
	}
}

func writeFile(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
