package save

import (
	"errors"

	"ckpt/internal/kind"
)

// findings collects what stands against saving a process, and what its user
// should know.
type findings struct {
	obstacles, warnings []Finding
}

func (f *findings) refuse(object, reason, advice string) {
	f.obstacles = append(f.obstacles, Finding{Object: object, Reason: reason, Advice: advice})
}

func (f *findings) warn(object, reason string) {
	f.warnings = append(f.warnings, Finding{Object: object, Reason: reason})
}

// note turns an error of a kind into an obstacle, if it is one that says what
// can not be saved. Other errors come back.
func (f *findings) note(err error) error {
	var u *kind.UnsupportedError
	if errors.As(err, &u) {
		f.refuse(u.Object, u.Reason, u.Advice)
		return nil
	}
	return err
}

// named are findings with the name of the process, if there are several.
func named(list []Finding, s *subject, several bool) []Finding {
	if !several {
		return list
	}
	var out []Finding
	for _, f := range list {
		f.Process = s.name()
		out = append(out, f)
	}
	return out
}

func obstacles(subjects []*subject) (all []Finding) {
	for _, s := range subjects {
		all = append(all, named(s.obstacles, s, len(subjects) > 1)...)
	}
	return all
}

func warnings(subjects []*subject) (all []Finding) {
	for _, s := range subjects {
		all = append(all, named(s.warnings, s, len(subjects) > 1)...)
	}
	return all
}

// refusal is the error for processes with obstacles, else nil.
func refusal(subjects []*subject) error {
	if all := obstacles(subjects); len(all) > 0 {
		return &RefusedError{subjects[0].name(), all}
	}
	return nil
}
