package save

import (
	"errors"
	"fmt"
	"slices"
	"syscall"

	"ckpt/internal/abi"
	"ckpt/internal/proc"
	"ckpt/internal/ptrace"
	"ckpt/internal/sys"
)

// hold makes the process hold a userfaultfd and a marker of its own, and returns
// both. An engine that dies meanwhile, for some 50 us, can leave descriptors, one with
// the lowest free number among them, which are closed by execve(2), are not in images,
// and which the next incremental save closes.
func (m *member) hold(in *ptrace.Injector) (*held, *watch, error) {
	if !in.SelfCuring() {
		return nil, nil, errors.New("the program's code lacks the instructions to do it safely")
	}
	p := m.s.proc
	inherited, err := findHeld(p)
	if err != nil {
		return nil, nil, err
	}
	old := ourDescriptors(p, inherited)
	closeHeld(inherited)
	fds, err := p.FDs()
	if err != nil {
		return nil, nil, err
	}
	limits, err := p.Limits()
	if err != nil {
		return nil, nil, err
	}
	lowest, high, second, err := freeNumbers(fds, m.s.status.FDSize, int(min(limits[syscall.RLIMIT_NOFILE].Cur, maxDescriptors)))
	if err != nil {
		return nil, nil, err
	}
	r := &raiser{in: in, high: high}
	h, w, err := r.hold(m, lowest, second)
	for _, fd := range old {
		r.close(fd)
	}
	if err = errors.Join(err, r.err); err == nil {
		return h, w, nil
	}
	r.err = nil
	for _, fd := range r.made {
		r.close(fd)
	}
	if h != nil {
		_ = h.file.Close()
	}
	if w != nil {
		w.Close()
	}
	return nil, nil, err
}

// maxDescriptors bounds the numbers that are thought of.
const maxDescriptors = 1 << 20

// freeNumbers gives the lowest free descriptor number, and two that are free and have
// no free ones between them: high, so that nobody gets in the way who goes by how many there are, but
// if possible without making the table larger, for which other threads have to wait.
func freeNumbers(fds []int, size, limit int) (lowest, high, second int, err error) {
	taken := map[int]bool{}
	for _, fd := range fds {
		taken[fd] = true
	}
	for taken[lowest] {
		lowest++
	}
	for _, end := range []int{min(size, limit), limit} {
		second = 0
		for high = end - 1; high > lowest; high-- {
			switch {
			case taken[high]:
			case second == 0:
				second = high
			default:
				return lowest, high, second, nil
			}
		}
	}
	return 0, 0, 0, errors.New("it has no descriptor numbers to spare")
}

// raiser makes descriptors in a frozen process, and gives them high numbers.
type raiser struct {
	in   *ptrace.Injector
	high int
	made []int // those that are open
	err  error // the first one; later calls do nothing
}

// hold makes the marker, and then the userfaultfd, whose numbers the marker names
// before it is there.
func (r *raiser) hold(m *member, lowest, second int) (*held, *watch, error) {
	const memfdFlags = sys.MFDNoexecSeal | 1 // MFD_CLOEXEC
	at, _ := r.in.Scratch()
	if err := r.in.WriteScratch(0, append([]byte(markerName), 0)); err != nil {
		return nil, nil, err
	}
	low := r.open("memfd_create", abi.SysMemfdCreate, at, memfdFlags)
	fd := r.raise(low)
	r.close(low)
	if r.err != nil {
		return nil, nil, r.err
	}
	h, err := openHeld(m.s.proc, fd)
	if err != nil {
		return nil, nil, err
	}
	note := func(fds ...int) {
		if r.err == nil {
			h.FDs = fds
			r.err = h.name(nil)
		}
	}
	h.marker = marker{PID: m.s.pid, Start: m.s.start}
	note(lowest, second)
	low = r.open("userfaultfd", abi.SysUserfaultfd, userfaultfdFlags)
	up := r.raise(low)
	note(low, up)
	r.close(low)
	if r.err != nil {
		return h, nil, r.err
	}
	w, err := adoptWatch(m.s.proc, up)
	if err == nil {
		err = sys.UserfaultfdAsync(w.fd)
	}
	if err == nil {
		h.Ready = true
		note(up)
		err = r.err
	}
	return h, w, err
}

// tidy closes what engines that died, or a parent, have left in a frozen process that
// has a marker and a userfaultfd.
func (m *member) tidy(in *ptrace.Injector, h *held) {
	all, err := findHeld(m.s.proc)
	if err != nil || !in.SelfCuring() {
		return // it stays until the next time
	}
	defer closeHeld(all)
	r := &raiser{in: in}
	for _, fd := range ourDescriptors(m.s.proc, all) {
		if fd != h.fd && !slices.Contains(h.FDs, fd) {
			r.close(fd)
		}
	}
}

func (r *raiser) call(what string, nr uint64, args ...uint64) int {
	if r.err != nil {
		return -1
	}
	v, err := r.in.Call(nr, args...)
	if err != nil {
		r.err = fmt.Errorf("%s in the process: %w", what, err)
	}
	return int(v)
}

// open makes a call that opens a descriptor.
func (r *raiser) open(what string, nr uint64, args ...uint64) int {
	fd := r.call(what, nr, args...)
	if r.err == nil {
		r.made = append(r.made, fd)
	}
	return fd
}

// raise gives a copy of the descriptor a high number.
func (r *raiser) raise(fd int) int {
	return r.open("fcntl", abi.SysFcntl, uint64(fd), syscall.F_DUPFD_CLOEXEC, uint64(r.high))
}

func (r *raiser) close(fd int) {
	r.call("close", abi.SysClose, uint64(fd))
	r.made = slices.DeleteFunc(r.made, func(n int) bool { return n == fd })
}

// heldWatch is the watch that the process holds by a marker of its own.
func heldWatch(p proc.Process, h *held) (*watch, error) {
	if h.Ready && len(h.FDs) == 1 && isUserfaultfd(p, h.FDs[0]) {
		return adoptWatch(p, h.FDs[0])
	}
	return nil, errors.New("it has closed its userfaultfd")
}
