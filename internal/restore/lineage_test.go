package restore

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"ckpt/internal/image"
)

// kernel is what the kernel knows of processes, as far as it matters here.
type kernel struct {
	alive map[int]*task
}

type task struct {
	pid, parent, group, session int
	subreaper, zombie           bool
}

func (k *kernel) fork(parent *task, pid int) *task {
	c := &task{pid: pid, parent: parent.pid, group: parent.group, session: parent.session}
	k.alive[pid] = c
	return c
}

func (k *kernel) setsid(t *task) { t.session, t.group = t.pid, t.pid }

// setpgid fails where the kernel fails.
func (k *kernel) setpgid(t *task, group int) error {
	if group == t.pid {
		t.group = group
		return nil
	}
	for _, other := range k.alive {
		if other.group == group && other.session == t.session && t.session != t.pid {
			t.group = group
			return nil
		}
	}
	return fmt.Errorf("process %d can not join group %d", t.pid, group)
}

// exit ends a process; its children get the next subreaper above it.
func (k *kernel) exit(t *task) {
	to := 1
	for p := k.alive[t.parent]; p != nil; p = k.alive[p.parent] {
		if p.subreaper && !p.zombie {
			to = p.pid
			break
		}
	}
	for _, c := range k.alive {
		if c.parent == t.pid {
			c.parent = to
		}
	}
	t.zombie = true
}

// reap takes a process away that has ended.
func (k *kernel) reap(t *task) { delete(k.alive, t.pid) }

// follow does what a plan of the lineage does.
func (k *kernel) follow(l *lineage, root *task) error {
	free := 1000
	for _, b := range l.all {
		if b.pid == 0 {
			free++
			b.pid = free
		}
	}
	k.family(l.root, root)
	for _, leaders := range []bool{false, true} {
		for _, b := range l.all {
			if b.join != 0 && (b.leads != leadsNothing) == leaders {
				if err := k.setpgid(k.alive[b.pid], b.join); err != nil {
					return err
				}
			}
		}
	}
	for _, adopter := range l.adopters {
		if adopter != nil {
			k.alive[adopter.pid].subreaper = true
		}
		for _, b := range l.all {
			if b.yields && b.adopter == adopter {
				k.exit(k.alive[b.pid])
			}
		}
		if adopter != nil {
			k.alive[adopter.pid].subreaper = false
		}
	}
	for _, b := range slices.Backward(l.all) {
		if b.temporary() {
			k.exit(k.alive[b.pid])
			k.reap(k.alive[b.pid])
		}
	}
	return nil
}

func (k *kernel) family(b *birth, t *task) {
	for _, c := range b.children[:b.early] {
		k.family(c, k.fork(t, c.pid))
	}
	switch b.leads {
	case leadsSession:
		k.setsid(t)
	case leadsGroup:
		t.group = t.pid
	}
	for _, c := range b.children[b.early:] {
		k.family(c, k.fork(t, c.pid))
	}
}

// history lets processes live at random, and gives those that are left in the
// order of an image: descendants of process 10, or once such.
func history(t *rapid.T) []image.Process {
	k := &kernel{alive: map[int]*task{}}
	root := &task{pid: 10, parent: 2, group: 10, session: 2}
	k.alive[10] = root
	next := 10
	for range rapid.IntRange(0, 60).Draw(t, "events") {
		var pids []int
		for pid, p := range k.alive {
			if !p.zombie {
				pids = append(pids, pid)
			}
		}
		slices.Sort(pids)
		p := k.alive[rapid.SampledFrom(pids).Draw(t, "who")]
		switch rapid.SampledFrom([]string{"fork", "fork", "fork", "setsid", "lead", "join", "subreaper", "exit", "reap"}).Draw(t, "what") {
		case "fork":
			next++
			k.fork(p, next)
		case "setsid":
			if p != root && p.group != p.pid {
				k.setsid(p)
			}
		case "lead":
			if p != root && p.session != p.pid {
				_ = k.setpgid(p, p.pid)
			}
		case "join":
			other := k.alive[rapid.SampledFrom(pids).Draw(t, "whose")]
			if p != root && p.session != p.pid {
				_ = k.setpgid(p, other.group)
			}
		case "subreaper":
			p.subreaper = true
		case "exit":
			if p != root {
				k.exit(p)
			}
		case "reap":
			for _, c := range k.alive {
				if c.zombie && (c.parent == p.pid || c.parent == 1) {
					k.reap(c)
				}
			}
		}
	}
	return k.image(root)
}

func (k *kernel) image(root *task) []image.Process {
	var all []image.Process
	var add func(p *task)
	add = func(p *task) {
		all = append(all, image.Process{PID: p.pid, PPID: p.parent, PGID: p.group, SID: p.session, Zombie: p.zombie})
		for pid := 10; pid < 100; pid++ {
			if c := k.alive[pid]; c != nil && c.parent == p.pid {
				add(c)
			}
		}
	}
	add(root)
	for pid := 10; pid < 100; pid++ {
		if c := k.alive[pid]; c != nil && c.parent == 1 && !c.zombie {
			add(c)
		}
	}
	return all
}

// TestLineage: whatever processes have lived through, those that are left are
// made again with the same parents, groups and sessions, or it is refused; most
// are not.
func TestLineage(t *testing.T) {
	t.Parallel()
	tried, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		saved := history(t)
		l, err := newLineage(&image.Manifest{Processes: saved})
		if tried++; err != nil {
			refused++
			return
		}
		k := &kernel{alive: map[int]*task{}}
		root := &task{pid: 10, parent: 2, group: 10, session: 2}
		k.alive[10] = root
		if err := k.follow(l, root); err != nil {
			t.Fatalf("%v\n%+v", err, saved)
		}
		if len(k.alive) != len(saved) {
			t.Fatalf("%d processes of %d", len(k.alive), len(saved))
		}
		for _, want := range saved {
			got := k.alive[want.PID]
			if got == nil || got.parent != want.PPID || got.group != want.PGID || got.session != want.SID {
				t.Fatalf("process %d: %+v, want %d %d %d\n%+v", want.PID, got, want.PPID, want.PGID, want.SID, saved)
			}
		}
	})
	if refused*20 > tried {
		t.Errorf("%d of %d refused", refused, tried)
	}
}
