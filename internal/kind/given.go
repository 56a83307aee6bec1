package kind

import (
	"errors"
	"fmt"
	"slices"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// given is what leads outside and is not made again: whoever restores hands over
// another one (--fd), as he did when he started the program. The user says at the
// save that it is to be so; a listening socket on 0, 1 or 2 can not be anything
// else.
type given struct{}

type givenDetail struct {
	Number   int    `json:"number"` // by which it is asked for
	Mode     uint32 `json:"mode"`   // its type, of sys.ModeType
	Protocol string `json:"protocol,omitempty"`
	Listens  bool   `json:"listens,omitempty"`
}

func (given) Name() string { return "given" }

func (given) Match(*Desc) bool { return false }

func (given) Save(*SaveContext, *Desc, *image.OpenFile) error { return nil } // never called, see saveGiven

// mayBeGiven reports whether d leads somewhere outside, or could.
func mayBeGiven(d *Desc) bool {
	switch d.Stat.Mode & sys.ModeType {
	case sys.ModeSocket, sys.ModeFIFO, sys.ModeChar:
		return d.FD >= 0 && d.InFlight == nil
	}
	return false
}

// givenAs is the number by which the user said that d will be handed over.
func (c *SaveContext) givenAs(d *Desc) (number int, ok bool) {
	for _, h := range append([]Holder{{d.PID, d.FD}}, d.Holders...) {
		if slices.Contains(c.Given, h.FD) && mayBeGiven(d) {
			return h.FD, true
		}
	}
	return 0, false
}

// describeGiven describes d, which can not be saved for the reason refused, if it
// will be handed over.
func describeGiven(c *SaveContext, d *Desc, refused error) (*image.OpenFile, error) {
	unsupported, ok := errors.AsType[*UnsupportedError](refused)
	if !ok {
		return nil, refused
	}
	number, ok := c.givenAs(d)
	if !ok {
		if mayBeGiven(d) && unsupported.Advice != "" {
			said := *unsupported
			said.Advice += fmt.Sprintf("; or save with --fd %d, and hand over another one when you restore", d.FD)
			return nil, &said
		}
		return nil, refused
	}
	f := &image.OpenFile{Path: d.Link, Flags: int(d.Info.Flags) &^ sys.OCloexec}
	return f, saveGiven(c, d, f, number)
}

// saveGiven describes d as kind given.
func saveGiven(c *SaveContext, d *Desc, f *image.OpenFile, number int) error {
	f.Kind = given{}.Name()
	det := givenDetail{Number: number, Mode: d.Stat.Mode & sys.ModeType, Protocol: d.Protocol}
	if det.Mode == sys.ModeSocket {
		local, err := c.Local(d)
		if err != nil {
			return err
		}
		if det.Listens, err = sys.Listening(int(local.Fd())); err != nil {
			return fmt.Errorf("%s: %w", d.object(), err)
		}
	}
	return setDetail(f, det)
}

func (given) Remake(r *RestoreContext, f *image.OpenFile) error {
	det, err := detail[givenDetail](f)
	if err != nil {
		return err
	}
	from := r.Given[det.Number]
	if from == nil && isStdio(det.Number) {
		from = r.Stdio[det.Number]
	}
	if from == nil {
		return &UnsupportedError{
			r.object(f), "it was " + det.what() + " and is to be handed over",
			fmt.Sprintf("restore with --fd %d=N, N being your descriptor for it", det.Number),
		}
	}
	fd := int(from.Fd())
	st, err := sys.StatFD(fd)
	if err != nil {
		return fmt.Errorf("%s: %w", r.object(f), err)
	}
	is := givenDetail{det.Number, st.Mode & sys.ModeType, sys.SocketProtocol(sys.FDPath(fd)), false}
	if is.Mode == sys.ModeSocket {
		if is.Listens, err = sys.Listening(fd); err != nil {
			return fmt.Errorf("%s: %w", r.object(f), err)
		}
	}
	if is != det {
		return &UnsupportedError{
			r.object(f), fmt.Sprintf("it was %s, and what is handed over is %s", det.what(), is.what()),
			fmt.Sprintf("hand over another one by --fd %d=N", det.Number),
		}
	}
	for _, number := range r.Numbers(f) {
		if err := r.takeAt(f, number, from); err != nil {
			return err
		}
	}
	return nil
}

// what tells what it is.
func (det givenDetail) what() string {
	switch det.Mode {
	case sys.ModeFIFO:
		return "a pipe"
	case sys.ModeChar:
		return "a terminal or device"
	case sys.ModeSocket:
	default:
		return "something else"
	}
	what := "a socket"
	if det.Listens {
		what = "a listening socket"
	}
	return what + " (" + det.Protocol + ")"
}

// AsksFor reports whether f is to be handed over as that number.
func AsksFor(f *image.OpenFile, number int) bool {
	det, err := detail[givenDetail](f)
	return err == nil && f.Kind == (given{}).Name() && det.Number == number
}
