package kind

import (
	"fmt"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// signalfd takes signals as messages, signalfd(2). It holds nothing but its
// mask: the signals are those of whoever reads it, and are saved as pending
// signals.
type signalfd struct{}

type signalfdDetail struct {
	Mask uint64 `json:"mask"` // bit 0 is signal 1
}

func (signalfd) Name() string { return "signalfd" }

func (signalfd) Match(d *Desc) bool { return d.Link == "anon_inode:[signalfd]" }

func (signalfd) Save(_ *SaveContext, d *Desc, f *image.OpenFile) error {
	if d.Info.SigMask == nil {
		return &UnsupportedError{d.object(), "the kernel does not tell its mask", ""}
	}
	return setDetail(f, signalfdDetail{*d.Info.SigMask})
}

func (signalfd) Remake(r *RestoreContext, f *image.OpenFile) error {
	det, err := detail[signalfdDetail](f)
	if err != nil {
		return err
	}
	file, err := sys.CreateSignalfd(det.Mask)
	if err != nil {
		return fmt.Errorf("%s: %w", r.object(f), err)
	}
	r.Made(f, file)
	return nil
}
