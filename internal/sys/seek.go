package sys

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Seek is lseek(2).
func Seek(fd int, offset int64, whence int) (int64, error) {
	pos, err := unix.Seek(fd, offset, whence)
	if err != nil {
		return 0, os.NewSyscallError("lseek", err)
	}
	return pos, nil
}

// DataExtents returns the parts [offset, length] of the first size bytes of a
// file that are not holes, see SEEK_DATA in lseek(2). fd must have an offset of
// its own, which is moved. File systems that know nothing of holes report one
// extent.
func DataExtents(fd int, size int64) ([][2]int64, error) {
	var extents [][2]int64
	for off := int64(0); off < size; {
		data, err := unix.Seek(fd, off, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break // only a hole follows
		}
		if err != nil {
			return nil, fmt.Errorf("seek to data behind %d: %w", off, err)
		}
		if data >= size {
			break
		}
		hole, err := unix.Seek(fd, data, unix.SEEK_HOLE)
		if err != nil {
			return nil, fmt.Errorf("seek to hole behind %d: %w", data, err)
		}
		hole = min(hole, size)
		if hole <= data {
			return nil, fmt.Errorf("file shrinks at %d", data)
		}
		extents = append(extents, [2]int64{data, hole - data})
		off = hole
	}
	return extents, nil
}
