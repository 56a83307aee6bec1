package restore

import (
	"cmp"
	"fmt"
	"slices"

	"ckpt/internal/image"
)

// A process has its session and its process group from who forks it, and its
// parent is who forked it, as long as that one lives. So a tree can be made again
// only in the right order: a child that is in the session which its parent has
// left is made before the parent begins its own; a child of somebody in another
// session is made by a temporary process there that ends, so that its parent is
// who adopts orphans (PR_SET_CHILD_SUBREAPER); and where the leader of a session
// or of a group has ended, a temporary one leads it until all are in.
//
// All this is decided here, from the manifest alone.

// birth is a process that a restore makes.
type birth struct {
	pid     int            // 0: any that is free; only temporary ones
	process *image.Process // nil: temporary
	index   int            // in Manifest.Processes

	maker    *birth // who forks it; nil: the root
	children []*birth
	early    int  // so many of the children are made before it begins a session
	leads    lead // what it begins as soon as it is there
	join     int  // the group that it joins when all leaders are there; 0: none

	// yields is a temporary process that ends so that the adopter becomes the
	// parent of those whom it has made: they are adopted. An adopter that is nil is
	// a process outside of the tree.
	yields  bool
	adopted bool
	adopter *birth
}

type lead uint8

const (
	leadsNothing lead = iota
	leadsGroup
	leadsSession
)

// temporary reports whether the process is none of the image's.
func (b *birth) temporary() bool { return b.process == nil }

// lineage is the order in which the processes of a tree are made.
type lineage struct {
	root *birth
	all  []*birth // makers before those whom they make
	// adopters adopt one after the other: two at a time could take what is the
	// other's. The first is nil if there is something for who is outside.
	adopters []*birth
	families map[*birth][]*birth // see childrenOf
}

// meets reports whether the processes have to wait for each other: there are
// groups to join, or temporary processes.
func (l *lineage) meets() bool {
	return slices.ContainsFunc(l.all, func(b *birth) bool { return b.join != 0 || b.temporary() })
}

// adoptees are the processes that get another parent than who makes them, and
// that is the adopter.
func (l *lineage) adoptees(adopter *birth) (n int) {
	for _, b := range l.all {
		if b.adopted && b.adopter == adopter {
			n++
		}
	}
	return n
}

// genealogist works a lineage out.
type genealogist struct {
	m       *image.Manifest
	l       *lineage
	byPID   map[int]*birth // of the image and temporary leaders, once it is known who makes them
	session map[*birth]int // in the end
	born    map[*birth]int // the session of its maker at the time
	depth   map[*birth]int
}

// newLineage finds an order, or says why there is none.
func newLineage(m *image.Manifest) (*lineage, error) {
	first := &m.Processes[0]
	root := &birth{pid: first.PID, process: first}
	g := &genealogist{
		m: m, l: &lineage{root: root, all: []*birth{root}}, byPID: map[int]*birth{root.pid: root},
		session: map[*birth]int{root: first.SID}, born: map[*birth]int{root: first.SID}, depth: map[*birth]int{},
	}
	var waiting []int
	for i := range m.Processes[1:] {
		waiting = append(waiting, i+1)
	}
	for len(waiting) > 0 {
		n := len(waiting)
		waiting = slices.DeleteFunc(waiting, g.place)
		if len(waiting) < n {
			continue
		}
		// Those that are left are in sessions whose leaders have ended.
		if err := g.replaceLeader(waiting); err != nil {
			return nil, err
		}
	}
	if err := g.groups(); err != nil {
		return nil, err
	}
	g.orderAdopters()
	return g.l, nil
}

// place finds the maker of a process, if it is made itself.
func (g *genealogist) place(i int) bool {
	p := &g.m.Processes[i]
	b := &birth{pid: p.PID, process: p, index: i}
	parent := g.byPID[p.PPID]
	if parent == nil && g.inImage(p.PPID) {
		return false // later
	}
	switch {
	case parent != nil && p.SID == p.PID:
		b.leads = leadsSession
		g.add(parent, b, p.SID)
	case parent != nil && p.SID == g.session[parent]:
		g.add(parent, b, p.SID)
	case parent != nil && parent.leads == leadsSession && p.SID == g.born[parent]:
		g.addEarly(parent, b)
	case p.SID == p.PID:
		b.leads = leadsSession
		g.addAdopted(g.l.root, nil, b)
	default:
		maker := g.memberOf(p.SID, parent)
		if maker == nil {
			return false
		}
		g.addAdopted(maker, parent, b)
	}
	return true
}

// inImage reports whether somebody of the image has the id, and can be a parent.
func (g *genealogist) inImage(pid int) bool {
	return slices.ContainsFunc(g.m.Processes, func(p image.Process) bool { return p.PID == pid && !p.Zombie })
}

// memberOf is the first process in a session of whose orphans the adopter
// becomes the parent.
func (g *genealogist) memberOf(session int, adopter *birth) *birth {
	for _, b := range g.l.all {
		if g.session[b] == session && !b.yields && (adopter == nil || b != adopter && b.descends(adopter)) {
			return b
		}
	}
	return nil
}

// descends reports whether a is among those to whom b owes its existence.
func (b *birth) descends(a *birth) bool {
	for ; b != nil; b = b.parent() {
		if b == a {
			return true
		}
	}
	return false
}

// parent is the process's parent in the end.
func (b *birth) parent() *birth {
	if b.adopted {
		return b.adopter
	}
	return b.maker
}

// add gives a process its maker, which makes it when it is in its own session.
func (g *genealogist) add(maker, b *birth, session int) {
	maker.children = append(maker.children, b)
	g.note(maker, b, session, g.session[maker])
}

// addEarly is add for a child that is made before its maker's session.
func (g *genealogist) addEarly(maker, b *birth) {
	maker.children = slices.Insert(maker.children, maker.early, b)
	maker.early++
	g.note(maker, b, g.born[maker], g.born[maker])
}

func (g *genealogist) note(maker, b *birth, session, born int) {
	b.maker = maker
	g.session[b], g.born[b], g.depth[b] = session, born, g.depth[maker]+1
	g.l.all = append(g.l.all, b)
	if b.pid != 0 {
		g.byPID[b.pid] = b
	}
}

// addAdopted has a process made by a temporary child of somebody in its session.
func (g *genealogist) addAdopted(of, adopter, b *birth) {
	var maker *birth
	for _, c := range of.children[of.early:] {
		if c.yields && c.adopter == adopter {
			maker = c
		}
	}
	if maker == nil {
		maker = &birth{yields: true, adopter: adopter}
		g.add(of, maker, g.session[of])
	}
	b.adopted, b.adopter = true, adopter
	session := g.session[of]
	if b.leads == leadsSession {
		session = b.pid
	}
	g.add(maker, b, session)
}

// replaceLeader makes a temporary process lead the session of one that waits.
func (g *genealogist) replaceLeader(waiting []int) error {
	for _, i := range waiting {
		p := &g.m.Processes[i]
		if p.SID == g.m.Processes[0].SID || g.inImage(p.SID) || g.byPID[p.SID] != nil {
			continue // not ours, a leader that waits itself, or whose orphans would go to another one
		}
		// As deep as possible, so that each adopter is above it.
		maker := g.l.root
		for _, k := range waiting {
			q := &g.m.Processes[k]
			if parent := g.byPID[q.PPID]; q.SID == p.SID && parent != nil && g.depth[parent] > g.depth[maker] {
				maker = parent
			}
		}
		g.add(maker, &birth{pid: p.SID, leads: leadsSession}, p.SID)
		return nil
	}
	p := &g.m.Processes[waiting[0]]
	return &HostError{Reason: fmt.Sprintf("process %d, a child of %d, is in session %d, and no order is known in which it comes there", p.PID, p.PPID, p.SID)}
}

// groups has every group led, and joined by its members.
func (g *genealogist) groups() error {
	first := g.m.Processes[0].PGID
	for _, b := range slices.Clone(g.l.all) {
		if b.temporary() || b == g.l.root || b.process.PGID == first {
			continue
		}
		group := b.process.PGID
		leader := g.byPID[group]
		switch {
		case leader == nil:
			leader = &birth{pid: group}
			at := slices.Index(b.maker.children, b)
			b.maker.children = slices.Insert(b.maker.children, at, leader)
			if at < b.maker.early {
				b.maker.early++
			}
			g.note(b.maker, leader, g.born[b], g.born[b])
		case g.session[leader] != g.session[b]:
			return &HostError{Reason: fmt.Sprintf("process %d is in group %d of another session", b.pid, group)}
		}
		if leader.leads == leadsNothing && leader != g.l.root {
			leader.leads = leadsGroup
		}
	}
	for _, b := range g.l.all {
		if !b.temporary() && b != g.l.root && b.process.PGID != g.groupOf(b) {
			b.join = b.process.PGID
		}
	}
	return nil
}

// groupOf is the group of a process before anybody joins another one.
func (g *genealogist) groupOf(b *birth) int {
	switch {
	case b.leads != leadsNothing:
		return b.pid
	case b.maker == nil:
		return b.process.PGID
	case slices.Contains(b.maker.children[:b.maker.early], b):
		return g.groupAtBirth(b.maker)
	}
	return g.groupOf(b.maker)
}

func (g *genealogist) groupAtBirth(b *birth) int {
	switch {
	case b.maker == nil:
		return b.process.PGID
	case slices.Contains(b.maker.children[:b.maker.early], b):
		return g.groupAtBirth(b.maker)
	}
	return g.groupOf(b.maker)
}

// orderAdopters lists who adopts, who is outside first.
func (g *genealogist) orderAdopters() {
	for _, b := range g.l.all {
		if b.adopted && !slices.Contains(g.l.adopters, b.adopter) {
			g.l.adopters = append(g.l.adopters, b.adopter)
		}
	}
	slices.SortStableFunc(g.l.adopters, func(a, b *birth) int {
		return cmp.Compare(flag(a != nil), flag(b != nil))
	})
}

// childrenOf are the children of the image that a process has in the end.
func (l *lineage) childrenOf(b *birth) (children []*birth) {
	if l.families == nil {
		l.families = map[*birth][]*birth{}
		for _, c := range l.all {
			if !c.temporary() {
				l.families[c.parent()] = append(l.families[c.parent()], c)
			}
		}
	}
	return l.families[b]
}
