package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
)

// generationCount is how often a program is saved and restored in a row.
const generationCount = 10

// restoring reports whether a thread is still in the restorer, which blocks all
// signals.
func (p *process) restoring() bool { return restoring(p.pid()) }

func restoring(pid int) bool {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, f := range files {
		status, _ := os.ReadFile(f)
		if strings.Contains(string(status), "SigBlk:\tfffffffffffbfeff") {
			return true
		}
	}
	return false
}

// awaitSleep waits until the program sleeps in its waiting loop and is itself.
// With several threads the restorer sleeps, too, with all signals blocked.
func (r *probeRun) awaitSleep(what string) {
	r.t.Helper()
	eventually(r.t, what, func() bool {
		return r.ended() || r.state() == "S" && r.process.syscall() >= 0 && !r.restoring()
	})
}

// TestGenerations saves and restores a program ten times in a row: it notices
// nothing, and no mapping, descriptor, signal handler, child or zombie is left
// over from any of them.
func TestGenerations(t *testing.T) {
	eachProbe(t, func(p *probe) bool { return p.has("generations") && p.variant != "nopie" }, func(t *testing.T, p *probe) {
		r := startProbe(t, p, os.Geteuid())
		r.generations(generationCount, "ckpt", func() { r.saveAndKill() })
	})
}

// TestGenerationsBySignal is TestGenerations by kill -12 and myrestart: what the
// handler has done for a save is gone in the restored program as well.
func TestGenerationsBySignal(t *testing.T) {
	generations := func(p *probe) bool {
		return p.has("generations") && p.variant == "pie" && withAgent(p) && slices.Contains([]string{"sig", "thr"}, p.name[:3])
	}
	eachProbe(t, generations, func(t *testing.T, p *probe) {
		r := startProbe(t, p, os.Geteuid(), withLibrary(t)...)
		r.generations(3, "myrestart", func() {
			r.saveBySignal()
			r.saves++
			r.kill()
		})
	})
}

// generations saves, kills and restores the program so many times in a row.
func (r *probeRun) generations(count int, tool string, save func()) {
	t := r.t
	t.Helper()
	r.awaitSleep("the program asleep") // it may still have to close what it wrote to
	first := r.portrait(t)
	var leftFirst []string // what the first restore has left in memory
	for i := range count {
		save()
		r.restore(tool)
		if r.ended() {
			t.Fatalf("generation %d ended with status %d\n%s", i+1, r.wait(), text(r.dir, "restore.err"))
		}
		r.awaitSleep("the restored program asleep; " + r.describe())
		left := compare(t, i+1, first, r.portrait(t))
		if i == 0 {
			leftFirst = left
		}
		if gone, added := difference(leftFirst, left); len(gone)+len(added) > 0 {
			t.Errorf("generation %d leaves %q, the first one left %q", i+1, left, leftFirst)
		}
		if t.Failed() {
			return
		}
	}
	r.finish()
}

// portrait is what the kernel shows of a process, without what may differ.
type portrait struct {
	maps        []string // one line an area, adjacent ones of a kind joined
	descriptors []string
	status      []string
	children    string
}

func (r *probeRun) portrait(t *testing.T) portrait {
	t.Helper()
	return portrait{
		maps:        normalMaps(string(r.proc("maps"))),
		descriptors: r.descriptors(t),
		status:      statusLines(string(r.proc("status"))),
		children:    string(r.proc(fmt.Sprintf("task/%d/children", r.pid()))),
	}
}

// compare reports what differs from the first generation. What the restorer
// leaves by may be added: a few pages, in each generation the same; they are
// returned.
func compare(t *testing.T, generation int, first, now portrait) (left []string) {
	t.Helper()
	gone, added := difference(first.maps, now.maps)
	if size := totalSize(added); len(gone) > 0 || size > 64<<10 {
		t.Errorf("generation %d: areas gone: %s\n%d bytes added: %s", generation,
			strings.Join(gone, "\n"), size, strings.Join(added, "\n"))
	}
	for _, of := range []struct {
		what       string
		first, now []string
	}{
		{"descriptors", first.descriptors, now.descriptors},
		{"status", first.status, now.status},
	} {
		if gone, added := difference(of.first, of.now); len(gone)+len(added) > 0 {
			t.Errorf("generation %d: %s gone: %q, added: %q", generation, of.what, gone, added)
		}
	}
	if now.children != "" {
		t.Errorf("generation %d: children %s", generation, now.children)
	}
	return added
}

// totalSize is the size of areas, given as lines of normalMaps.
func totalSize(areas []string) (size uint64) {
	for _, area := range areas {
		var from, to uint64
		if _, err := fmt.Sscanf(area, "%x-%x ", &from, &to); err != nil {
			panic(err)
		}
		size += to - from
	}
	return size
}

// difference returns the lines that are only in a and those only in b.
func difference(a, b []string) (onlyA, onlyB []string) {
	count := map[string]int{}
	for _, s := range a {
		count[s]++
	}
	for _, s := range b {
		if count[s]--; count[s] < 0 {
			onlyB = append(onlyB, s)
		}
	}
	for _, s := range a {
		if count[s] > 0 {
			count[s]--
			onlyA = append(onlyA, s)
		}
	}
	return onlyA, onlyB
}

var mapsLine = regexp.MustCompile(`^([0-9a-f]+)-([0-9a-f]+) (....) ([0-9a-f]+) (\S+) (\d+) *(.*)$`)

// normalMaps is /proc/PID/maps without devices and inodes, which a deleted file
// or shared memory gets new, and without areas that only the kernel's merging
// of neighbours sets apart.
func normalMaps(maps string) []string {
	var lines []string
	var start, end, rest string
	for line := range strings.Lines(maps) {
		m := mapsLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			continue
		}
		name := deletedName.ReplaceAllString(m[7], "(deleted)")
		if m[3][3] == 'p' && name == "(deleted)" {
			name = "" // all of it is in the image
		}
		kind := strings.TrimSpace(m[3] + " " + name)
		if m[1] == end && kind == rest {
			lines = lines[:len(lines)-1]
		} else {
			start = m[1]
		}
		end, rest = m[2], kind
		lines = append(lines, start+"-"+end+" "+kind)
	}
	return lines
}

var (
	objectNumber = regexp.MustCompile(`:\[\d+\]`)
	// A deleted file comes back under no name or a temporary one; not a memfd.
	deletedName = regexp.MustCompile(`^/([^m].*|m[^e].*)\(deleted\)$`)
)

func (r *probeRun) descriptors(t *testing.T) []string {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", r.pid())
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil {
			continue // closed since
		}
		all = append(all, e.Name()+" "+objectNumber.ReplaceAllString(deletedName.ReplaceAllString(target, "(deleted)"), ""))
	}
	sort.Strings(all)
	return all
}

// statusLines are the lines of /proc/PID/status that a restore has to keep.
func statusLines(status string) []string {
	var kept []string
	for line := range strings.Lines(status) {
		name, _, _ := strings.Cut(line, ":")
		switch name {
		case "Name", "Umask", "Uid", "Gid", "Groups", "Threads",
			"SigBlk", "SigIgn", "SigCgt", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb",
			"NoNewPrivs", "Seccomp", "THP_enabled", "Cpus_allowed":
			kept = append(kept, strings.TrimSpace(line))
		}
	}
	return kept
}
