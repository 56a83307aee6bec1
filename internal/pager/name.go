package pager

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"ckpt/internal/sys"
)

// A program that is not complete must not be saved: what it misses would be zero in
// the image. VmFlags tell which one is not, but the kernel takes long for them. So each
// warden has one of some names, until nothing is watched any more, and saves look at
// the flags if there is any.

// maxPagers is how many pagers there are at most; others wait.
const maxPagers = 64

func names() []string {
	all := make([]string, maxPagers)
	for n := range all {
		all[n] = fmt.Sprintf("ckpt-pager-%d", n)
	}
	return all
}

// nameWait bounds the wait for a name: the plan waits as well.
const nameWait = 20 * time.Second

// takeName takes one until this process ends.
func takeName() error {
	for end := time.Now().Add(nameWait); ; time.Sleep(10 * time.Millisecond) {
		for _, name := range names() {
			if _, err := sys.LockName(name); !errors.Is(err, syscall.EADDRINUSE) {
				return err
			}
		}
		if time.Now().After(end) {
			return fmt.Errorf("there are %d pagers already", maxPagers)
		}
	}
}

// Any reports whether there is a pager in this network namespace.
func Any() bool { return sys.AnyLocked(names()) }

// Flag is the VmFlag of memory that has pages missing.
const Flag = "um"
