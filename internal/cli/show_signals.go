package cli

import (
	"fmt"
	"slices"
	"strings"

	"ckpt/internal/abi"
	"ckpt/internal/image"
)

// showSignals are the numbers of signals that are not as they were at the start
// of a program.
type showSignals struct {
	Handled []int `json:"handled"`
	Ignored []int `json:"ignored"`
	Blocked []int `json:"blocked"` // by the first thread that lives
	Pending []int `json:"pending"` // of the process and its threads
}

func describeSignals(p *image.Process) showSignals {
	s := showSignals{[]int{}, []int{}, []int{}, []int{}}
	for sig, action := range p.Signals.Actions {
		switch action.Handler {
		case 0: // SIG_DFL with flags
		case 1: // SIG_IGN
			s.Ignored = append(s.Ignored, sig)
		default:
			s.Handled = append(s.Handled, sig)
		}
	}
	slices.Sort(s.Handled)
	slices.Sort(s.Ignored)
	for i := range p.Threads {
		if t := &p.Threads[i]; !t.Dead {
			s.Blocked = signalSet(t.SigMask)
			break
		}
	}
	pending := slices.Clone(p.Signals.Pending)
	for i := range p.Threads {
		pending = append(pending, p.Threads[i].Pending...)
	}
	for _, info := range pending {
		s.Pending = append(s.Pending, int(info[0])) // si_signo, little endian, at most 64
	}
	return s
}

// signalSet are the signals of a mask.
func signalSet(mask uint64) []int {
	out := []int{}
	for sig := 1; sig <= abi.NSig; sig++ {
		if mask&(1<<(sig-1)) != 0 {
			out = append(out, sig)
		}
	}
	return out
}

// signalNames are the names of signals 1 to 31, signal(7).
var signalNames = strings.Fields("HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT " +
	"CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS")

func signalName(sig int) string {
	if sig >= 1 && sig <= len(signalNames) {
		return signalNames[sig-1]
	}
	return fmt.Sprintf("%d", sig)
}

// signalList names signals; none is "none", nearly all "all but ...".
func signalList(sigs []int) string {
	if len(sigs) == 0 {
		return "none"
	}
	if len(sigs) > abi.NSig/2 {
		var others []string
		for sig := 1; sig <= abi.NSig; sig++ {
			if !slices.Contains(sigs, sig) {
				others = append(others, signalName(sig))
			}
		}
		return "all but " + strings.Join(others, " ")
	}
	var names []string
	for _, sig := range sigs {
		names = append(names, signalName(sig))
	}
	return strings.Join(names, " ")
}
