package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"ckpt/internal/image"
	"ckpt/internal/ptrace"
	"ckpt/internal/restore"
	"ckpt/internal/save"
)

// Exit codes. This is the only place where they are given out; docs/exit-codes.md
// is written for people.
const (
	exitOK           = 0
	exitError        = 1
	exitUsage        = 2
	exitWarnings     = 3
	exitUnsupported  = 4
	exitDamaged      = 5
	exitIncompatible = 6
	exitNotFound     = 7
	exitStore        = 9
	exitTimeout      = 10
	exitRestore      = 125
	exitInterrupted  = 130
)

// exitTable says what the codes mean, for --help and the manual.
var exitTable = []struct {
	code    int
	meaning string
}{
	{exitOK, "done"},
	{exitError, "it failed for another reason than those below"},
	{exitUsage, "the command line makes no sense"},
	{exitWarnings, "done, but there are warnings"},
	{exitUnsupported, "the process would not survive: nothing was done to it"},
	{exitDamaged, "the image is damaged, or no image at all"},
	{exitIncompatible, "this host can not do it: another processor, version or user"},
	{exitNotFound, "no such process or image"},
	{exitStore, "the image could not be stored: no space, or not writable"},
	{exitTimeout, "the process did not stop in time, or its files did not answer"},
	{exitRestore, "ckpt restore failed; else it ends with the program's own code"},
	{exitInterrupted, "interrupted by a signal; nothing was changed"},
}

func exitHelp() string {
	var b strings.Builder
	// Four spaces and an empty line make it a table in the manual, too.
	b.WriteString("Exit codes:\n\n")
	for _, e := range exitTable {
		fmt.Fprintf(&b, "    %3d  %s\n", e.code, e.meaning)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// usageError is a command line that makes no sense.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() + " (" + e.hint + ")" }
func (e *usageError) Unwrap() error { return e.err }

// statusError ends a command with a code other than 0 when all has been said.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// exitCode maps an error to the exit code. own says that the other codes belong
// to the restored program.
func exitCode(err error, own bool) int {
	code := codeOf(err)
	if own && code != exitUsage {
		return exitRestore
	}
	return code
}

func codeOf(err error) int {
	var (
		usage   *usageError
		status  statusError
		refused *save.RefusedError
		store   *save.StoreError
		slow    *ptrace.TimeoutError
		stall   *save.StallError
		version *image.VersionError
		arch    *image.ArchError
		host    *restore.HostError
		missing *restore.RefusedError
	)
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &refused):
		return exitUnsupported
	case errors.As(err, &version), errors.As(err, &arch), errors.As(err, &host), errors.As(err, &missing):
		return exitIncompatible
	case errors.Is(err, image.ErrCorrupt), errors.Is(err, image.ErrNotImage):
		return exitDamaged
	case errors.Is(err, save.ErrNoProcess), errors.Is(err, restore.ErrNoImage), errors.Is(err, image.ErrNoParent):
		return exitNotFound
	case errors.As(err, &slow), errors.As(err, &stall):
		return exitTimeout
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &store), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return exitStore
	}
	return exitError
}
