package tests

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// realProgram is an interpreter or compiler and something for it to do that
// takes a second or so and writes part of its result long before the end.
type realProgram struct {
	name   string
	argv   []string
	script string // of realprograms/, copied to the working directory
	result string // the file that holds the result
	// alone: files that it writes are changed by going on past the save, and a
	// restore cannot bring them back. So it is killed at once.
	alone bool
	make  func(t *testing.T, dir string) // makes the input; may be nil
}

var realPrograms = []realProgram{
	{name: "bc", argv: []string{"bc", "-lq", "work.bc"}, script: "work.bc", result: "out"},
	{name: "python3", argv: []string{"/usr/bin/python3", "work.py"}, script: "work.py", result: "out"},
	{name: "perl", argv: []string{"perl", "work.pl"}, script: "work.pl", result: "out"},
	{name: "sqlite3", argv: []string{"sqlite3", "-batch", "data", ".read work.sql"}, script: "work.sql", result: "out", alone: true},
	{name: "tclsh", argv: []string{"tclsh", "work.tcl"}, script: "work.tcl", result: "out"},
	// Debian's awk.
	{name: "mawk", argv: []string{"mawk", "-v", "n=3000000", "-f", "work.awk"}, script: "work.awk", result: "out"},
	{name: "gawk", argv: []string{"gawk", "-v", "n=1500000", "-f", "work.awk"}, script: "work.awk", result: "out"},
	{name: "lua5.4", argv: []string{"lua5.4", "work.lua"}, script: "work.lua", result: "out"},
	{name: "bash", argv: []string{"bash", "work.bash"}, script: "work.bash", result: "out"},
	{name: "cc1", argv: []string{"cc1", "-quiet", "-O2", "work.i", "-o", "work.s"}, result: "work.s", make: makeSource},
	{name: "static", argv: []string{"counter-static", "60"}, result: "out"},
	{name: "nopie", argv: []string{"counter-nopie", "60"}, result: "out"},
}

// TestRealPrograms: the result of a program that was saved in the middle, went
// on past that, was killed and restored is that of an undisturbed run.
func TestRealPrograms(t *testing.T) {
	t.Parallel()
	users := []int{os.Geteuid()}
	if isRoot() {
		users = append(users, nobody)
	}
	for _, r := range realPrograms {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			straight := r.start(t, os.Geteuid())
			if code := straight.wait(); code != 0 {
				t.Fatalf("a straight run ended with status %d\n%s", code, text(straight.dir, "err"))
			}
			want := sum(t, straight.dir, r.result)
			for _, uid := range users {
				if got := sum(t, r.saved(t, uid), r.result); got != want {
					t.Errorf("as user %d the result differs: %s, want %s", uid, got, want)
				}
			}
		})
	}
}

// saved runs the program with a save, a kill and a restore in the middle, and
// returns its directory.
func (r *realProgram) saved(t *testing.T, uid int) string {
	t.Helper()
	p := r.start(t, uid)
	eventually(t, "the first part of the result", func() bool {
		if p.ended() {
			t.Fatalf("%s ended with status %d before it could be saved\n%s", r.name, p.wait(), text(p.dir, "err"))
		}
		return text(p.dir, r.result) != ""
	})
	comm := p.comm()
	if r.alone {
		p.save(uid, "--then", "kill")
	} else {
		p.save(uid)
		time.Sleep(200 * time.Millisecond) // it writes past the image
	}
	p.kill()
	atKill := len(text(p.dir, r.result))
	restored := restore(t, "myrestart", p.dir, uid, comm)
	if code := restored.wait(); code != 0 {
		t.Fatalf("the restored %s ended with status %d\n%s", r.name, code, text(p.dir, "restore.err"))
	}
	if end := len(text(p.dir, r.result)); atKill >= end && !r.alone {
		t.Logf("it was at its end already when it was killed (%d of %d bytes)", atKill, end)
	}
	return p.dir
}

// start starts the program in a new directory.
func (r *realProgram) start(t *testing.T, uid int) *process {
	t.Helper()
	dir := workDir(t, uid)
	if r.script != "" {
		if err := copyFile(filepath.Join(dir, r.script), filepath.Join("realprograms", r.script)); err != nil {
			t.Fatal(err)
		}
	}
	if r.make != nil {
		r.make(t, dir)
	}
	argv := append([]string{r.path(t)}, r.argv[1:]...)
	return start(t, command{argv: argv, dir: dir, uid: uid})
}

func (r *realProgram) path(t *testing.T) string {
	t.Helper()
	name := r.argv[0]
	switch {
	case strings.HasPrefix(name, "counter-"):
		return target(t, name)
	case name == "cc1":
		out, err := exec.Command("gcc", "-print-prog-name=cc1").Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: run tests/setup.sh", err)
	}
	return path
}

// makeSource writes a preprocessed C file that keeps the compiler busy.
func makeSource(t *testing.T, dir string) {
	t.Helper()
	var b strings.Builder
	for i := range 120 {
		fmt.Fprintf(&b, "int f%d(int *a, int n) {\n  int s = %d;\n", i, i)
		for j := range 8 {
			fmt.Fprintf(&b, "  for (int i = %d; i < n; i++) { a[i] ^= s * %d; if (a[i] & %d) s += a[i] >> %d; }\n",
				j, i*7+j, 1<<j, j+1)
		}
		b.WriteString("  return s;\n}\n")
	}
	writeFile(t, dir, "work.i", b.String())
}

func sum(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d bytes, sha256 %x", len(data), sha256.Sum256(data))
}
