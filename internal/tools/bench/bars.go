package main

import "fmt"

// bar is what is demanded of ckpt. Medians have to pass.
type bar struct {
	What  string  `json:"what"`
	Value float64 `json:"value"`
	Limit float64 `json:"limit"`
	Unit  string  `json:"unit"`
	Pass  bool    `json:"pass"`
}

// barSize is the memory of the program that the bars of large programs are for.
const barSize = 1 << 30

// twinBelow is the memory up to which a program is forked to be saved.
const twinBelow = 48 << 20

// barTree is how many processes the tree has that the bars of trees are for.
const barTree = 50

// bars compares what was measured with what is demanded. Bars of a size that
// was not measured are left out.
func bars(all []series) []bar {
	var out []bar
	add := func(what string, value, limit float64, unit string) {
		out = append(out, bar{what, value, limit, unit, value <= limit})
	}
	for _, s := range all {
		save, restore := s.measure("save"), s.measure("restore")
		switch {
		case s.Engine == preloaded{}.name():
			add("small program, pause by kill -12", s.milliseconds(s.measure("pause").time).Median, 8, "ms")
		case s.Engine != "ckpt":
		case s.shape == small:
			add("small program, pause", s.milliseconds(s.measure("pause").time).Median, 2, "ms")
			add("small program, save", s.milliseconds(save.time).Median, 15, "ms")
			add("small program, restore", s.milliseconds(restore.time).Median, 10, "ms")
		case s.Threads > 1:
			pause := s.over(func(r run) float64 { return float64(r.Pause) / 1e6 / float64(s.Threads) })
			add(fmt.Sprintf("%v, pause for each", s.shape), pause.Median, 0.3, "ms")
		case s.Processes == barTree:
			add(s.String()+", pause", s.milliseconds(s.measure("pause").time).Median, 50, "ms")
			add(s.String()+", restore", s.milliseconds(restore.time).Median, 150, "ms")
		case s.Dirty > 0 && s.Size == barSize:
			add(s.String()+", pause", s.milliseconds(s.measure("pause").time).Median, 3, "ms")
		case s.Dirty > 0 && s.Size == 4*barSize:
			add(s.String()+", pause", s.milliseconds(s.measure("pause").time).Median, 8, "ms")
		case s.Random:
			add(s.String()+", save without fsync", s.ratio(save, reserve).Median, 1.3, "× fallocate and write")
		case s.Size > 0 && s.Size < twinBelow:
			pause := s.over(func(r run) float64 { return float64(r.Pause)/1e6 - 1.2*float64(r.Fork)/1e6 })
			add(s.String()+", pause but for 1.2 × fork", pause.Median, 2, "ms")
		case s.Size == barSize || s.Size == 4*barSize:
			add(s.String()+", restore", s.ratio(restore, hugeRead).Median, 1.3, "× huge read")
			add(s.String()+", restore --lazy", s.milliseconds(s.measure("lazy").time).Median, 12, "ms")
			if s.Size != barSize {
				break
			}
			add("1 GB, save --then stop without fsync", s.ratio(s.measure("stopped"), write).Median, 1.5, "× write")
			add("1 GB, restore", s.milliseconds(restore.time).Median, 700, "ms")
			add("1 GB, restore", s.ratio(restore, freshRead).Median, 1.5, "× fresh read")
		}
	}
	return out
}

// measure finds a row of the table by its key.
func (series) measure(key string) measure {
	for _, m := range measures {
		if m.key == key {
			return m
		}
	}
	panic("no measure " + key)
}
