package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ckpt/internal/kind"
)

// TestKindsDocumented: docs/kinds.md has a row for every kind of open file, every
// probe is named there, and what it names as tests are tests.
func TestKindsDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(filepath.Join("..", "docs", "kinds.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{} // by what their first column has in code style
	var tables strings.Builder
	code := regexp.MustCompile("`([^`]+)`")
	for line := range strings.Lines(string(doc)) {
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			tables.WriteString(line)
			for _, name := range code.FindAllStringSubmatch(cells[1], -1) {
				rows[name[1]] = true
			}
		}
	}
	for _, k := range kind.Table {
		if !rows[k.Name()] {
			t.Errorf("kind %s has no row", k.Name())
		}
	}

	probes, functions, files := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, pattern := range []string{"programs/*.c", "programs/*.cc"} {
		for _, path := range glob(t, pattern) {
			name := filepath.Base(path)
			probes[strings.TrimSuffix(name, filepath.Ext(name))] = true
		}
	}
	for _, pattern := range []string{"*_test.go", "../internal/*/*_test.go"} {
		for _, path := range glob(t, pattern) {
			files[filepath.Base(path)] = true
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range regexp.MustCompile(`(?m)^func (Test\w+)`).FindAllStringSubmatch(string(source), -1) {
				functions[f[1]] = true
			}
		}
	}
	named := map[string]bool{}
	probe := regexp.MustCompile(`^(after|asm|call|clk|fd|mem|proc|reg|sig|thr|tim|tree)_[\w]*\*?$`)
	for _, m := range code.FindAllStringSubmatch(tables.String(), -1) {
		name := m[1]
		switch {
		case strings.HasSuffix(name, "_test.go") && !files[name],
			strings.HasPrefix(name, "Test") && !functions[name],
			probe.MatchString(name) && !strings.HasSuffix(name, "*") && !probes[name]:
			t.Errorf("there is no test %s", name)
		}
		for p := range probes {
			if stem, all := strings.CutSuffix(name, "*"); p == name || all && strings.HasPrefix(p, stem) {
				named[p] = true
			}
		}
	}
	for p := range probes {
		if !named[p] {
			t.Errorf("the probe %s is not named", p)
		}
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %d files, error %v", pattern, len(paths), err)
	}
	return paths
}
