package kind

import (
	"fmt"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// identity is what a file with a name was when it was saved, so that a restore
// can tell whether it still is the same one and has the same content.
type identity struct {
	Dev   uint64 `json:"dev"`
	Ino   uint64 `json:"ino"`
	Size  int64  `json:"size"`
	Mtime int64  `json:"mtime"` // ns since the epoch
	Ctime int64  `json:"ctime"` // ns since the epoch
	Mode  uint32 `json:"mode"`
	// Pseudo files (/proc, /sys) are made up whenever they are read: size and
	// times of them mean nothing.
	Pseudo bool `json:"pseudo,omitempty"`
}

func identify(path string, st Stat) (identity, error) {
	magic, err := sys.FSMagic(path)
	if err != nil {
		return identity{}, err
	}
	return identity{
		Dev: st.Dev, Ino: st.Ino, Size: st.Size, Mtime: st.Mtime, Ctime: st.Ctime, Mode: st.Mode,
		Pseudo: sys.IsPseudoFS(magic),
	}, nil
}

// key is the same for all open files of one file.
func (id *identity) key() string { return fmt.Sprintf("%x:%x", id.Dev, id.Ino) }

// Unchanged returns nil if the file that f had open is the very same today:
// inode, size and both times. Mapping it gives what it gave then.
func Unchanged(f *image.OpenFile) error {
	if f.Kind != (regular{}).Name() {
		return fmt.Errorf("%s: a %s is no file with a name", f.Path, f.Kind)
	}
	was, err := detail[identity](f)
	if err != nil {
		return err
	}
	st, err := sys.StatPath(f.Path)
	if err != nil {
		return err
	}
	is := identity{Dev: st.Dev, Ino: st.Ino, Size: st.Size, Mtime: st.Mtime, Ctime: st.Ctime, Mode: st.Mode, Pseudo: was.Pseudo}
	if is != was {
		return fmt.Errorf("%s: it is not the same as when it was saved", f.Path)
	}
	return nil
}
