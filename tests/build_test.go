package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
)

// probe is one program of programs/ in one way of linking it, and one of the
// ways of running it.
type probe struct {
	name    string // of the file, without suffix
	source  string
	variant string            // "pie", "nopie" or "static"
	arg     string            // which of the words of each=; "" without them
	words   map[string]string // the directives of its "// run:" line
}

// A probe's "// run:" line may have these words:
//
//	nopie, static     link it in these ways too; C++ and C are dynamic PIE else
//	static-only       assembler without libc
//	ldflags=-lm,-ldl  linker flags
//	args=a,b env=K=V  arguments and one variable
//	each=a,b          run it once with each of these as its (last) argument
//	ids               it needs the ids of its threads: an ordinary user's are
//	                  kept in namespaces
//	root              it needs root
//	noagent           not with the library: it is about SIGUSR2, or in a call
//	                  that fails with EINTR after any handler
//	inline            it is in a call that the library begins anew only where
//	                  libc makes it inline: glibc before 2.41
//	generations       ten generations of it, too
var directives = map[string]bool{
	"nopie": true, "static": true, "static-only": true, "ldflags": true, "args": true,
	"env": true, "root": true, "noagent": true, "inline": true, "generations": true,
	"each": true, "ids": true,
}

func (p *probe) has(word string) bool { _, ok := p.words[word]; return ok }

// list is a directive's value, split at commas.
func (p *probe) list(word string) []string {
	if p.words[word] == "" {
		return nil
	}
	return strings.Split(p.words[word], ",")
}

// args are the probe's arguments.
func (p *probe) args() []string {
	args := p.list("args")
	if p.arg != "" {
		args = append(args, p.arg)
	}
	return args
}

// binary is the name of the probe's binary.
func (p *probe) binary() string {
	if p.variant == "pie" {
		return p.name
	}
	return p.name + "-" + p.variant
}

func (p *probe) String() string {
	if p.arg == "" {
		return p.binary()
	}
	return p.binary() + "-" + p.arg
}

// probes are all probes in all their variants, sorted by name.
var probes = sync.OnceValues(func() ([]*probe, error) {
	var all []*probe
	for _, pattern := range []string{"*.c", "*.cc", "*.s"} {
		sources, err := filepath.Glob(filepath.Join("programs", pattern))
		if err != nil {
			return nil, err
		}
		for _, source := range sources {
			name := strings.TrimSuffix(filepath.Base(source), filepath.Ext(source))
			words, err := readDirectives(source)
			if err != nil {
				return nil, err
			}
			variants := []string{"pie"}
			if _, ok := words["static-only"]; ok {
				variants = []string{"static"}
			}
			for _, v := range []string{"nopie", "static"} {
				if _, ok := words[v]; ok {
					variants = append(variants, v)
				}
			}
			args := strings.Split(words["each"], ",") // at least one, ""
			for _, v := range variants {
				for _, arg := range args {
					all = append(all, &probe{name, source, v, arg, words})
				}
			}
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].String() < all[j].String() })
	return all, nil
})

func readDirectives(source string) (map[string]string, error) {
	data, err := os.ReadFile(source)
	if err != nil {
		return nil, err
	}
	words := map[string]string{}
	for line := range strings.Lines(string(data)) {
		_, rest, ok := strings.Cut(line, " run: ")
		if !ok || !strings.HasPrefix(line, "//") && !strings.HasPrefix(line, "#") {
			continue
		}
		for _, field := range strings.Fields(rest) {
			word, value, _ := strings.Cut(field, "=")
			if !directives[word] {
				return nil, fmt.Errorf("%s: unknown directive %q", source, word)
			}
			words[word] = value
		}
	}
	return words, nil
}

var (
	built     sync.Map                 // path of a binary -> func() error
	compilers = make(chan struct{}, 2) // at most two compilers at a time
	flags     = strings.Fields("-D_GNU_SOURCE -Wall -Wextra -Werror -O1 -g")
	linking   = map[string][]string{ // what a variant adds
		"pie":    {"-fPIE", "-pie"},
		"nopie":  {"-fno-pie", "-no-pie"},
		"static": {"-fno-pie", "-static"},
	}
)

// build compiles the probe, once, and returns the path of its binary.
func (p *probe) build(t *testing.T) string {
	t.Helper()
	path, err := p.compile()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func (p *probe) compile() (string, error) {
	path := filepath.Join(base, "programs", p.binary())
	once, _ := built.LoadOrStore(path, sync.OnceValue(func() error {
		compilers <- struct{}{}
		defer func() { <-compilers }()
		compiler := "gcc"
		args := append([]string{"-o", path}, flags...)
		args = append(args, linking[p.variant]...)
		switch filepath.Ext(p.source) {
		case ".cc":
			compiler = "g++"
		case ".s":
			args = append(args, "-nostdlib")
		}
		args = append(append(args, p.source), p.list("ldflags")...)
		out, err := exec.Command(compiler, args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s %s: %w\n%s", compiler, p.source, err, out)
		}
		return os.Chmod(path, 0o755)
	}))
	return path, once.(func() error)()
}
