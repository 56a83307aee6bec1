package kind

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// memfd is memory with a descriptor, see memfd_create(2). Its seals come back
// last of all: a sealed file could neither be filled nor mapped for writing.
type memfd struct{}

type memfdDetail struct {
	Name  string `json:"name"`
	Seals int    `json:"seals"` // F_SEAL_*
	content
}

func (memfd) Name() string { return "memfd" }

func (memfd) Match(d *Desc) bool {
	return isFile(d) && d.Stat.Nlink == 0 && strings.HasPrefix(d.Link, "/memfd:")
}

func (memfd) Save(c *SaveContext, d *Desc, f *image.OpenFile) error {
	link, _ := proc.SplitDeleted(d.Link)
	det := memfdDetail{Name: strings.TrimPrefix(link, "/memfd:")}
	var err error
	if det.content, err = saveContent(c, d); err != nil {
		return err
	}
	if det.FromMapping {
		return setDetail(f, det)
	}
	src, err := openContent(c, d)
	if err != nil {
		return fmt.Errorf("%s: %w", d.object(), err)
	}
	defer src.Close()
	magic, err := sys.FSMagic("/proc/self/fd/" + strconv.Itoa(int(src.Fd())))
	if err != nil {
		return fmt.Errorf("%s: %w", d.object(), err)
	}
	if magic == sys.HugetlbfsMagic {
		return &UnsupportedError{d.object(), "memfds of huge pages (MFD_HUGETLB) are not supported",
			"let the program use ordinary pages"}
	}
	det.Seals, err = sys.Seals(int(src.Fd()))
	if errors.Is(err, syscall.EINVAL) {
		// A file in the root directory with a misleading name, deleted.
		f.Kind = deleted{}.Name()
		return setDetail(f, det.content)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", d.object(), err)
	}
	return setDetail(f, det)
}

func (memfd) Remake(r *RestoreContext, f *image.OpenFile) error {
	det, err := detail[memfdDetail](f)
	if err != nil {
		return err
	}
	err = det.remake(r, f, func() (*os.File, error) { return createMemfd(det.Name) })
	if err != nil {
		return err
	}
	if r.onlyMapped(f) || det.Seals == 0 {
		// Without a descriptor nobody can do what the seals forbid.
		return nil
	}
	_, err = Object(r, "seals:"+det.key(), func() (struct{}, error) {
		r.finally(f, func(b *plan.Builder, fds []int) error { return det.seal(b, fds[0]) })
		return struct{}{}, nil
	})
	return err
}

// createMemfd makes an empty memfd that can be sealed. It is an executable one
// where that is allowed: the seal F_SEAL_EXEC can be added, not taken away.
func createMemfd(name string) (*os.File, error) {
	file, err := sys.CreateMemfd(name, sys.MFDAllowSealing|sys.MFDExec)
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EACCES) {
		// Before 6.3 there was no such flag; vm.memfd_noexec=2 forbids it.
		return sys.CreateMemfd(name, sys.MFDAllowSealing)
	}
	return file, err
}

// seal adds the seals in the final process, where every writable mapping exists
// by now. It takes a descriptor that is open for writing, which the program's
// own need not be.
func (det *memfdDetail) seal(b *plan.Builder, number int) error {
	fd := b.Slot()
	defer b.Free(fd)
	path := "/proc/self/fd/" + strconv.Itoa(number)
	what := fmt.Sprintf("memfd %s at %d", det.Name, number)
	b.Call("open "+what, abi.SysOpen, b.CString(path), plan.Imm(sys.ORdwr|sys.OCloexec)).Store(fd)
	b.Call("seal "+what, abi.SysFcntl, plan.Arg{Slot: fd}, plan.Imm(sys.FAddSeals), plan.Imm(uint64(det.Seals)))
	b.Call("close "+what, abi.SysClose, plan.Arg{Slot: fd})
	return nil
}
