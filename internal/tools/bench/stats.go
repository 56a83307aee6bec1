package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// stat is what remains of several runs. Of an even number of runs the median
// is the upper of the two in the middle.
type stat struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

func newStat(values []float64) stat {
	slices.Sort(values)
	return stat{values[0], values[len(values)/2], values[len(values)-1]}
}

// over is a statistic of something that each run measured.
func over[R any](runs []R, of func(R) float64) stat {
	var values []float64
	for _, r := range runs {
		values = append(values, of(r))
	}
	return newStat(values)
}

func (s series) over(of func(run) float64) stat {
	return over(s.Runs, of)
}

// reference is something measured beside something else.
type reference struct {
	name string
	time func(run) time.Duration
}

var (
	write     = reference{"write", func(r run) time.Duration { return r.Write }}
	reserve   = reference{"fallocate and write", func(r run) time.Duration { return r.Reserve }}
	warmRead  = reference{"warm read", func(r run) time.Duration { return r.WarmRead }}
	freshRead = reference{"fresh read", func(r run) time.Duration { return r.FreshRead }}
	hugeRead  = reference{"huge read", func(r run) time.Duration { return r.HugeRead }}
	fork      = reference{"fork", func(r run) time.Duration { return r.Fork }}
)

// measure is a row of the table.
type measure struct {
	key, name string
	time      func(run) time.Duration
	beside    []reference
}

var measures = []measure{
	{"save", "save, without fsync", func(r run) time.Duration { return r.Save }, []reference{write, reserve}},
	{"stopped", "  save --then stop", func(r run) time.Duration { return r.Stopped }, []reference{write, reserve}},
	{"pause", "pause of the program", func(r run) time.Duration { return r.Pause }, []reference{write, fork}},
	{"gap_before", "  longest gap before", func(r run) time.Duration { return r.Before }, nil},
	{"fsync", "fsync of the image", func(r run) time.Duration { return r.Fsync }, []reference{write}},
	{"restore", "restore to first beat", func(r run) time.Duration { return r.Restore }, []reference{hugeRead, freshRead, warmRead}},
	{"lazy", "restore --lazy to first beat", func(r run) time.Duration { return r.Lazy }, nil},
	{"write", "  write", write.time, nil},
	{"reserve", "  fallocate and write", reserve.time, nil},
	{"warm_read", "  warm read", warmRead.time, nil},
	{"fresh_read", "  fresh read", freshRead.time, nil},
	{"huge_read", "  huge read", hugeRead.time, nil},
	{"fork", "  fork", fork.time, nil},
}

// ratio is how many times as long as the reference the measure took, run by
// run.
func (s series) ratio(m measure, r reference) stat {
	return s.over(func(one run) float64 { return float64(m.time(one)) / float64(r.time(one)) })
}

// milliseconds is the statistic of a measure.
func (s series) milliseconds(of func(run) time.Duration) stat {
	return s.over(func(r run) float64 { return float64(of(r)) / 1e6 })
}

// compared is a measure beside its references, as medians of the runs.
func (s series) compared(m measure) string {
	var words []string
	for _, r := range m.beside {
		words = append(words, fmt.Sprintf("%s × %s", short(s.ratio(m, r).Median), r.name))
	}
	return strings.Join(words, ", ")
}

// short writes a number with about three digits.
func short(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
