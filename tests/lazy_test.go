package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// lazily is the tool that restores with --lazy.
const lazily = "ckpt restore --lazy"

// isLazy reports whether memory of the process is mapped from its image.
func (r *probeRun) isLazy() bool {
	for _, line := range strings.Split(string(r.proc("maps")), "\n") {
		if strings.Contains(line, "/myckpt") && !strings.Contains(line, " 00000000 ") {
			return true
		}
	}
	return false
}

// TestLazy: a program whose memory is mapped from the image notices nothing,
// whether the image is there or not, and can be saved over it.
func TestLazy(t *testing.T) {
	eachProbe(t, caresForMemory, func(t *testing.T, p *probe) { lazyTwice(t, p, os.Geteuid()) })
}

func TestLazyUnprivileged(t *testing.T) {
	needRoot(t)
	eachProbe(t, caresForMemory, func(t *testing.T, p *probe) {
		if p.has("ids") || strings.HasPrefix(p.name, "tree_") {
			needNamespaces(t)
		}
		lazyTwice(t, p, nobody)
	})
}

// caresForMemory chooses probes. Not mem_mmap, which calls mremap(2) by itself.
func caresForMemory(p *probe) bool {
	return regexp.MustCompile("^mem_(brk|dense|fl|fo|huge|jit|malloc|mlock|names|pa|realloc|shared|sparse|stack|tls)|^tree_(child|clone|cow|shared|vfork)|^thr_(stacks|fork)|^after_").MatchString(p.name)
}

func lazyTwice(t *testing.T, p *probe, uid int, args ...string) {
	r := startProbe(t, p, uid)
	r.saveAndKill(args...)
	r.restore(lazily)
	if r.ended() {
		t.Fatalf("the restore ended with status %d\n%s", r.wait(), text(r.dir, "restore.err"))
	}
	r.awaitSleep("the restored program asleep; " + r.describe())
	r.saveAndKill(args...) // over the file that it is mapped from
	r.restore(lazily)
	if err := os.Remove(filepath.Join(r.dir, "myckpt")); err != nil {
		t.Fatal(err)
	}
	r.finish()
}

// TestLazyGenerations saves and lazily restores a program ten times in a row. From
// the second time on nothing is added to it.
func TestLazyGenerations(t *testing.T) {
	chosen := func(p *probe) bool {
		return p.has("generations") && strings.HasPrefix(p.name, "mem_") && p.variant != "nopie"
	}
	eachProbe(t, chosen, func(t *testing.T, p *probe) {
		r := startProbe(t, p, os.Geteuid())
		var first int // mappings after the first restore
		for i := range generationCount {
			r.saveAndKill()
			r.restore(lazily)
			if r.ended() {
				t.Fatalf("generation %d ended with status %d\n%s", i+1, r.wait(), text(r.dir, "restore.err"))
			}
			r.awaitSleep("the restored program asleep; " + r.describe())
			now := strings.Count(string(r.proc("maps")), "\n")
			if i == 0 {
				first = now
			} else if now != first {
				t.Errorf("generation %d has %d mappings, the first one had %d:\n%s", i+1, now, first, r.proc("maps"))
			}
			if p.name == "mem_realloc" && !r.isLazy() {
				t.Errorf("nothing is mapped from the image:\n%s", r.proc("maps"))
			}
		}
		r.finish()
	})
}
