package kind

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

func TestRefusedByName(t *testing.T) {
	t.Parallel()
	const char, block = unix.S_IFCHR, unix.S_IFBLK
	for _, c := range []struct {
		link string
		mode uint32
		says string
	}{
		{"socket:[17]", unix.S_IFSOCK, "(socket)"},
		{"anon_inode:[io_uring]", 0o600, "(io_uring)"},
		{"anon_inode:[userfaultfd]", 0o600, "(userfaultfd)"},
		{"anon_inode:[perf_event]", 0o600, "(perf event)"},
		{"anon_inode:bpf-map", 0o600, "(BPF object)"},
		{"anon_inode:[fanotify]", 0o600, "(fanotify)"},
		{"anon_inode:[new-thing]", 0o600, "(anonymous inode)"},
		{"mnt:[4026531841]", unix.S_IFREG | 0o444, "(namespace)"},
		{"/dev/sda1", block, "(block device /dev/sda1)"},
		{"/dev/nvidia0", char, "(GPU /dev/nvidia0)"},
		{"/dev/kmsg", char, "(kernel log /dev/kmsg)"},
		{"/dev/rtc0", char, "(device /dev/rtc0)"},
		{"/dev/fuse", char, "(FUSE server /dev/fuse)"},
		{"/secretmem (deleted)", unix.S_IFREG, "(secret memory /secretmem (deleted))"},
		{"something else", 0, "not known"},
	} {
		d := &Desc{PID: 17, FD: 40, Link: c.link, Stat: sys.FileStat{Mode: c.mode, Nlink: 1, Rdev: 1<<8 | 99}}
		_, err := Describe(newWorld(t).saveContext(false), d)
		wantRefused(t, err, "fd 40 ", c.says)
		if err, ok := err.(*UnsupportedError); ok && (err.Reason == "" || err.Advice == "") {
			t.Errorf("%v: no reason or no advice", err)
		}
	}
}

// The real things have the names that the table expects.
func TestRefusedForReal(t *testing.T) {
	t.Parallel()
	socket := func() (int, error) { return unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0) }
	for says, open := range map[string]func() (int, error){
		"(socket, TCP)": socket,
		"(socket, NETLINK)": func() (int, error) {
			return unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
		},
		"(pidfd)": func() (int, error) { return unix.PidfdOpen(os.Getppid(), 0) },
		"(namespace)": func() (int, error) {
			return unix.Open("/proc/self/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		},
		"lease": func() (int, error) {
			fd, err := unix.Open(file(t, "x"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err == nil {
				// A process that another test is just making may have it open.
				err = patiently(func() error {
					_, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK)
					return err
				})
			}
			return fd, err
		},
	} {
		w := newWorld(t)
		fd, err := open()
		_, err = w.describe(w.keep(fd, err))
		wantRefused(t, err, "fd ", says)
	}
}

func TestUnknownKindInImage(t *testing.T) {
	t.Parallel()
	r := newWorld(t).restoreContext(nil)
	err := Remake(r, &image.OpenFile{Kind: "wormhole", Path: "/x"})
	wantRefused(t, err, "wormhole", "version of ckpt")
}

// Details that are not what the kind expects are an error and nothing else.
func TestHostileDetails(t *testing.T) {
	t.Parallel()
	for _, k := range Table {
		for _, text := range []string{"", "null", "17", "[]", `{"size":"x"}`, `{}`} {
			r := newWorld(t).restoreContext(func(_ *image.OpenFile, fd *os.File) { _ = fd.Close() })
			r.Process.Descriptors = []image.Descriptor{{FD: 40, File: 0}}
			f := &image.OpenFile{Kind: k.Name(), Path: "/nowhere/x", Detail: []byte(text)}
			_ = Remake(r, f) // must not panic
			r.Close()
		}
	}
}

func TestFilesOfProcessesNeedANumber(t *testing.T) {
	t.Parallel()
	for link, want := range map[string]bool{
		"/proc/18/stat": true, "/proc/18": true, "/proc/17/stat": true, "/proc/meminfo": false,
		"/proc/0/x": false, "/proc/18x/y": false, "/home/proc/18/stat": false,
	} {
		if got := (procself{}).Match(&Desc{PID: 17, FD: 3, Link: link}); got != want {
			t.Errorf("%s: %v", link, got)
		}
	}
}

// A message queue passes for a file of the root directory.
func TestMessageQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.describe(w.messageQueue())
	wantRefused(t, err, "POSIX message queue")
}
