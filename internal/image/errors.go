package image

import (
	"errors"
	"fmt"
)

// ErrNotImage says that a file is not a checkpoint image at all.
var ErrNotImage = errors.New("not a checkpoint image")

// ErrCorrupt says that a file is a checkpoint image, but not as it was written.
var ErrCorrupt = errors.New("damaged image")

// VersionError says that an image has a format that this engine can not read.
type VersionError struct {
	Have, Want int
}

func (e *VersionError) Error() string {
	of := "a later"
	if e.Have < e.Want {
		of = "an older"
	}
	return fmt.Sprintf("image format %d, of %s version, this engine reads format %d", e.Have, of, e.Want)
}

// ErrBusy says that another writer of the same path is still at work.
var ErrBusy = errors.New("another save to this file has not finished")

// ArchError says that an image was made on another kind of processor.
type ArchError struct {
	Have, Want string // GOARCH, or the machine's name in ELF
}

func (e *ArchError) Error() string {
	return fmt.Sprintf("image of a %s machine, this one is %s", e.Have, e.Want)
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrCorrupt, fmt.Errorf(format, args...))
}

func notImage(why string) error {
	return fmt.Errorf("%w: %s", ErrNotImage, why)
}
