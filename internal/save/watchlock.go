package save

import (
	"errors"
	"fmt"
	"syscall"

	"ckpt/internal/sys"
)

// The kernel's notes about writes are one for all who ask: of two engines that take
// them back, neither would know all. So only one watches a process at a time.

// errWatched says that another engine watches the process.
var errWatched = errors.New("another save watches what it writes")

// lockWatch keeps other engines from watching the process until the save is over.
func (c *collector) lockWatch(pid int, start uint64) error {
	fd, err := sys.LockName(fmt.Sprintf("ckpt-watch-%d-%d", pid, start))
	if err != nil {
		return errWatched
	}
	c.watchLocks = append(c.watchLocks, fd)
	return nil
}

func (c *collector) unlockWatch() {
	for _, fd := range c.watchLocks {
		_ = syscall.Close(fd)
	}
	c.watchLocks = nil
}
