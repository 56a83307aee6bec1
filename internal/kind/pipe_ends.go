package kind

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// pipeEnds are the open files of a process that are ends of one pipe or FIFO.
// One opened with O_RDWR is both.
type pipeEnds struct {
	readers, writers []*Desc
}

// inode tells pipes apart.
type inode struct{ dev, ino uint64 }

// endsOf finds the ends of the pipe or FIFO that d is one of.
func endsOf(c *SaveContext, d *Desc) (e pipeEnds) {
	if c.pipes == nil || c.pipesOf != len(c.All) {
		c.pipes, c.pipesOf = map[inode][]*Desc{}, len(c.All)
		for _, o := range c.All {
			if o.FD >= 0 && o.Stat.Mode&sys.ModeType == sys.ModeFIFO {
				at := inode{o.Stat.Dev, o.Stat.Ino}
				c.pipes[at] = append(c.pipes[at], o)
			}
		}
	}
	for _, o := range c.pipes[inode{d.Stat.Dev, d.Stat.Ino}] {
		if access := o.access(); access != sys.OWronly {
			e.readers = append(e.readers, o)
		}
		if access := o.access(); access != sys.ORdonly {
			e.writers = append(e.writers, o)
		}
	}
	return e
}

func (d *Desc) access() int { return int(d.Info.Flags) & sys.OAccMode }

// both reports whether the process can read what it writes.
func (e pipeEnds) both() bool { return len(e.readers) > 0 && len(e.writers) > 0 }

// stdio is the lowest of 0, 1 and 2 among the numbers of the ends, -1 if there
// is none.
func (e pipeEnds) stdio() int {
	lowest := -1
	for _, d := range slices.Concat(e.readers, e.writers) {
		if n := d.stdio(); n >= 0 && (lowest < 0 || n < lowest) {
			lowest = n
		}
	}
	return lowest
}

// alone reports whether nobody at all has the other end of d open.
// Precondition: not e.both().
func (e pipeEnds) alone(c *SaveContext, d *Desc) (bool, error) {
	local, err := c.Local(d)
	if err != nil {
		return false, err
	}
	ready, err := sys.Poll(int(local.Fd()))
	if len(e.readers) > 0 {
		return ready.Hup, err
	}
	return ready.Err, err
}

// holderOutside names a process outside the image that has the same pipe,
// socket or terminal open: "process 17 (tee)". It looks at every process that
// it may look at, and says "" if it finds none. A process that is just being
// made has everything open until it executes its program, so whoever is found
// is asked for a while.
func holderOutside(c *SaveContext, link string) string {
	if c.channels == nil {
		c.channels = openChannels(c)
	}
	pid, ok := c.channels[link]
	if !ok {
		return ""
	}
	p := c.FS.Process(pid)
	for end := time.Now().Add(holderPatience); !c.settled[pid] && hasOpen(p, link) && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if !hasOpen(p, link) {
		return ""
	}
	if c.settled == nil {
		c.settled = map[int]bool{}
	}
	c.settled[pid] = true // its next one need not be waited for
	return processName(pid)
}

// openChannels lists the pipes, sockets and pseudo terminals that other
// processes have open, each with one of these processes.
func openChannels(c *SaveContext) map[string]int {
	channels := map[string]int{}
	entries, err := os.ReadDir(c.FS.Root)
	if err != nil {
		return channels
	}
	ours := ourProcesses(c)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || ours[pid] {
			continue
		}
		p := c.FS.Process(pid)
		fds, _ := p.FDs() // gone, or not to be looked at
		for _, fd := range fds {
			if link, err := p.FDLink(fd); err == nil &&
				(strings.HasPrefix(link, "pipe:") || strings.HasPrefix(link, "socket:") || strings.HasPrefix(link, "/dev/pts/")) {
				channels[link] = pid
			}
		}
	}
	return channels
}

func hasOpen(p proc.Process, link string) bool {
	fds, _ := p.FDs() // gone, or not to be looked at
	for _, fd := range fds {
		if l, err := p.FDLink(fd); err == nil && l == link {
			return true
		}
	}
	return false
}

// ourProcesses are those that are saved and this one, which has copies of their
// descriptors; and those between, if the agent started this one, since they
// inherited them.
func ourProcesses(c *SaveContext) map[int]bool {
	self := os.Getpid()
	saved := map[int]bool{}
	for _, pid := range c.PIDs {
		saved[pid] = true
	}
	ours := maps.Clone(saved)
	ours[self] = true
	var chain []int
	for pid := self; pid > 1 && !saved[pid]; {
		s, err := c.FS.Process(pid).Stat()
		if err != nil {
			return ours
		}
		chain = append(chain, pid)
		if pid = s.PPid; saved[pid] {
			for _, p := range chain {
				ours[p] = true
			}
		}
	}
	return ours
}
