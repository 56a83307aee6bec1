package cli

import (
	"fmt"
	"path"
	"strings"

	"ckpt/internal/emit"
	"ckpt/internal/proc"
	"ckpt/internal/save"
)

// signalUse is what processes do with the signal by which libckpt.so saves them.
type signalUse struct {
	loaded bool     // libckpt.so is, in the first process
	signal int      // which it takes; 0: none
	users  []string // processes that use the signal for something of their own
	free   string   // a signal that none of them uses
}

const sigUSR2 = 12

// findSignalUse finds out whether the signal would do what a user means by it. It
// only decides about a remark: what can not be found out counts as good.
func findSignalUse(r *save.Report) signalUse {
	u := signalUse{signal: sigUSR2, free: freeSignal(r)}
	library := libraryIn(r.PID)
	if u.loaded = library.End > 0; u.loaded {
		u.signal = emit.AgentSignal(environ(r.PID, "CKPT_SIGNAL"))
	}
	if u.signal == 0 {
		return u
	}
	for i, p := range r.Processes {
		takes := p.Catches>>(u.signal-1)&1 != 0
		switch {
		case p.Zombie:
			continue
		case i == 0 && u.loaded && takes && len(r.Obstacles) == 0:
			at, err := save.Handler(p.PID, u.signal)
			takes = err == nil && (at < library.Start || at >= library.End)
		case i == 0 && u.loaded:
			takes = !takes // it has been taken away from the library
		case takes:
			takes = libraryIn(p.PID).End == 0
		}
		if takes {
			u.users = append(u.users, fmt.Sprintf("%s (%d)", clean(p.Name), p.PID))
		}
	}
	return u
}

// libraryIn is where libckpt.so is in a process, zero if it is not.
func libraryIn(pid int) (at proc.VMA) {
	vmas, _ := proc.Host().Process(pid).Maps()
	for _, v := range vmas {
		if path.Base(v.Path) == "libckpt.so" {
			if at.End == 0 {
				at.Start = v.Start
			}
			at.End = v.End
		}
	}
	return at
}

// environ is a variable of the environment that a process was started with.
func environ(pid int, name string) string {
	list, _ := proc.Host().Process(pid).Environ()
	for _, s := range list {
		if value, ok := strings.CutPrefix(s, name+"="); ok {
			return value
		}
	}
	return ""
}

// freeSignal names a signal for CKPT_SIGNAL that none of the processes uses.
func freeSignal(r *save.Report) string {
	for _, c := range []struct {
		name string
		sig  int
	}{{"USR1", 10}, {"PROF", 27}, {"PWR", 30}, {"STKFLT", 16}} {
		used := false
		for _, p := range r.Processes {
			used = used || (p.Catches|p.Ignores)>>(c.sig-1)&1 != 0
		}
		if !used {
			return c.name
		}
	}
	return "64" // the last one for programs of their own
}

// text is what to say of it, and whether it is good news.
func (u signalUse) text(pid int) (text string, good bool) {
	switch {
	case u.loaded && u.signal == 0:
		return "libckpt.so is loaded, but CKPT_SIGNAL=none: only ckpt save saves it", true
	case len(u.users) > 0:
		some := u.users[0]
		if n := len(u.users) - 1; n > 0 {
			some += fmt.Sprintf(" and %s use", plurals(n, "other", "others"))
		} else {
			some += " uses"
		}
		return fmt.Sprintf("%s %s itself: kill -%d would not save it", some, signalTitle(u.signal), u.signal), false
	case u.loaded:
		return fmt.Sprintf("libckpt.so is loaded: kill -%d %d saves it, too", u.signal, pid), true
	}
	return "", false
}

func (u signalUse) advice() string {
	return fmt.Sprintf("ckpt save, which needs no signal; or start it with libckpt.so and CKPT_SIGNAL=%s", u.free)
}

func signalTitle(sig int) string {
	if name := signalName(sig); strings.Trim(name, "0123456789") != "" {
		return "SIG" + name
	}
	return fmt.Sprintf("signal %d", sig)
}
