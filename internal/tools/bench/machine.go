package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"ckpt/internal/sys"
)

// machine says on what, and beside what, was measured.
type machine struct {
	When   time.Time `json:"when"`
	Kernel string    `json:"kernel"`
	CPU    string    `json:"cpu"`
	CPUs   int       `json:"cpus"`
	Memory uint64    `json:"memory"` // bytes
	Load   float64   `json:"load"`   // tasks that ran in the minute before
	Busy   bool      `json:"busy"`   // too many for the numbers to be good
}

// busyLoad is the load from which on other work disturbs what is measured.
const busyLoad = 0.5

func lookAtMachine() (machine, error) {
	m := machine{When: time.Now().UTC().Truncate(time.Second), CPUs: runtime.NumCPU()}
	var err error
	if _, m.Kernel, err = sys.Uname(); err != nil {
		return m, err
	}
	if m.Memory, err = memInfo("MemTotal"); err != nil {
		return m, err
	}
	m.CPU, _ = field("/proc/cpuinfo", "model name") // only for the reader
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return m, err
	}
	first, _, _ := strings.Cut(string(text), " ")
	if m.Load, err = strconv.ParseFloat(first, 64); err != nil {
		return m, fmt.Errorf("/proc/loadavg: %w", err)
	}
	m.Busy = m.Load > busyLoad
	return m, nil
}

// memInfo returns a value of /proc/meminfo in bytes.
func memInfo(key string) (uint64, error) {
	value, err := field("/proc/meminfo", key)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(value, " kB"), 10, 54)
	if err != nil {
		return 0, fmt.Errorf("/proc/meminfo: %s: %w", key, err)
	}
	return n << 10, nil
}

// field returns the value of the first line "key: value" of a file.
func field(path, key string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if strings.TrimSpace(name) == key {
			return strings.TrimSpace(value), nil
		}
	}
	if err := lines.Err(); err != nil {
		return "", err
	}
	return "", fmt.Errorf("%s: no %s", path, key)
}

// noRoom says why there is no room to measure a program of that size: it needs
// its memory, that of its image, and one more to keep the machine warm; and on
// the disk an image, another that replaces it, and a file to compare with.
func (t *tools) noRoom(size int64) string {
	if free, err := memInfo("MemAvailable"); err != nil || free < uint64(size)*13/4 {
		return fmt.Sprintf("it needs %s of memory that is available", sizeName(size*13/4))
	}
	if free, err := sys.DiskFree(t.dir); err != nil || free < uint64(size)*3 {
		return fmt.Sprintf("it needs %s of free disk space", sizeName(size*3))
	}
	return ""
}
