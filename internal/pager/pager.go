// Package pager gives a program its memory from a compressed image while it runs
// already.
//
// The plan of a restore makes a userfaultfd, which watches the program's mappings,
// sends it to the pager, and closes it. From then on, whoever touches a page that is
// missing, the kernel included, waits until the pager has given it: it decompresses
// the chunk of the image, compares its checksum, and copies it there; and all the
// others one after the other, so that after some seconds it is not needed any more.
// What the program does with its mappings meanwhile (fork, mremap, munmap,
// MADV_DONTNEED) the kernel tells the pager, and goes on when that has heard of it.
//
// There are two processes, neither of which the program can see: the pager, and its
// parent, the warden. Both have all userfaultfds and each sees the end of the other:
// whoever is left kills the program, which would read zeros else.
package pager

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// Command is the hidden command of ckpt by which the processes are started.
const Command = "pager"

// The descriptors of the processes.
const (
	plan   = 3 // socket to the restore, and then its plan
	saved  = 4 // the image
	warder = 5 // the pager's socket to the warden
)

// Start starts the processes. They end when socket does, until they have got a
// userfaultfd through it.
func Start(socket, im *os.File) error {
	if err := again("start", socket, im).Run(); err != nil {
		return fmt.Errorf("start the pager: %w", err)
	}
	return nil
}

// Tell says by that socket which process and which of its areas it will be.
func Tell(socket *os.File, pid int, areas []image.AddrRange) error {
	b := binary.LittleEndian.AppendUint64(nil, uint64(pid))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(areas)))
	for _, a := range areas {
		b = binary.LittleEndian.AppendUint64(b, uint64(a.Start))
		b = binary.LittleEndian.AppendUint64(b, uint64(a.End))
	}
	_, err := socket.Write(b)
	return err
}

// Main is what the processes do.
func Main(role string) error {
	_ = os.WriteFile("/proc/self/comm", []byte("ckpt-pager"), 0) // for those who look
	switch role {
	case "start": // so that the next one is nobody's child
		return again("warden", os.NewFile(plan, "plan"), os.NewFile(saved, "image")).Start()
	case "warden":
		return watch()
	case "pager":
		return page()
	}
	return fmt.Errorf("there is no role %q", role)
}

// page is the pager.
func page() error {
	im, err := image.Open(fmt.Sprintf("/proc/self/fd/%d", saved))
	if err != nil {
		return err
	}
	defer im.Close()
	pid, missing, err := read(im)
	if err == io.EOF {
		return nil // the restore has given up
	} else if err != nil {
		return err
	}
	uffd, closed, err := sys.ReceiveDescriptor(plan)
	if err != nil || closed {
		return err
	}
	// The plan waits for us: it is that process.
	pidfd, err := sys.PidfdOpen(pid)
	if err != nil {
		return err
	}
	if err := errors.Join(sys.SendDescriptor(warder, pidfd), sys.SendDescriptor(warder, uffd)); err != nil {
		return err
	}
	if n, err := syscall.Read(warder, make([]byte, 1)); n != 1 {
		return errors.Join(err, errors.New("the process that watches this one has ended"))
	}
	if _, err := syscall.Write(plan, []byte{0}); err != nil {
		return err
	}
	_ = syscall.Close(plan)
	if err := newServer(im, warder, &space{uffd: uffd, missing: missing}).serve(); err != nil {
		fmt.Fprintf(os.Stderr, "ckpt: process %d is killed: its memory can not be given to it: %v\n", pid, err)
		end(pidfd, pid)
		os.Exit(failed)
	}
	return nil
}

// maxAreas bounds how many areas there are: more than a process can have.
const maxAreas = 1 << 24

// read reads what Tell says.
func read(im *image.Image) (pid int, missing []image.Piece, err error) {
	word := func() (w uint64) {
		if err == nil {
			err = binary.Read(planReader{}, binary.LittleEndian, &w)
		}
		return w
	}
	pid = int(word())
	n := word()
	if err == nil && n > maxAreas {
		err = fmt.Errorf("%d areas are too many", n)
	}
	space := im.Space(0)
	for ; n > 0 && err == nil; n-- {
		start, end := word(), word()
		missing = space.AppendPieces(missing, start, end)
	}
	return pid, missing, err
}

// planReader reads from the restore. (An os.File would close the socket when it is
// garbage.)
type planReader struct{}

func (planReader) Read(p []byte) (int, error) {
	for {
		n, err := syscall.Read(plan, p)
		if err == nil && n == 0 {
			return 0, io.EOF
		}
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}
