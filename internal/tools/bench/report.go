package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// report is all that is printed.
type report struct {
	Schema  string
	Machine machine
	Series  []series
	Bars    []bar
	Notes   []string
}

func (r *report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// writeTable prints the report for people.
func (r *report) writeTable(w io.Writer) error {
	m := r.Machine
	fmt.Fprintf(w, "%s, Linux %s, %d × %s, %d GB, load %.2f before", m.When.Format(time.RFC3339), m.Kernel, m.CPUs, m.CPU, m.Memory>>30, m.Load)
	if m.Busy {
		fmt.Fprint(w, ": the machine was BUSY")
	}
	fmt.Fprint(w, "\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "program\tmilliseconds\tmin\tmedian\tmax\tbeside its references (medians)")
	for _, s := range r.Series {
		image := s.over(func(r run) float64 { return float64(r.Image) / 1e6 })
		fmt.Fprintf(t, "%s, %s\timage, 10^6 bytes\t%s\t%s\t%s\t%d runs\n", s.Engine, sizeName(s.Size), short(image.Min), short(image.Median), short(image.Max), len(s.Runs))
		for _, m := range measures {
			v := s.milliseconds(m.time)
			fmt.Fprintf(t, "\t%s\t%s\t%s\t%s\t%s\n", m.name, short(v.Min), short(v.Median), short(v.Max), s.compared(m))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, b := range r.Bars {
		verdict := "pass"
		if !b.Pass {
			verdict = "FAIL"
		}
		fmt.Fprintf(w, "%s  %s: %s %s, at most %s\n", verdict, b.What, short(b.Value), b.Unit, short(b.Limit))
	}
	for _, n := range r.Notes {
		fmt.Fprintln(w, n)
	}
	return nil
}

// jsonSeries is one engine with one size; times are milliseconds.
type jsonSeries struct {
	Engine string          `json:"engine"`
	Size   int64           `json:"size"` // bytes of memory
	Runs   int             `json:"runs"`
	Image  stat            `json:"image"` // bytes on the disk
	Times  map[string]stat `json:"times_ms"`
	Ratios map[string]stat `json:"ratios"`
}

// writeJSON prints the report for programs.
func (r *report) writeJSON(w io.Writer) error {
	list := []jsonSeries{}
	for _, s := range r.Series {
		j := jsonSeries{Engine: s.Engine, Size: s.Size, Runs: len(s.Runs), Times: map[string]stat{}, Ratios: map[string]stat{}}
		j.Image = s.over(func(r run) float64 { return float64(r.Image) })
		for _, m := range measures {
			j.Times[m.key] = s.milliseconds(m.time)
			for _, ref := range m.beside {
				j.Ratios[m.key+" / "+ref.name] = s.ratio(m, ref)
			}
		}
		list = append(list, j)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(map[string]any{
		"schema": r.Schema, "machine": r.Machine, "series": list, "bars": r.Bars, "notes": r.Notes,
	})
}
