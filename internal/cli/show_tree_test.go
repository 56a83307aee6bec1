package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"ckpt/internal/image"
)

// TestShowParts prints tree, threads and descriptors of an image, in any
// combination.
func TestShowParts(t *testing.T) {
	t.Parallel()
	path := treeImage(t)
	tree := `3 processes, 2 threads, 12 KiB of memory in the image
    pid    ppid    pgid     sid  state    threads   fds     saved    shared  command
   4711    4700    4711    4700  running        1     1   8.0 KiB         -  make -j3
   4720    4711    4711    4700  stopped        1     2   8.0 KiB   4.0 KiB   \_ cc1 'a b.c'
   4730    4720    4711    4700  zombie         0     0         -         -       \_ [as] (exit code 3)
`
	threads := `process 4711, make -j3: 1 thread
    tid  name            scheduling   cpus                   at          stack  blocked signals
   4711  make            has ended
   4712  worker          other +5                           0x0            0x0  USR1
`
	fds := `process 4720, cc1 'a b.c': 2 descriptors
     fd  kind       mode       position  path
      1  tty        rw                0  /dev/pts/1 (shared with 4711)
      3  regular    r                12  /tmp/a; b (close on exec)
`
	for _, c := range []struct {
		args string
		want []string
		not  string
	}{
		{"--tree", []string{tree}, "tid"},
		{"--threads", []string{threads, "process 4720"}, "ppid"},
		{"--threads --pid 4711", []string{threads}, "4720"},
		{"--fds", []string{fds, "process 4711"}, "tid"},
		{"--fds --pid 4720", []string{fds}, "4730"},
		{"--tree --fds --threads", []string{tree, threads, fds}, "umask"},
	} {
		out, _ := ckpt(t, exitOK, append(append([]string{"show"}, strings.Fields(c.args)...), path)...)
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: got\n%s\nwant\n%s", c.args, out, want)
			}
		}
		if strings.Contains(out, c.not) {
			t.Errorf("%s: it has %q:\n%s", c.args, c.not, out)
		}
	}
	out, _ := ckpt(t, exitOK, "show", "--pid", "4720", path)
	if !strings.HasPrefix(out, "process    4720, cc1 'a b.c', one of 3 (ckpt show --tree)\n") || !strings.Contains(out, "files: 2 open, 0 only mapped") {
		t.Errorf("overview of the child:\n%s", out)
	}
	ckpt(t, exitUsage, "show", "--pid", "4799", path)
	ckpt(t, exitOK, "show", "--pid", "4730", path)
}

// TestShowPartsJSON has the same in a document.
func TestShowPartsJSON(t *testing.T) {
	t.Parallel()
	path := treeImage(t)
	for args, want := range map[string]func(p []showProcess) bool{
		"--tree":    func(p []showProcess) bool { return p[0].Threads == nil && p[0].FDs == nil },
		"--threads": func(p []showProcess) bool { return p[0].Threads[1].TID == 4712 && p[0].FDs == nil },
		"--fds":     func(p []showProcess) bool { return p[0].Threads == nil && p[1].FDs[0].Users == 2 },
		"":          func(p []showProcess) bool { return p[0].Threads[0].Dead && p[1].FDs[1].CloseOnExec },
	} {
		out, _ := ckpt(t, exitOK, append(append([]string{"show", "--json"}, strings.Fields(args)...), path)...)
		var d showPartsJSON
		if err := json.Unmarshal([]byte(out), &d); err != nil {
			t.Fatal(err)
		}
		schema := "ckpt/show-parts/1"
		if args == "" {
			schema = "ckpt/show/1"
		}
		if d.Schema != schema || len(d.Processes) != 3 || !want(d.Processes) || d.Processes[2].State != "zombie" || d.Processes[1].Shared != page {
			t.Errorf("%q:\n%s", args, out)
		}
	}
}

func TestTreeOrder(t *testing.T) {
	t.Parallel()
	all := []showProcess{{PID: 1, Args: []string{strings.Repeat("x", 80)}}, {PID: 2, PPID: 1}, {PID: 3, PPID: 99}, {PID: 4, PPID: 1}, {PID: 5, PPID: 2}, {PID: 6, PPID: 3}}
	var got strings.Builder
	for _, n := range treeOrder(all) {
		got.WriteString(strings.Repeat("-", n.depth) + string(rune('0'+all[n.index].PID)) + " ")
	}
	if got.String() != "1 -2 --5 -4 3 -6 " {
		t.Errorf("got %s", got.String())
	}
	for line := range strings.Lines(treeText(all, image.Stats{}, 70)) {
		if utf8.RuneCountInString(line) > 71 {
			t.Errorf("too long: %s", line)
		}
	}
}

func TestCPUList(t *testing.T) {
	t.Parallel()
	for want, words := range map[string][]uint64{
		"": nil, "0": {1}, "0,2": {5}, "0-3": {15}, "62-65,127": {3 << 62, 3 | 1<<63}, "0-63": {1<<64 - 1},
	} {
		if got := cpuList(words); got != want {
			t.Errorf("%x is %q, want %q", words, got, want)
		}
	}
	if got := exitText(9); got != "killed by SIGKILL" {
		t.Error(got)
	}
}

// TestManyThreadsShown: the overview of a process with many threads is short.
func TestManyThreadsShown(t *testing.T) {
	t.Parallel()
	d := &showJSON{Count: 1}
	for i := range 200 {
		d.Threads = append(d.Threads, showThread{TID: i + 1})
	}
	text := showText(d, d.Created, 0)
	if n := strings.Count(text, "stack pointer"); n != mostThreads || !strings.Contains(text, "and 192 more, see ckpt show --threads") {
		t.Errorf("%d threads:\n%s", n, text)
	}
}
