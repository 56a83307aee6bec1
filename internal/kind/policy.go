package kind

import (
	"fmt"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// What happens to a file that is not what it was when it was saved:
//
//	replaced by another inode   said in a warning; never cut, it is not the file
//	grown, open for writing     Policy.Grown: cut back, if nobody else has it open
//	grown, only read            said in a warning
//	shorter                     said in a warning
//	same length, another mtime  said in a warning
//
// Policy.Changed == ChangedFail turns every one of the warnings into a refusal.
//
// Shorter is a warning too, although content that the program has seen is gone.
// The commonest reason is log rotation by truncation, which a program that
// appends never notices, and for the others the warning says what to expect
// (a gap, or an early end). A refusal would leave the user no way to go on,
// since there is nothing that could be put back.
//
// A changed ctime alone is chmod, rename or a new link: not content, not said.
// A file that grew may also have been changed further in front; that can not be
// seen, and cutting is right for what is only added to. It is the user's choice
// to say GrownKeep for a data base.

// judge looks at the file f once, however many open files refer to it.
func judge(r *RestoreContext, f *image.OpenFile, was *identity, st Stat) error {
	_, err := Object(r, "judged:"+was.key(), func() (struct{}, error) {
		return struct{}{}, judgeOnce(r, f, was, st)
	})
	return err
}

func judgeOnce(r *RestoreContext, f *image.OpenFile, was *identity, st Stat) error {
	switch {
	case st.Ino != was.Ino && st.Size == was.Size && st.Mtime == was.Mtime:
		return changed(r, f, "it was replaced by another file of the same size and time after it was saved")
	case st.Ino != was.Ino:
		return changed(r, f, "it was replaced by another file after it was saved")
	case st.Size > was.Size && hadWriter(r, was):
		return grown(r, f, was, st)
	case st.Size > was.Size:
		return changed(r, f, fmt.Sprintf("it has grown by %d bytes since it was saved", st.Size-was.Size))
	case st.Size < was.Size:
		return changed(r, f, shorter(r, f, was, st))
	case st.Mtime != was.Mtime:
		return changed(r, f, "it was changed in place after it was saved (same length, another time)")
	}
	return nil
}

func shorter(r *RestoreContext, f *image.OpenFile, was *identity, st Stat) string {
	text := fmt.Sprintf("it lost %d of its %d bytes after it was saved", was.Size-st.Size, was.Size)
	switch {
	case f.Pos <= st.Size || f.Flags&sys.OAppend != 0 || r.onlyMapped(f):
	case writable(f.Flags):
		text += "; what is written next leaves a gap of zeros"
	default:
		text += "; what is read next is its end"
	}
	return text
}

// changed says that f changed, or refuses it.
func changed(r *RestoreContext, f *image.OpenFile, text string) error {
	if r.Policy.Changed == ChangedFail {
		return &UnsupportedError{r.object(f), text, "restore without --changed=fail to go on with the file as it is"}
	}
	r.Warn(r.object(f), text)
	return nil
}

// grown deals with a file that the process had open for writing.
func grown(r *RestoreContext, f *image.OpenFile, was *identity, st Stat) error {
	text := fmt.Sprintf("it has grown by %d bytes since it was saved", st.Size-was.Size)
	switch r.Policy.Grown {
	case GrownFail:
		return &UnsupportedError{r.object(f), text, "restore with --grown=cut or --grown=keep"}
	case GrownKeep:
		r.Warn(r.object(f), text+": left as it is")
		return nil
	}
	c, obstacle := newCut(f.Path, was.Size, st)
	if obstacle != "" {
		r.Warn(r.object(f), text+": left as it is, since "+obstacle)
		return nil
	}
	r.HoldToUndo(c.file)
	r.AtEnd(func() (func() error, error) {
		if err := c.do(); err != nil {
			return nil, fmt.Errorf("%s: cut it back to %d bytes: %w", r.object(f), was.Size, err)
		}
		r.Warn(r.object(f), fmt.Sprintf("%s: cut back, what was behind is in %s", text, c.tail))
		return c.undo, nil
	})
	return nil
}

// hadWriter reports whether the process had the file open for writing, at any
// descriptor.
func hadWriter(r *RestoreContext, was *identity) bool {
	for i := range r.Manifest.Files {
		f := &r.Manifest.Files[i]
		if f.Kind != (regular{}).Name() || !writable(f.Flags) || r.onlyMapped(f) {
			continue
		}
		if id, err := detail[identity](f); err == nil && id.key() == was.key() {
			return true
		}
	}
	return false
}
