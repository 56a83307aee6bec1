package proc

import (
	"errors"
	"strings"
)

// Comm reads the name of the thread as prctl(2) PR_SET_NAME sets it, any
// bytes, at most 15.
func (p Process) Comm() (string, error) {
	b, err := p.dir.line("comm")
	return string(b), err
}

// Cmdline reads the arguments as they are in the program's memory now: a
// program that changes its title changes them. Reading waits for the memory,
// perhaps for a disk. A kernel thread and a zombie have none.
func (p Process) Cmdline() ([]string, error) { return p.strings("cmdline") }

// Environ reads the environment that the program was started with, from its
// memory; setenv(3) shows only where it overwrites in place. A kernel
// thread and a zombie have none. Needs permission to ptrace.
func (p Process) Environ() ([]string, error) {
	list, err := p.strings("environ")
	if errors.Is(err, ErrNoMemory) {
		return nil, nil // as with Cmdline, and as older kernels do
	}
	return list, err
}

func (p Process) strings(name string) ([]string, error) {
	b, err := p.dir.bytes(name, maxStrings)
	if err != nil || len(b) == 0 {
		return nil, err
	}
	// The last one has a NUL unless the program wrote over it.
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00"), nil
}
