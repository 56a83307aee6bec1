package restore

import (
	"fmt"
	"os"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/pager"
	"ckpt/internal/plan"
	"ckpt/internal/sys"
)

// Memory of a compressed image can not be mapped. With --lazy it is left to a pager
// (package pager), which gives each page when it is used and all of them in the end.
// What is small, or more than plain memory, is read as without.

// pagerAnswer bounds, in seconds, the wait for the pager: it only has to read the
// tables of the image.
const pagerAnswer = 30

// paging is what the plan works with, nil where there is no pager.
type paging struct {
	socket *os.File // to the pager
	device *os.File // to make a userfaultfd by; nil: userfaultfd(2)
	areas  []image.AddrRange
	begun  chan error // it was started, or not
}

// notPaged says why no pager can give the program its memory.
func (p *preparation) notPaged() string {
	switch {
	case p.image.Parent() != nil:
		return "the image is compressed, and incremental"
	case p.isTree():
		return "the image is compressed, and has several processes"
	case p.o.within != nil:
		return "the image is compressed, and the program has namespaces of its own"
	case p.ownPID == 1:
		return "the image is compressed, and this is process 1, to which the pager would become a child"
	}
	return ""
}

// startPager starts the pager, and says why there can be none.
func (p *preparation) startPager() (reason string, err error) {
	if reason := p.notPaged(); reason != "" {
		return reason, nil
	}
	device, err := sys.ProbePager()
	if err != nil {
		return fmt.Sprintf("the image is compressed, and giving its memory later takes root (a userfaultfd: %v)", err), nil
	}
	ours, theirs, err := sys.StreamPair()
	if err != nil {
		return "", err
	}
	if err := sys.ReceiveTimeout(int(ours.Fd()), pagerAnswer); err != nil {
		return "", err
	}
	p.paging = &paging{socket: ours, device: device, begun: make(chan error, 1)}
	if p.o.rehearsal {
		return "", theirs.Close()
	}
	go func() {
		err := pager.Start(theirs, p.image.Stored())
		theirs.Close()
		p.paging.begun <- err
	}()
	return "", nil
}

// tellPager tells the pager what the plan will leave to it.
func (p *preparation) tellPager() error {
	pg := p.paging
	if pg == nil {
		return nil
	}
	if err := <-pg.begun; err != nil {
		return err
	}
	pid := p.ownPID
	if p.guardian != nil {
		pid = p.guardian.pid
	}
	return pager.Tell(pg.socket, pid, pg.areas)
}

// Close lets the pager end, unless the plan has handed memory over to it.
func (p *paging) Close() {
	if p == nil {
		return
	}
	_ = p.socket.Close() // nothing is waited for
	if p.device != nil {
		_ = p.device.Close() // only asked
	}
}

// files are what the plan needs.
func (p *paging) files() []*os.File {
	switch {
	case p == nil:
		return nil
	case p.device == nil:
		return []*os.File{p.socket}
	}
	return []*os.File{p.socket, p.device}
}

// page leaves the content of an area to the pager, where that is worth while.
func (w *writer) page(m *mapping) {
	if w.p.paging == nil || !m.plain || amount(m.fills, userEnd) < lazyMin || onlyAnonymous(m.area) {
		return
	}
	for _, f := range m.fills {
		for i, c := range f.In.Chunks(f) {
			if c.Pos >= f.Pos && c.Pos+uint64(c.Len) <= f.Pos+f.Len {
				w.p.compares(f.In, i) // the pager does
			}
		}
	}
	m.fills = nil
	w.p.paging.areas = append(w.p.paging.areas, image.AddrRange{Start: m.area.Start, End: m.area.End})
}

// handOver lets the pager give the areas their content from now on.
func (w *writer) handOver() {
	pg := w.p.paging
	if pg == nil || len(pg.areas) == 0 {
		return
	}
	uffd := w.b.Slot()
	what := "make a userfaultfd"
	if pg.device != nil {
		w.b.Call(what, abi.SysIoctl, plan.Imm(uint64(pg.device.Fd())), plan.Imm(sys.UserfaultfdNew), plan.Imm(sys.UserfaultfdFlags)).Store(uffd)
	} else {
		w.b.Call(what, abi.SysUserfaultfd, plan.Imm(sys.UserfaultfdFlags)).Store(uffd)
	}
	at := plan.Arg{Slot: uffd}
	api := sys.UffdAPI()
	w.b.Call("ask it to tell of events", abi.SysIoctl, at, plan.Imm(sys.UffdAPIIoctl), w.b.AlignedData(words(api[:]...), 8))
	for _, a := range pg.areas {
		w.b.Call(fmt.Sprintf("let it watch %s-%s", a.Start, a.End), abi.SysIoctl, at, plan.Imm(sys.UffdRegisterIoctl),
			w.b.AlignedData(words(uint64(a.Start), uint64(a.End-a.Start), sys.UffdRegisterMissing, 0), 8))
	}
	const solSocket, scmRights = 1, 1
	buf := w.b.Reserve(8)
	control := w.b.AlignedData(words(sys.CmsgRightsFD+4, solSocket|scmRights<<32, 0), 8)
	iov := w.b.AlignedData(words(w.block+buf.Imm, 1), 8)
	header := w.b.AlignedData(words(0, 0, w.block+iov.Imm, 1, w.block+control.Imm, sys.CmsgRightsSize, 0), 8)
	w.b.Poke32If("put it into a message", plan.Arg{Slot: control.Slot, Imm: control.Imm + sys.CmsgRightsFD}, plan.Imm(0), at)
	socket := plan.Imm(uint64(pg.socket.Fd()))
	w.b.Call("send it to the pager", abi.SysSendmsg, socket, header, plan.Imm(sys.MsgNoSignal)).Want(plan.Imm(1))
	w.b.Call("close the userfaultfd", abi.SysClose, at)
	w.b.Call("wait for the pager", abi.SysRecvfrom, socket, buf, plan.Imm(1)).Want(plan.Imm(1))
	w.b.Free(uffd)
}
