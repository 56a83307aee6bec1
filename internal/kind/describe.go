package kind

import (
	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// Describe describes the open file behind d. What can not be saved is an
// *UnsupportedError that names the descriptor.
func Describe(c *SaveContext, d *Desc) (*image.OpenFile, error) {
	f, err := describe(c, d)
	if err != nil {
		return describeGiven(c, d, err)
	}
	return f, nil
}

func describe(c *SaveContext, d *Desc) (*image.OpenFile, error) {
	k := kindOf(d)
	if k == nil {
		return nil, refuse(d)
	}
	f := &image.OpenFile{
		Kind: k.Name(),
		Path: d.Link,
		// Close-on-exec belongs to the descriptor. The kernel shows both in
		// one number.
		Flags: int(d.Info.Flags) &^ sys.OCloexec,
		Pos:   d.Info.Pos,

		InFlight: d.InFlight != nil,
	}
	if d.FD >= 0 {
		if err := saveLocks(d, f); err != nil {
			return nil, err
		}
		if err := saveOwner(c, d, f); err != nil {
			return nil, err
		}
	}
	if err := k.Save(c, d, f); err != nil {
		return nil, err
	}
	if f.InFlight {
		return f, mayFly(d, f)
	}
	return f, nil
}

// finder is a kind with open files that no descriptor refers to inside its own.
type finder interface {
	// find looks for them and hands them to c.Found.
	find(c *SaveContext, d *Desc) error
}

// Find finds open files that d leads to and that no descriptor refers to. It is
// called when frozen, for every open file, and for those that it finds, too,
// before any is described.
func Find(c *SaveContext, d *Desc) error {
	if k, ok := kindOf(d).(finder); ok {
		return k.find(c, d)
	}
	return nil
}

// mayFly refuses what can be made again only under a number of its own.
func mayFly(d *Desc, f *image.OpenFile) error {
	switch f.Kind {
	case stdio{}.Name(), tty{}.Name(), procself{}.Name(), pidfd{}.Name():
		return &UnsupportedError{d.object(), "a " + f.Kind + " can not be put there again", "save when it was received"}
	}
	return nil
}

func kindOf(d *Desc) Kind {
	for _, k := range Table {
		if k.Match(d) {
			return k
		}
	}
	return nil
}
