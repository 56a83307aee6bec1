package proc

import "fmt"

// OOMScoreAdj is what the process is worth to the OOM killer, -1000 to 1000.
func (p Process) OOMScoreAdj() (int, error) {
	var v int
	b, err := p.dir.line("oom_score_adj")
	if err == nil && !signed(&v, b) {
		err = p.badValue("oom_score_adj", b)
	}
	return v, err
}

// Personality is the execution domain, personality(2). Needs permission to
// ptrace.
func (p Process) Personality() (uint32, error) {
	v, err := p.number("personality", 16)
	if err == nil && v > 1<<32-1 {
		err = fmt.Errorf("%s: %#x has more than 32 bits", p.dir.path("personality"), v)
	}
	return uint32(v), err
}

// TimerSlack is the timer slack in nanoseconds, PR_SET_TIMERSLACK. That of a
// thread tid is at Process(tid). It needs CAP_SYS_NICE; without it only a
// thread itself can tell its own (here or by prctl).
func (p Process) TimerSlack() (uint64, error) { return p.number("timerslack_ns", 10) }

// CoredumpFilter says what goes into a core dump, core(5). A process without
// memory has none: ErrNoMemory.
func (p Process) CoredumpFilter() (uint64, error) {
	b, err := p.dir.bytes("coredump_filter", maxSmall)
	if err == nil && len(b) == 0 {
		return 0, fmt.Errorf("%s: %w", p.dir.path("coredump_filter"), ErrNoMemory)
	}
	if err != nil {
		return 0, err
	}
	return p.number("coredump_filter", 16)
}

// number reads a file of one number.
func (p Process) number(name string, base int) (uint64, error) {
	var v uint64
	b, err := p.dir.line(name)
	if err == nil && !unsigned(&v, b, base) {
		err = p.badValue(name, b)
	}
	return v, err
}

// badValue is the error for a file of one line.
func (p Process) badValue(name string, b []byte) error {
	l := lines{name: p.dir.path(name), n: 1, text: b}
	return l.bad("value")
}
