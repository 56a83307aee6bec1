package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestOverhead: a library that makes system calls slower is seen to do so.
func TestOverhead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tools, err := build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	const source = `
#include <stdarg.h>
#include <unistd.h>
static volatile int n;
long syscall(long number, ...) { for (n = 0; n < 20000; n++); return getppid(); }
`
	slow := filepath.Join(dir, "slow.so")
	if err := os.WriteFile(filepath.Join(dir, "slow.c"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-o", slow, filepath.Join(dir, "slow.c")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, of := range loops {
		of.count = 10
		more, err := tools.compare(t.Context(), of, slow)
		if err != nil {
			t.Fatal(err)
		}
		if of.kind == "syscall" && more < 200 {
			t.Errorf("%s take %.0f %% more with a library that makes them slow", of.name, more)
		}
	}
	s, err := tools.starting(t.Context(), slow)
	if err != nil || s.Plain.Min <= 0 || s.Preloaded.Min <= 0 {
		t.Errorf("starting: %+v, %v", s, err)
	}
}

func TestOverheadTable(t *testing.T) {
	t.Parallel()
	r := &report{
		Overheads: []overhead{
			{"forks", []overheadRun{{2.5, -1}, {3.5, 1}, {3, 0.25}}},
			{"computing", []overheadRun{{-0.25, 0.5}}},
		},
		Starting: starting{stat{500, 600, 700}, stat{550, 650, 900}},
	}
	r.Bars = r.overheadBars()
	var table, document bytes.Buffer
	r.writeOverheads(&table)
	r.writeBars(&table)
	for _, want := range []string{"noise -1.00 to 1.00", "600 without it", "FAIL  forks, with libckpt.so: 3.00 % more, at most 0.50", "pass  computing, with libckpt.so: -0.25 % more"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in\n%s", want, &table)
		}
	}
	if err := r.writeJSON(&document); err != nil || !strings.Contains(document.String(), `"start_of_true"`) {
		t.Errorf("%v in\n%s", err, &document)
	}
}
