package restore

import (
	"fmt"
	"strings"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/sys"
)

// limitNames name the resource limits, indexed by RLIMIT_*, as ulimit's manual
// speaks of them.
var limitNames = [...]string{
	"CPU time", "file size", "data size", "stack size", "core file size", "resident set", "processes", "open files",
	"locked memory", "address space", "file locks", "pending signals", "message queues", "nice value", "real-time priority", "real-time CPU time",
}

// resourceLimits sets the resource limits when all else is made that they could stand
// in the way of. That of the stack also chose the layout of the fresh process,
// see launch.
func (w *writer) resourceLimits() {
	for res, l := range w.m.limits {
		w.b.Call("set the limit of "+limitNames[res], abi.SysPrlimit64, plan.Imm(0), plan.Imm(uint64(res)),
			w.b.Data(words(l.Cur, l.Max)), plan.Imm(0))
	}
}

// takeLimits finds out which of the saved resource limits the process can have:
// raising a hard limit takes a privilege that the program may have had and we
// have not. Soft limits that a restore itself may run into are raised.
func (p *preparation) takeLimits(m *member) error {
	var lower []string
	for res, l := range m.process.Limits {
		cur, max, err := sys.Limit(res)
		if err != nil {
			return err
		}
		if l.Max > max {
			if err := sys.SetLimit(res, cur, l.Max); err == nil {
				max = l.Max
			} else {
				lower = append(lower, fmt.Sprintf("%s %s instead of %s", limitNames[res], limitText(max), limitText(l.Max)))
				l = image.Rlimit{Cur: min(l.Cur, max), Max: max}
			}
		}
		m.limits = append(m.limits, l)
		switch res {
		case sys.RlimitData, sys.RlimitNofile, sys.RlimitMemlock, sys.RlimitAS, sys.RlimitSigpending:
			if err := sys.SetLimit(res, max, max); err != nil {
				return err
			}
		}
		if res == sys.RlimitNofile {
			if err := m.checkNumbers(max); err != nil {
				return err
			}
		}
	}
	if len(lower) > 0 {
		p.o.Warn(m.name+"resource limits", "you may not raise them: "+strings.Join(lower, ", "))
	}
	return nil
}

// checkNumbers refuses descriptor numbers that this process can not have.
func (m *member) checkNumbers(limit uint64) error {
	for _, d := range m.process.Descriptors {
		if uint64(d.FD) >= limit {
			return &HostError{
				Reason: fmt.Sprintf("the program has descriptor %d open, and your limit of open files is %d", d.FD, limit),
				Advice: "raise it with ulimit -n, or as root",
			}
		}
	}
	return nil
}

func limitText(n uint64) string {
	if n == ^uint64(0) {
		return "unlimited"
	}
	return fmt.Sprint(n)
}
