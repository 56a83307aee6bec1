package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ckpt/internal/image"
)

func newDiff() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff FILE FILE",
		Short: "Show what is different in a second image",
		Long: `Diff compares two images of the same processes, by their ids: how much of each
mapping has changed, is new or is gone, in whole pages; which descriptors and
threads there are more or less. Checksums are not looked at: that is ckpt verify.`,
		Example: `  ckpt diff monday.ckpt tuesday.ckpt
  ckpt diff --json monday.ckpt tuesday.ckpt`,
		Args: exactly("FILE", "FILE"),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a, err := openImage(args[0])
		if err != nil {
			return err
		}
		defer a.Close()
		b, err := openImage(args[1])
		if err != nil {
			return err
		}
		defer b.Close()
		d, err := compareImages(a, b)
		if err != nil {
			return err
		}
		d.Schema, d.Images = schema("diff"), args
		if *asJSON {
			return sayJSON(cmd, d)
		}
		return say(cmd, diffText(d))
	}
	return cmd
}

// diffJSON is what diff --json prints.
type diffJSON struct {
	Schema    string        `json:"schema"`
	Images    []string      `json:"images"`
	Processes []diffProcess `json:"processes"` // that are in both
	New       []int         `json:"new"`       // ids of processes that are in the second one only
	Gone      []int         `json:"gone"`      // and in the first one only
}

type diffProcess struct {
	PID         int        `json:"pid"`
	Memory      diffMemory `json:"memory"`
	Areas       []diffArea `json:"areas"` // in which something is different
	Descriptors diffCount  `json:"descriptors"`
	Threads     diffCount  `json:"threads"`
}

// diffCount are numbers that only one of the images has.
type diffCount struct {
	New  []int `json:"new"`
	Gone []int `json:"gone"`
}

func compareImages(a, b *image.Image) (*diffJSON, error) {
	d := &diffJSON{Processes: []diffProcess{}, New: []int{}, Gone: []int{}}
	find := func(im *image.Image, pid int) int {
		return slices.IndexFunc(im.Manifest().Processes, func(p image.Process) bool { return p.PID == pid })
	}
	for i := range a.Manifest().Processes {
		if pid := a.Process(i).PID; find(b, pid) < 0 {
			d.Gone = append(d.Gone, pid)
		}
	}
	for i := range b.Manifest().Processes {
		is := b.Process(i)
		j := find(a, is.PID)
		if j < 0 {
			d.New = append(d.New, is.PID)
			continue
		}
		was := a.Process(j)
		p := diffProcess{PID: is.PID, Descriptors: compareNumbers(fdNumbers(was), fdNumbers(is)), Threads: compareNumbers(threadIDs(was), threadIDs(is)), Areas: []diffArea{}}
		areas, err := compareAreas(was, is, a.Space(j), b.Space(i))
		if err != nil {
			return nil, fmt.Errorf("process %d: %w", is.PID, err)
		}
		for _, x := range areas {
			p.Memory.add(x.diffMemory)
			if x.Mapped != 0 || x.Changed+x.New+x.Gone > 0 {
				p.Areas = append(p.Areas, x)
			}
		}
		d.Processes = append(d.Processes, p)
	}
	return d, nil
}

func fdNumbers(p *image.Process) (out []int) {
	for _, d := range p.Descriptors {
		out = append(out, d.FD)
	}
	return out
}

func threadIDs(p *image.Process) (out []int) {
	for i := range p.Threads {
		out = append(out, p.Threads[i].TID)
	}
	return out
}

func compareNumbers(was, is []int) diffCount {
	c := diffCount{New: []int{}, Gone: []int{}}
	for _, n := range is {
		if !slices.Contains(was, n) {
			c.New = append(c.New, n)
		}
	}
	for _, n := range was {
		if !slices.Contains(is, n) {
			c.Gone = append(c.Gone, n)
		}
	}
	return c
}

func diffText(d *diffJSON) string {
	var b strings.Builder
	for _, p := range d.Processes {
		m := p.Memory
		fmt.Fprintf(&b, "process %d\n", p.PID)
		fmt.Fprintf(&b, "memory       %s, %d of %d pages changed (%s), %s new, %s gone\n", mappedMore(m.Mapped),
			m.Changed/image.PageSize, m.Pages/image.PageSize, size(m.Changed), size(m.New), size(m.Gone))
		fmt.Fprintf(&b, "descriptors  %s\n", p.Descriptors)
		fmt.Fprintf(&b, "threads      %s\n", p.Threads)
		if len(p.Areas) > 0 {
			fmt.Fprintf(&b, "%-14s %10s %9s %9s %9s  %s\n", "address", "mapped", "changed", "new", "gone", "name")
		}
		for _, a := range p.Areas {
			name := a.Name
			if name == "" {
				name = "anon"
			}
			fmt.Fprintf(&b, "%012x   %10s %9s %9s %9s  %s\n", uint64(a.Start), signed(a.Mapped), orDash(a.Changed), orDash(a.New), orDash(a.Gone), clean(name))
		}
	}
	for _, pid := range d.New {
		fmt.Fprintf(&b, "process %d is new\n", pid)
	}
	for _, pid := range d.Gone {
		fmt.Fprintf(&b, "process %d is gone\n", pid)
	}
	return b.String()
}

func (c diffCount) String() string {
	if len(c.New)+len(c.Gone) == 0 {
		return "same"
	}
	var parts []string
	for _, n := range c.New {
		parts = append(parts, fmt.Sprintf("+%d", n))
	}
	for _, n := range c.Gone {
		parts = append(parts, fmt.Sprintf("-%d", n))
	}
	return strings.Join(parts, " ")
}

// mappedMore says how much more is mapped.
func mappedMore(n int64) string {
	if n == 0 {
		return "as much mapped"
	}
	return signed(n) + " mapped"
}

// signed is a size with its sign; "-" is none.
func signed(n int64) string {
	switch {
	case n > 0:
		return "+" + size(uint64(n))
	case n < 0:
		return "-" + size(uint64(-n))
	}
	return "-"
}
