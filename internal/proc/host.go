package proc

import (
	"bytes"
	"strings"
)

// CPU is the first processor of /proc/cpuinfo, as x86 describes it.
type CPU struct {
	Model string
	Flags []string // in the kernel's order
}

// CPUInfo reads /proc/cpuinfo up to the end of the first processor. With many
// processors the kernel still takes milliseconds for it.
func (f FS) CPUInfo() (CPU, error) {
	return parseFile(f.root(), "cpuinfo", maxList, parseCPUInfo)
}

func parseCPUInfo(l *lines) (CPU, error) {
	var c CPU
	for l.next() && len(l.text) > 0 {
		key, value, ok := cut(l.text, ':')
		if !ok {
			return c, l.bad("key")
		}
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(bytes.TrimRight(key, "\t ")) {
		case "model name":
			c.Model = string(value)
		case "flags":
			c.Flags = strings.Fields(string(value))
		}
	}
	if c.Flags == nil {
		return c, l.errorf("no flags")
	}
	return c, nil
}

// BootID is a random UUID that the kernel makes at each boot.
func (f FS) BootID() (string, error) {
	d := directory(f.root().path("sys/kernel/random"))
	b, err := d.line("boot_id")
	if err != nil {
		return "", err
	}
	if !isUUID(b) {
		l := lines{name: d.path("boot_id"), n: 1, text: b}
		return "", l.bad("boot id")
	}
	return string(b), nil
}

func isUUID(b []byte) bool {
	if len(b) != 36 {
		return false
	}
	for i, c := range b {
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f'
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash && c != '-' || !dash && !hex {
			return false
		}
	}
	return true
}
