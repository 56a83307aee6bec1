package kind

import (
	"fmt"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// device is one of the devices that have no state: /dev/null and its like.
type device struct{}

// devices are the names of these by major and minor number, see
// Documentation/admin-guide/devices.txt of the kernel.
var devices = map[[2]uint32]string{
	{1, 3}: "/dev/null",
	{1, 5}: "/dev/zero",
	{1, 7}: "/dev/full",
	{1, 8}: "/dev/random",
	{1, 9}: "/dev/urandom",
}

type deviceDetail struct {
	Major uint32 `json:"major"`
	Minor uint32 `json:"minor"`
}

func (device) Name() string { return "device" }

func (device) Match(d *Desc) bool {
	_, ok := devices[deviceNumber(d.Stat)]
	return ok && d.Stat.Mode&sys.ModeType == sys.ModeChar
}

func deviceNumber(st Stat) [2]uint32 {
	return [2]uint32{sys.Major(st.Rdev), sys.Minor(st.Rdev)}
}

func (device) Save(_ *SaveContext, d *Desc, f *image.OpenFile) error {
	n := deviceNumber(d.Stat)
	return setDetail(f, deviceDetail{n[0], n[1]})
}

func (device) Remake(r *RestoreContext, f *image.OpenFile) error {
	det, err := detail[deviceDetail](f)
	if err != nil {
		return err
	}
	want := [2]uint32{det.Major, det.Minor}
	name, ok := devices[want]
	if !ok {
		return fmt.Errorf("%w: %s: device %d:%d", image.ErrCorrupt, r.object(f), det.Major, det.Minor)
	}
	// The name it was opened by may be another one, as in a chroot.
	for _, path := range []string{f.Path, name} {
		st, err := sys.StatPath(path)
		if err != nil || st.Mode&sys.ModeType != sys.ModeChar || deviceNumber(st) != want {
			continue
		}
		file, err := sys.OpenFile(path, f.Flags&fileFlags, 0)
		if err != nil {
			return cannotOpen(r, f, err)
		}
		r.Made(f, file)
		return nil
	}
	return &UnsupportedError{r.object(f), fmt.Sprintf("the device %d:%d is missing", det.Major, det.Minor), "create " + name + " again (mknod)"}
}
