package kind

import (
	"errors"
	"syscall"

	"ckpt/internal/sys"
)

// openFlags are the flags with which a file is opened again: all that say how
// it is used, none that say how it came into being. O_TMPFILE without
// O_DIRECTORY is no flag at all, so a directory keeps O_DIRECTORY.
const openFlags = ^(sys.OCreat | sys.OTrunc | sys.OExcl | sys.ONoctty | sys.OCloexec | sys.OTmpfile&^sys.ODirectory)

// writable reports whether an open file with these flags can be written to.
func writable(flags int) bool {
	mode := flags & sys.OAccMode
	return flags&sys.OPath == 0 && (mode == sys.OWronly || mode == sys.ORdwr)
}

// isNotSeekable reports whether err says that a file has no position.
func isNotSeekable(err error) bool { return errors.Is(err, syscall.ESPIPE) }
