package cli

import (
	"fmt"
	"math/bits"
	"strings"

	"ckpt/internal/image"
)

// showThread is a thread of a saved process.
type showThread struct {
	TID      int        `json:"tid"`
	Comm     string     `json:"comm"`
	Dead     bool       `json:"dead"` // a leader that has ended; it has no registers
	PC       image.Addr `json:"pc"`
	SP       image.Addr `json:"sp"`
	Policy   int        `json:"policy"` // SCHED_*
	Priority int        `json:"priority"`
	Nice     int        `json:"nice"`
	CPUs     string     `json:"cpus"` // on which it may run, "0-3,8"; empty: not known
	Blocked  []int      `json:"blocked"`
	Pending  int        `json:"pending"` // signals that were sent to it alone
}

func describeThreads(p *image.Process) []showThread {
	out := make([]showThread, 0, len(p.Threads))
	for i := range p.Threads {
		t := &p.Threads[i]
		out = append(out, showThread{
			TID: t.TID, Comm: t.Comm, Dead: t.Dead, PC: image.Addr(t.Regs.Rip), SP: image.Addr(t.Regs.Rsp),
			Policy: t.Policy, Priority: t.Priority, Nice: t.Nice, CPUs: cpuList(t.Affinity),
			Blocked: signalSet(t.SigMask), Pending: len(t.Pending),
		})
	}
	return out
}

func threadTable(threads []showThread) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%7s  %-15s %-12s %-10s %14s %14s  %s\n", "tid", "name", "scheduling", "cpus", "at", "stack", "blocked signals")
	for _, t := range threads {
		if t.Dead {
			fmt.Fprintf(&b, "%7d  %-15s has ended\n", t.TID, clean(t.Comm))
			continue
		}
		notes := signalList(t.Blocked)
		if t.Pending > 0 {
			notes += ", " + plural(t.Pending, "signal") + " pending"
		}
		fmt.Fprintf(&b, "%7d  %-15s %-12s %-10s %14s %14s  %s\n", t.TID, clean(t.Comm), t.scheduling(), cut(t.CPUs, 10), t.PC, t.SP, notes)
	}
	return b.String()
}

// policies are the names of the scheduling policies, sched(7), by number.
var policies = []string{"other", "fifo", "rr", "batch", "4", "idle", "deadline"}

// scheduling is "other", "other +5" with a nice value, "fifo 10" with a
// priority.
func (t *showThread) scheduling() string {
	name := fmt.Sprint(t.Policy)
	if t.Policy >= 0 && t.Policy < len(policies) {
		name = policies[t.Policy]
	}
	switch {
	case t.Priority != 0:
		name += fmt.Sprintf(" %d", t.Priority)
	case t.Nice != 0:
		name += fmt.Sprintf(" %+d", t.Nice)
	}
	return name
}

// cpuList lists the bits of a CPU mask as the kernel does: "0-3,8".
func cpuList(words []uint64) string {
	var ranges []string
	first, last := -1, -1
	flush := func() {
		switch {
		case first < 0:
		case first == last:
			ranges = append(ranges, fmt.Sprint(first))
		default:
			ranges = append(ranges, fmt.Sprintf("%d-%d", first, last))
		}
	}
	for i, word := range words {
		for ; word != 0; word &= word - 1 {
			cpu := 64*i + bits.TrailingZeros64(word)
			if first < 0 || cpu != last+1 {
				flush()
				first = cpu
			}
			last = cpu
		}
	}
	flush()
	return strings.Join(ranges, ",")
}
