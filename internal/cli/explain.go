package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"ckpt/internal/image"
	"ckpt/internal/kind"
	"ckpt/internal/ptrace"
	"ckpt/internal/restore"
	"ckpt/internal/save"
)

// explain puts an error into lines for people: what, why, and what they can do.
// It is empty when the command has said everything itself.
func explain(err error) []string {
	var (
		status  statusError
		refused *save.RefusedError
		missing *restore.RefusedError
	)
	switch {
	case errors.As(err, &status):
		return nil
	case errors.Is(err, context.Canceled):
		return []string{"ckpt: interrupted: nothing was changed"}
	case errors.As(err, &refused):
		lines := []string{fmt.Sprintf("ckpt: %s can not be saved; it was left alone", clean(refused.Process))}
		for _, o := range refused.Obstacles {
			lines = append(lines, obstacle(o.Where(), o.Reason, o.Advice)...)
		}
		return lines
	case errors.As(err, &missing):
		lines := []string{"ckpt: the image can not be restored here; nothing was started or changed"}
		for _, o := range missing.Obstacles {
			lines = append(lines, obstacleError(o)...)
		}
		return lines
	}
	lines := []string{"ckpt: " + clean(err.Error())}
	if h := hint(err); h != "" {
		lines = append(lines, "  try: "+h)
	}
	return lines
}

// obstacle is one thing that is in the way.
func obstacle(object, reason, advice string) []string {
	lines := []string{"  " + clean(object+": "+reason)}
	if advice != "" {
		lines = append(lines, "    try: "+clean(advice))
	}
	return lines
}

func obstacleError(err error) []string {
	var u *kind.UnsupportedError
	if errors.As(err, &u) {
		return obstacle(u.Object, u.Reason, u.Advice)
	}
	return []string{"  " + clean(err.Error())}
}

// hint says what the user can do about an error whose text does not say it.
func hint(err error) string {
	var (
		seize   *ptrace.SeizeError
		slow    *ptrace.TimeoutError
		store   *save.StoreError
		version *image.VersionError
		arch    *image.ArchError
	)
	switch {
	case errors.As(err, &seize):
		return seizeHint(seize.Reason)
	case errors.As(err, &slow):
		return "a longer --timeout; state D is a process that waits for a device or a network file system"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "free some space, or save to another file system with -o"
	case errors.As(err, &store) && (errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)):
		return "save to a directory that you may write to, with -o"
	case errors.As(err, &version):
		return "the version of ckpt that wrote it (ckpt show tells, if it can read it)"
	case errors.As(err, &arch):
		return "a machine of that kind"
	case errors.Is(err, image.ErrNoParent):
		return "put that image back, under that name and beside this one; ckpt flatten makes one that needs no other"
	case errors.Is(err, image.ErrCorrupt):
		return "an older image; this one is not as it was written"
	}
	return ""
}

func seizeHint(r ptrace.Reason) string {
	switch r {
	case ptrace.OtherUser:
		return "run ckpt as its owner or as root"
	case ptrace.NotDumpable:
		return "run ckpt as root"
	case ptrace.Traced:
		return "let the debugger detach"
	case ptrace.Yama:
		return "start the program with LD_PRELOAD=libckpt.so, or run ckpt as root, or set kernel.yama.ptrace_scope to 0"
	case ptrace.Unexplained:
		return "ckpt doctor tells what this host allows"
	}
	return ""
}
