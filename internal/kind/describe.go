package kind

import (
	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// Describe describes the open file behind d. What can not be saved is an
// *UnsupportedError that names the descriptor.
func Describe(c *SaveContext, d *Desc) (*image.OpenFile, error) {
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
	return f, nil
}

func kindOf(d *Desc) Kind {
	for _, k := range Table {
		if k.Match(d) {
			return k
		}
	}
	return nil
}
