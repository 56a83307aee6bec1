package tests

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// realProgram is an interpreter, compiler or the like and something for it to
// do that takes a second or so.
type realProgram struct {
	name   string
	argv   []string
	script string // of realprograms/, copied to the working directory
	result string // the file that holds the result
	// mute: its result comes at its end, so it is saved when it has used a fifth
	// of its processor time, and not when a part of the result is there.
	mute bool
	// alone: files that it writes are changed by going on past the save, and a
	// restore cannot bring them back. So it is killed at once.
	alone  bool
	status int                            // its exit status
	big    bool                           // only in make check-all: it takes long, or much room
	ids    bool                           // it needs its ids, which an ordinary user's keep in namespaces
	make   func(t *testing.T, dir string) // makes the input; may be nil
	normal func(data []byte) []byte       // what of the result must be the same; nil: all
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

	{name: "fortran", argv: []string{"built", "work.f90"}, result: "out", big: true},

	// With threads.
	{name: "ruby", argv: []string{"ruby", "work.rb"}, script: "work.rb", result: "out"},
	{name: "R", argv: []string{"R", "--vanilla", "--slave", "-f", "work.R"}, script: "work.R", result: "out", big: true},
	{name: "octave", argv: []string{"octave-cli", "-q", "--norc", "work.m"}, script: "work.m", result: "out", big: true},
	{name: "bank", argv: []string{"built", "bank.c", "-pthread"}, result: "out"},
	{name: "openmp", argv: []string{"built", "openmp.c", "-fopenmp"}, result: "out"},
	{name: "python3-threads", argv: []string{"/usr/bin/python3", "threads.py"}, script: "threads.py", result: "out", make: makeText(6 << 20)},
	{name: "pigz", argv: []string{"pigz", "-p4", "-11", "-I", "1", "-c", "-n", "data"}, result: "out", make: makeText(2 << 20)},
	{name: "xz-T2", argv: []string{"xz", "-T2", "--block-size=300KiB", "-c", "data"}, result: "out", make: makeText(4 << 20)},
	{name: "node", argv: []string{"node", "work.js"}, script: "work.js", result: "out", ids: true, big: true},
	{name: "java", argv: []string{"java", "-XX:-UsePerfData", "Work.java"}, script: "Work.java", result: "out", big: true},
	{name: "java-perfdata", argv: []string{"java", "Work.java"}, script: "Work.java", result: "out", big: true},
	{name: "go", argv: []string{"go", "0"}, result: "out"},
	{name: "go-cgo", argv: []string{"go", "1"}, result: "out"},

	// One process, one thread.
	{name: "gp", argv: []string{"gp", "-q", "work.gp"}, script: "work.gp", result: "out", big: true},
	{name: "openssl-speed", argv: []string{"openssl", "speed", "-seconds", "2", "-bytes", "16384", "sha256"}, result: "out", mute: true, normal: withoutNumbers},
	{name: "cadical", argv: []string{"cadical", "-q", "work.cnf"}, result: "out", make: makeFormula, mute: true, status: 20},
	{name: "stockfish", argv: []string{"stockfish", "bench", "16", "1", "11"}, result: "err", big: true, normal: onlyNodes},

	// With several processes.
	{name: "bash-jobs", argv: []string{"bash", "jobs.bash"}, script: "jobs.bash", result: "out", ids: true},
	{name: "openssl-multi", argv: []string{"openssl", "speed", "-seconds", "2", "-bytes", "16384", "-multi", "2", "sha256"}, result: "out", ids: true, mute: true, normal: withoutNumbers},
	{name: "xz-pipe", argv: inShell("xz -T1 -c data | sha256sum"), result: "out", ids: true, make: makeText(3 << 20), mute: true},
	{name: "tar-zstd", argv: inShell("tar -c --sort=name --mtime=@0 --owner=0 --group=0 data | zstd -12 -T2 -q | sha256sum"), result: "out", ids: true, make: makeText(5 << 20), mute: true},
	{name: "sort", argv: inShell("sort -S 4M -T . data | sort -S 2M -T . -k 2 | sha256sum"), result: "out", ids: true, alone: true, make: makeText(12 << 20), mute: true},
	{name: "gcc", argv: inShell("gcc -O3 -c work.i && sha256sum work.o"), result: "out", ids: true, alone: true, make: makeSmallSource, mute: true},
	{name: "make", argv: []string{"make", "-s", "-j3", "-f", "Makefile.work"}, script: "Makefile.work", result: "out", ids: true, alone: true, make: makeSmallSource, mute: true},
	{name: "sqlite3-fifo", argv: []string{"sh", "sqlite.sh"}, script: "sqlite.sh", result: "out", ids: true, alone: true},
}

func inShell(line string) []string { return []string{"sh", "-c", line} }

// path is the program, found or built.
func (r *realProgram) path(t *testing.T) string {
	t.Helper()
	name := r.argv[0]
	switch {
	case strings.HasPrefix(name, "counter-"):
		return target(t, name)
	case name == "built":
		compiler := "gcc"
		if filepath.Ext(r.argv[1]) == ".f90" {
			compiler = "gfortran"
		}
		return r.built(t, append([]string{compiler, "-O2", "-o", "PATH", filepath.Join("realprograms", r.argv[1])}, r.argv[2:]...)...)
	case name == "go":
		return r.built(t, "env", "CGO_ENABLED="+r.argv[1], "go", "build", "-o", "PATH", "./realprograms/gowork")
	case name == "cc1":
		out, err := exec.Command("gcc", "-print-prog-name=cc1").Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	path, err := exec.LookPath(name)
	if err != nil && filepath.Base(name) == name {
		path, err = exec.LookPath(filepath.Join("/usr/games", name)) // not on every PATH
	}
	if err != nil {
		t.Fatalf("%v: run tests/setup.sh all", err)
	}
	return path
}

// built is the path of a program that the command makes at PATH, once.
func (r *realProgram) built(t *testing.T, argv ...string) string {
	t.Helper()
	path := filepath.Join(base, "programs", "real-"+r.name)
	once, _ := built.LoadOrStore(path, sync.OnceValue(func() error {
		for i, arg := range argv {
			argv[i] = strings.Replace(arg, "PATH", path, 1)
		}
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, out)
		}
		return os.Chmod(path, 0o755)
	}))
	if err := once.(func() error)(); err != nil {
		t.Fatal(err)
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

// makeSmallSource is a file that is compiled in less than a second.
func makeSmallSource(t *testing.T, dir string) {
	t.Helper()
	makeSource(t, dir)
	source := text(dir, "work.i")
	writeFile(t, dir, "work.i", source[:strings.Index(source, "int f25(")])
}

// makeText writes the file data: words that repeat, in lines.
func makeText(size int) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		var b bytes.Buffer
		x := uint32(12345)
		for b.Len() < size {
			x = x*1664525 + 1013904223
			fmt.Fprintf(&b, "%x w%d %d\n", x>>8, x>>22, x%7919)
		}
		writeFile(t, dir, "data", b.String())
	}
}

// makeFormula writes a random 3-SAT problem that takes a solver a while.
func makeFormula(t *testing.T, dir string) {
	t.Helper()
	const variables, clauses = 250, 1150
	var b strings.Builder
	fmt.Fprintf(&b, "p cnf %d %d\n", variables, clauses)
	x := uint64(4711)
	for range clauses {
		for range 3 {
			x = x*6364136223846793005 + 1442695040888963407
			literal := int(x>>33)%variables + 1
			if x>>60&1 == 1 {
				literal = -literal
			}
			fmt.Fprintf(&b, "%d ", literal)
		}
		b.WriteString("0\n")
	}
	writeFile(t, dir, "work.cnf", b.String())
}

var number = regexp.MustCompile(`[-0-9. ]+`)

// withoutNumbers keeps what a benchmark prints besides what it measures.
func withoutNumbers(data []byte) []byte {
	return bytes.Join(bytes.Fields(number.ReplaceAll(data, []byte(" "))), []byte(" "))
}

var nodes = regexp.MustCompile(`Nodes searched *: [0-9]+`)

// onlyNodes is what stockfish found, without the time that it took.
func onlyNodes(data []byte) []byte { return nodes.Find(data) }
