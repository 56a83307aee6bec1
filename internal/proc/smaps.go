package proc

import "bytes"

// Smaps reads /proc/PID/smaps: what Maps tells and the VmFlags and counters of
// each mapping. It is the only place where VmFlags are told. The kernel walks
// every resident page for it: on 6.18 about 12 ms a GB of 4 KB pages, 1 ms a GB
// of huge pages, and 5 us a mapping. Needs permission to ptrace.
func (p Process) Smaps() ([]VMA, error) { return p.mappings("smaps", maxSmaps, parseSmaps) }

func parseSmaps(l *lines) ([]VMA, error) {
	var list []VMA
	m := mapParser{lines: l, paths: make(map[string]string)}
	flags := make(map[string][]string) // by line: most mappings have one of few sets
	for l.next() {
		if len(l.text) > 0 && l.text[0] >= 'A' && l.text[0] <= 'Z' {
			if len(list) == 0 {
				return nil, l.bad("mapping")
			}
			if err := smapsKey(l, &list[len(list)-1], flags); err != nil {
				return nil, err
			}
			continue
		}
		v, err := m.vma()
		if err != nil {
			return nil, err
		}
		list = appendVMA(list, v)
	}
	return list, nil
}

// smapsKey reads a line like "Rss:        8 kB" (show_smap in
// fs/proc/task_mmu.c). Keys begin with a capital, addresses never do.
func smapsKey(l *lines, v *VMA, flags map[string][]string) error {
	key, value, ok := cut(l.text, ':')
	if !ok {
		return l.bad("key")
	}
	switch string(key) {
	case "Rss":
		ok = kilobytes(&v.Rss, value)
	case "Private_Dirty":
		ok = kilobytes(&v.PrivateDirty, value)
	case "AnonHugePages":
		ok = kilobytes(&v.AnonHugePages, value)
	case "Swap":
		ok = kilobytes(&v.Swap, value)
	case "Locked":
		ok = kilobytes(&v.Locked, value)
	case "ProtectionKey":
		ok = unsigned(&v.ProtectionKey, bytes.TrimLeft(value, " "), 10)
	case "VmFlags":
		set, known := flags[string(value)]
		if !known {
			for _, f := range bytes.Fields(value) {
				set = append(set, string(f))
			}
			flags[string(value)] = set
		}
		v.VmFlags = set
	}
	if !ok {
		return l.bad("value")
	}
	return nil
}
