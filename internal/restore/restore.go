// Package restore turns an image back into a running process.
//
// Restore is the story, from top to bottom: open the image, compare it with
// this host, verify every checksum, make the open files, compile all that is
// left into a plan, and execute the plan's interpreter in place of this
// process. Up to that execve every failure is an error that leaves nothing
// behind. The restored process is the one the user started: it has its pid,
// its parent and its controlling terminal.
package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"

	"ckpt/internal/emit"
	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/sys"
)

// garbageLimit is how much memory is taken before garbage is collected, in bytes.
const garbageLimit = 64 << 20

// Restore replaces this process by the saved one, or stays beside it as its
// parent. It returns only to say why it could not, or how the program ended
// (*EndedError).
func Restore(ctx context.Context, o Options) error {
	// Little is ever garbage, and soon there is an execve: collecting it is a
	// waste, as long as it is little.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(garbageLimit)
	err := restore(ctx, o)
	var taken *takenError
	if errors.As(err, &taken) && o.Again != nil && o.Inside == 0 {
		o.taken = taken.said // nothing is left of the first try
		return restore(ctx, o)
	}
	return err
}

func restore(ctx context.Context, o Options) error {
	// What belongs to a thread (nice value, signal mask) must be set on the
	// one that makes the execve.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	p, err := begin(o)
	if err != nil {
		return err
	}
	defer func() { p.Close() }()
	verdict := p.verifyBeside(ctx)
	c, err := p.compile()
	if wrong := verdict(); wrong != nil {
		return wrong
	}
	if err != nil {
		return err
	}
	if err := p.verifyRest(ctx); err != nil {
		return err
	}
	block, err := plan.Encode(c.plan, plan.Options{Park: c.park, ErrFD: c.errFD})
	if err != nil {
		return err
	}
	program, err := emit.Restorer(block, plan.Entry, c.load)
	if err != nil {
		return err
	}
	if err := p.tellPager(); err != nil {
		return err
	}
	undo, err := p.files.context.Commit()
	if err != nil {
		return err
	}
	if err := p.launch(program); err != nil || p.guardian == nil {
		return errors.Join(err, undo())
	}
	p.Close()
	if p.o.within != nil {
		return p.o.within.guard(p.process.PID)
	}
	return p.guardian.guard()
}

// begin prepares a restore here, or does it in namespaces of its own if the
// program needs them and can have them.
func begin(o Options) (p *preparation, err error) {
	if o.Inside != 0 {
		if o.within, err = enterInside(o.Inside); err != nil {
			return nil, err
		}
	}
	if p, err = prepare(o); err != nil || p.apart == "" {
		return p, err
	}
	err = p.restoreApart()
	p.Close()
	var useless *uselessError
	if !errors.As(err, &useless) {
		return nil, err
	}
	o.noNamespace = useless.reason
	return prepare(o)
}

// Compile gives the plan by which an image would be restored here and now. It
// opens files like Restore, but changes nothing.
func Compile(o Options) (*plan.Plan, error) {
	o.rehearsal = true
	p, err := prepare(o)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	c, err := p.compile()
	if err != nil {
		return nil, err
	}
	return c.plan, nil
}

// preparation is a restore before its plan: the image and the open files.
type preparation struct {
	o     Options
	image *image.Image
	// unpacked is where the contents of compressed images are put, for the
	// interpreter to read them.
	unpacked map[*image.Image]*os.File
	m        *image.Manifest
	members  []*member
	process  *image.Process // of the first one
	thread   *image.Thread  // and of that the first one that lives
	lineage  *lineage
	vdsos    []*vdso // by index of the member, see compile
	host     *host
	files    *files
	ownPID   int // of restore
	// guardian is what restore becomes if the process keeps its id; nil: it
	// becomes the process. The interpreter writes its messages to the one end
	// of a pipe then.
	guardian *guardian
	messages *os.File
	newTIDs  bool   // the threads but the first get new ids, see chooseIDs
	apart    string // why the ids are kept in namespaces of its own
	// sums: the plan looks at the checksums of what it reads. summed are the
	// indexes of the chunks of each image, with those whose checksums nobody looks
	// at.
	sums   bool
	lazy   bool // memory is mapped from the image, see chooseLazy
	limits map[*image.Image]lazyLimits
	paging *paging // nil: no memory is left to a pager
	summed map[*image.Image][]bool
	// verified are those that were verified beside the making of the plan.
	verified map[*image.Image][]bool
}

// prepare opens the image, compares it with the host, and makes its files.
func prepare(o Options) (*preparation, error) {
	looked := make(chan hostLook, 1) // on another processor: it takes a quarter of the time that the image does
	go func() {
		h, err := lookAtHost()
		looked <- hostLook{h, err}
	}()
	im, err := image.Open(o.Path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", o.Path, ErrNoImage)
	} else if err != nil {
		return nil, err
	}
	if o.Warn == nil {
		o.Warn = func(string, string) {}
	}
	p := &preparation{o: o, image: im, m: im.Manifest(), unpacked: map[*image.Image]*os.File{}}
	for at := im; at != nil; at = at.Parent() {
		if !at.Compressed() {
			continue
		}
		if p.unpacked[at], err = sys.CreateMemfd("ckpt-image", 0); err != nil {
			p.Close()
			return nil, fmt.Errorf("decompress %s: %w", at.Path(), err)
		}
	}
	if err := p.open(<-looked); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// hostLook is what lookAtHost gives.
type hostLook struct {
	host *host
	err  error
}

func (p *preparation) open(at hostLook) error {
	var err error
	if p.members, err = newMembers(p.m); err != nil {
		return fmt.Errorf("%s: %w", p.o.Path, err)
	}
	p.process, p.thread = p.members[0].process, p.members[0].thread
	if p.lineage, err = newLineage(p.m); err != nil {
		return err
	}
	p.ownPID = os.Getpid()
	if p.host, err = at.host, at.err; err != nil {
		return err
	}
	if err := p.compareHost(); err != nil {
		return err
	}
	if p.o.within != nil {
		p.o.within.correct(p.host.status)
	}
	if err := p.chooseIDs(); err != nil || p.apart != "" && !p.o.rehearsal {
		return err
	}
	for _, m := range p.members {
		if err := p.admit(m); err != nil {
			return err
		}
	}
	if err := p.chooseLazy(); err != nil {
		return err
	}
	p.files = newFiles(p)
	return p.files.remake()
}

// Close gives everything back. A restore that succeeds never gets here.
func (p *preparation) Close() {
	if p.files != nil {
		p.files.Close()
	}
	p.paging.Close()
	_ = p.image.Close() // only read
	for _, f := range p.unpacked {
		_ = f.Close()
	}
}

// unpack is where the content of an image is put, if that is needed.
func (p *preparation) unpack(im *image.Image) io.WriterAt {
	if f := p.unpacked[im]; f != nil {
		return f
	}
	return nil
}

// payload is RestoreContext.Payload.
func (p *preparation) payload(ref image.PayloadRef) io.ReaderAt {
	r, err := p.image.Payload(ref)
	if err != nil {
		return failingReader{err}
	}
	return r
}

// failingReader gives the error to whoever reads.
type failingReader struct{ err error }

func (r failingReader) ReadAt([]byte, int64) (int, error) { return 0, r.err }

// object names a file in messages: by its first descriptor, or its path.
func object(p *image.Process, f *image.OpenFile) string {
	for _, d := range p.Descriptors {
		if d.File == f.ID {
			return fmt.Sprintf("fd %d (%s)", d.FD, f.Path)
		}
	}
	return f.Path
}
