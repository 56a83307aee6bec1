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
	f.obstacles = append(f.obstacles, Finding{object, reason, advice})
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
