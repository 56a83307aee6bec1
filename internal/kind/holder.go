package kind

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ckpt/internal/sys"
)

// holderOf says who else has the file open: "process 17 (tail)", or "" if it
// seems to be nobody. fd must be open for reading and writing.
//
// A write lease is the kernel's own answer, but only to the owner of the file,
// only on local file systems, and it counts our own descriptors as well. /proc
// is the answer for the rest, as far as this user may look there. Names are
// compared and nothing is opened, since touching what others have open (a dead
// NFS server's files) can hang.
//
// It asks for a while, since the original process may just be dying.
func holderOf(path string, fd int) string {
	for end := time.Now().Add(holderPatience); ; time.Sleep(10 * time.Millisecond) {
		if holder := holderNow(path, fd); holder == "" || time.Now().After(end) {
			return holder
		}
	}
}

// holderPatience is how long a file may be held before that counts.
const holderPatience = 300 * time.Millisecond

func holderNow(path string, fd int) string {
	err := sys.SetLease(fd, sys.LeaseWrite)
	if err == nil {
		_ = sys.SetLease(fd, sys.LeaseNone) // closing fd would do it, too
		return ""
	}
	if pid := pidWithOpen(path); pid != 0 {
		return processName(pid)
	}
	if errors.Is(err, syscall.EAGAIN) && countOpen("/proc/self/fd", path) <= 1 {
		return "somebody else"
	}
	return ""
}

// pidWithOpen is another process with a descriptor that leads to path, or 0.
func pidWithOpen(path string) int {
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, dir := range dirs {
		pid, err := strconv.Atoi(dir.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if countOpen(filepath.Join("/proc", dir.Name(), "fd"), path) > 0 {
			return pid
		}
	}
	return 0
}

// countOpen counts the descriptors in a /proc/PID/fd that lead to path. Those
// of a process that ends or may not be looked at do not count.
func countOpen(dir, path string) int {
	names, err := readNames(dir)
	if err != nil {
		return 0
	}
	n := 0
	for _, name := range names {
		if link, err := os.Readlink(filepath.Join(dir, name)); err == nil && link == path {
			n++
		}
	}
	return n
}

func readNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// processName is "process 17 (sleep)".
func processName(pid int) string {
	s := "process " + strconv.Itoa(pid)
	if comm, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm"); err == nil {
		s += " (" + strings.TrimSpace(string(comm)) + ")"
	}
	return s
}
