package kind

import (
	"fmt"
	"strings"

	"ckpt/internal/image"
)

// object names d in messages: "fd 3 (pipe:[1234])".
func (d *Desc) object() string {
	if d.FD < 0 {
		return fmt.Sprintf("mapped file %s", d.Link)
	}
	if d.InFlight != nil {
		return fmt.Sprintf("descriptor in flight (%s)", d.Link)
	}
	return fmt.Sprintf("fd %d (%s)", d.FD, d.Link)
}

// object names f in messages by its numbers in the restored process, the first
// one that has it.
func (r *RestoreContext) object(f *image.OpenFile) string {
	home := r.Home(f)
	var numbers []string
	for _, n := range r.NumbersIn(home, f) {
		numbers = append(numbers, fmt.Sprint(n))
	}
	if f.InFlight {
		return fmt.Sprintf("descriptor in flight (%s)", f.Path)
	}
	if numbers == nil {
		return fmt.Sprintf("mapped file %s", f.Path)
	}
	process := ""
	if len(r.Manifest.Processes) > 1 {
		process = fmt.Sprintf("process %d, ", home.PID)
	}
	return fmt.Sprintf("%sfd %s (%s)", process, strings.Join(numbers, ","), f.Path)
}
