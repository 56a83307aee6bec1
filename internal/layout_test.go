// Package internal holds the test of how the packages fit together.
package internal

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// layers are the packages from the bottom up. A package imports only from
// layers below its own, never from beside it: so save and restore meet only in
// the image.
var layers = [][]string{
	{"abi"},
	{"sys", "seekable"},
	{"image", "plan", "proc"},
	{"kind", "emit", "ptrace", "pager"},
	{"save", "restore"},
	{"cli"},
	{"cmd", "tools"},
}

// longFiles are those with more than maxLines, each with its reason.
var longFiles = map[string]string{
	"plan/interp_amd64.s": "it is copied as one piece; its parts jump to each other and must stay contiguous",
	"emit/agent_amd64.s":  "one program of its own; its parts call each other and must stay contiguous",
}

const maxLines = 400

// source is a Go or assembly file below internal or cmd.
type source struct {
	path    string // from internal, or cmd/...
	layer   string // its package as layers has it
	test    bool
	content []byte
	imports []string
}

func TestArrowsGoDown(t *testing.T) {
	level := map[string]int{}
	for i, names := range layers {
		for _, name := range names {
			level[name] = i
		}
	}
	for _, s := range sources(t) {
		own, known := level[s.layer]
		if !known {
			t.Errorf("%s: package %s is in no layer", s.path, s.layer)
		}
		for _, path := range s.imports {
			name, ours := strings.CutPrefix(path, "ckpt/internal/")
			if !ours || s.test {
				continue
			}
			if to, ok := level[name]; !ok || to >= own {
				t.Errorf("%s imports %s, which is not below it", s.path, name)
			}
		}
	}
}

// TestOnlySysIsUnsafe keeps the dangerous things in two packages.
func TestOnlySysIsUnsafe(t *testing.T) {
	for _, s := range sources(t) {
		if s.layer == "sys" || s.layer == "abi" || s.test {
			continue
		}
		for _, path := range s.imports {
			if path == "unsafe" || path == "C" || strings.HasPrefix(path, "golang.org/x/sys") {
				t.Errorf("%s imports %s, which only sys and abi may", s.path, path)
			}
		}
		for _, word := range []string{"syscall.RawSyscall", "syscall.Syscall", "go:linkname"} {
			if bytes.Contains(s.content, []byte(word)) {
				t.Errorf("%s uses %s, which only sys may", s.path, word)
			}
		}
	}
}

func TestFilesAreShort(t *testing.T) {
	for _, s := range sources(t) {
		lines := bytes.Count(s.content, []byte("\n"))
		if longFiles[s.path] == "" && lines > maxLines {
			t.Errorf("%s has %d lines: more than %d want a reason in longFiles", s.path, lines, maxLines)
		}
		if longFiles[s.path] != "" && lines <= maxLines {
			t.Errorf("%s has %d lines: it needs no reason in longFiles", s.path, lines)
		}
	}
}

// sources reads all files. There are some hundreds, so each test does it anew.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	read := func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && d.Name() == "testdata" {
				return filepath.SkipDir
			}
			return err
		}
		if ext := filepath.Ext(path); ext != ".go" && ext != ".s" {
			return nil
		}
		s := source{path: strings.TrimPrefix(filepath.ToSlash(path), "../"), test: strings.HasSuffix(path, "_test.go")}
		s.layer, _, _ = strings.Cut(s.path, "/")
		if s.layer == s.path {
			return nil // this file
		}
		if s.content, err = os.ReadFile(path); err != nil {
			return err
		}
		if strings.HasSuffix(path, ".go") {
			file, err := parser.ParseFile(token.NewFileSet(), path, s.content, parser.ImportsOnly)
			if err != nil {
				return err
			}
			for _, i := range file.Imports {
				name, err := strconv.Unquote(i.Path.Value)
				if err != nil {
					return err
				}
				s.imports = append(s.imports, name)
			}
		}
		all = append(all, s)
		return nil
	}
	for _, root := range []string{".", "../cmd"} {
		if err := filepath.WalkDir(root, read); err != nil {
			t.Fatal(err)
		}
	}
	if len(all) < 50 {
		t.Fatalf("only %d files found", len(all))
	}
	return all
}
