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

// object names f in messages by its numbers in the restored process.
func (r *RestoreContext) object(f *image.OpenFile) string {
	var numbers []string
	for _, n := range r.Numbers(f) {
		numbers = append(numbers, fmt.Sprint(n))
	}
	if f.InFlight {
		return fmt.Sprintf("descriptor in flight (%s)", f.Path)
	}
	if numbers == nil {
		return fmt.Sprintf("mapped file %s", f.Path)
	}
	return fmt.Sprintf("fd %s (%s)", strings.Join(numbers, ","), f.Path)
}
