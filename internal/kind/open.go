package kind

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// openFlags are the flags with which a file is opened again: all that say how
// it is used, none that say how it came into being.
const openFlags = ^(sys.OCreat | sys.OTrunc | sys.OExcl | sys.ONoctty | sys.OCloexec | sys.OTmpfile&^sys.ODirectory)

// fileFlags are openFlags of what is not a directory: O_TMPFILE has the bit of
// O_DIRECTORY in it, which would refuse the file when it is opened by name.
const fileFlags = openFlags &^ sys.ODirectory

// writable reports whether an open file with these flags can be written to.
func writable(flags int) bool {
	mode := flags & sys.OAccMode
	return flags&sys.OPath == 0 && (mode == sys.OWronly || mode == sys.ORdwr)
}

// isNotSeekable reports whether err says that a file has no position.
func isNotSeekable(err error) bool { return errors.Is(err, syscall.ESPIPE) }

// isFile matches regular files, and mappings of what can only be one. Some
// kernel objects pass for regular files, but have no path.
func isFile(d *Desc) bool {
	if !strings.HasPrefix(d.Link, "/") || d.Link == secretmem {
		return false
	}
	if d.FD < 0 && d.Stat == (Stat{}) {
		return true
	}
	return d.Stat.Mode&sys.ModeType == sys.ModeRegular
}

// secretmem is the link of what memfd_secret(2) makes.
const secretmem = "/secretmem (deleted)"

// isMissing reports whether err says that there is no such file.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// cannotOpen explains why a file that f needs can not be opened any more.
func cannotOpen(r *RestoreContext, f *image.OpenFile, err error) error {
	advice := ""
	switch {
	case isMissing(err):
		return &UnsupportedError{r.object(f), "it is missing", "put it back where it was"}
	case errors.Is(err, fs.ErrPermission):
		advice = "restore it as the user who ran it"
	}
	return &UnsupportedError{r.object(f), "it can not be opened again: " + err.Error(), advice}
}
