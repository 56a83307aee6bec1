package kind

import (
	"fmt"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// inotify watches files and directories, inotify(7). The kernel tells what is
// watched by inode; see watchFinder for how that becomes a path again.
type inotify struct{}

type inotifyDetail struct {
	Watches []inotifyWatch `json:"watches"`
}

type inotifyWatch struct {
	WD   int    `json:"wd"`
	Path string `json:"path"`
	Mask uint32 `json:"mask"`
}

// maxWatch is the highest watch number that is made again. The kernel gives
// them out in turn, so that a number is reached by making and removing watches
// until it comes, about 5 us each.
const maxWatch = 100_000

func (inotify) Name() string { return "inotify" }

func (inotify) Match(d *Desc) bool { return d.Link == "anon_inode:inotify" }

func (inotify) Save(c *SaveContext, d *Desc, f *image.OpenFile) error {
	local, err := c.Local(d)
	if err != nil {
		return err
	}
	unread, err := sys.Unread(int(local.Fd()))
	if err != nil {
		return fmt.Errorf("%s: %w", d.object(), err)
	}
	if unread > 0 {
		c.Warn(d.object(), fmt.Sprintf("%d bytes of events that the program has not read yet are not saved", unread))
	}
	det := inotifyDetail{Watches: []inotifyWatch{}}
	finder := newWatchFinder(c, d.PID)
	for _, w := range d.Info.Inotify {
		if w.WD > maxWatch {
			return &UnsupportedError{
				d.object(), fmt.Sprintf("watch %d has a number above %d, which can not be reached again", w.WD, maxWatch),
				"close it before saving",
			}
		}
		path := finder.find(w)
		if path == "" {
			return &UnsupportedError{
				d.object(), fmt.Sprintf("what watch %d watches (inode %d on device %d:%d) has no name that could be found", w.WD, w.Ino, w.Dev>>20, w.Dev&(1<<20-1)),
				"save as root or with CAP_DAC_READ_SEARCH; if the file was removed, remove the watch",
			}
		}
		const keep = sys.InotifyEvents | sys.InotifyExclUnlink | sys.InotifyOneshot
		det.Watches = append(det.Watches, inotifyWatch{WD: w.WD, Path: path, Mask: w.Mask & keep})
	}
	return setDetail(f, det)
}
