package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// report is all that is printed.
type report struct {
	Schema  string
	Machine machine
	Series  []series
	Packed  []packing
	Slow    []slowStart
	Chains  []increment

	Overheads []overhead
	Starting  starting

	Bars  []bar
	Notes []string
}

func (r *report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// row is the form of a row of the table: what, three numbers, and a remark.
const row = "%-30s%9s%9s%9s  %s\n"

// writeRow prints a row that belongs to a heading.
func writeRow(w io.Writer, what string, v stat, remark string) {
	fmt.Fprintf(w, row, "  "+what, short(v.Min), short(v.Median), short(v.Max), remark)
}

// writeHead prints what stands above the table.
func (m machine) writeHead(w io.Writer) {
	fmt.Fprintf(w, "%s, Linux %s, %d × %s, %d GB, load %.2f before", m.When.Format(time.RFC3339), m.Kernel, m.CPUs, m.CPU, m.Memory>>30, m.Load)
	if m.Busy {
		fmt.Fprint(w, ": the machine was BUSY")
	}
	fmt.Fprint(w, "\n\n")
	fmt.Fprintf(w, row, "milliseconds", "min", "median", "max", "beside its references (medians)")
}

// writeRows prints the part of the table for one series.
func (s series) writeRows(w io.Writer) {
	fmt.Fprintf(w, "\n%s, %v, %d runs\n", s.Engine, s.shape, len(s.Runs))
	for _, m := range measures {
		v := s.milliseconds(m.time)
		if v.Max == 0 {
			continue // the engine has no such thing
		}
		writeRow(w, m.name, v, s.compared(m))
	}
	writeRow(w, "image, 10^6 bytes", s.over(func(r run) float64 { return float64(r.Image) / 1e6 }), "")
}

// writeBars prints what stands below the table.
func (r *report) writeBars(w io.Writer) {
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
}

// jsonSeries is one engine with one shape; times are milliseconds.
type jsonSeries struct {
	Engine string `json:"engine"`
	shape
	Runs   int             `json:"runs"`
	Image  stat            `json:"image"` // bytes on the disk
	Times  map[string]stat `json:"times_ms"`
	Ratios map[string]stat `json:"ratios"`
}

// writeJSON prints the report for programs.
func (r *report) writeJSON(w io.Writer) error {
	list := []jsonSeries{}
	for _, s := range r.Series {
		j := jsonSeries{Engine: s.Engine, shape: s.shape, Runs: len(s.Runs), Times: map[string]stat{}, Ratios: map[string]stat{}}
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
		"schema": r.Schema, "machine": r.Machine, "series": list, "compressed": r.Packed, "slow_starts": r.Slow, "incremental": r.Chains, "overheads": r.Overheads, "start_of_true": r.Starting, "bars": r.Bars, "notes": r.Notes,
	})
}
