package kind

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/sys"
)

// procself is a file of the process itself in /proc, such as /proc/self/maps.
// It belongs to whoever opened it, so the final process has to do that.
type procself struct{}

type procselfDetail struct {
	Name string `json:"name"` // below /proc/self; "" is that directory itself
}

func (procself) Name() string { return "procself" }

func (procself) Match(d *Desc) bool {
	pid, _, ok := splitProc(d.Link)
	return ok && pid == d.PID && d.FD >= 0
}

func (procself) Save(c *SaveContext, d *Desc, f *image.OpenFile) error {
	_, name, _ := splitProc(d.Link)
	if task, rest, ok := splitTask(name); ok {
		if task != d.PID {
			return &UnsupportedError{
				Object: d.object(),
				Reason: "it belongs to a thread that may have another number when it runs again",
				Advice: "close it before saving",
			}
		}
		name = "task/self" + rest
	}
	return setDetail(f, procselfDetail{Name: name})
}

func (procself) Remake(r *RestoreContext, f *image.OpenFile) error {
	det, err := detail[procselfDetail](f)
	if err != nil {
		return err
	}
	name := det.Name
	if rest, ok := strings.CutPrefix(name, "task/self"); ok {
		pid, _ := r.NewPID(r.Process.PID)
		name = "task/" + strconv.Itoa(pid) + rest
	}
	path := strings.TrimSuffix("/proc/self/"+name, "/")
	flags := f.Flags & openFlags
	if err := rehearse(path, flags, f.Pos); err != nil {
		return fmt.Errorf("%s: %w", r.object(f), err)
	}
	r.finally(f, func(b *plan.Builder, fds []int) error {
		fd := b.Slot()
		defer b.Free(fd)
		b.Call("open "+path, abi.SysOpen, b.CString(path), plan.Imm(uint64(flags|sys.OCloexec))).Store(fd)
		if f.Pos != 0 {
			b.Call(fmt.Sprintf("go to position %d of %s", f.Pos, path), abi.SysLseek,
				plan.Arg{Slot: fd}, plan.Imm(uint64(f.Pos)), plan.Imm(io.SeekStart))
		}
		for _, n := range fds {
			closing := 0
			if closeOnExec(r.home(f), n) {
				closing = sys.OCloexec
			}
			b.Call(fmt.Sprintf("move %s to %d", path, n), abi.SysDup3,
				plan.Arg{Slot: fd}, plan.Imm(uint64(n)), plan.Imm(uint64(closing)))
		}
		b.Call("close the first descriptor of "+path, abi.SysClose, plan.Arg{Slot: fd})
		return nil
	})
	return nil
}

// rehearse does here what the final process is going to do, since a failure
// can be explained better and costs less here.
func rehearse(path string, flags int, pos int64) error {
	file, err := sys.OpenFile(path, flags, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if pos == 0 {
		return nil
	}
	if _, err := sys.Seek(int(file.Fd()), pos, io.SeekStart); err != nil {
		return fmt.Errorf("go to position %d of %s: %w", pos, path, err)
	}
	return nil
}

// splitProc takes "/proc/17/net/tcp" apart into 17 and "net/tcp".
func splitProc(link string) (pid int, name string, ok bool) {
	rest, ok := strings.CutPrefix(link, "/proc/")
	if !ok {
		return 0, "", false
	}
	number, name, _ := strings.Cut(rest, "/")
	pid, err := strconv.Atoi(number)
	return pid, name, err == nil && pid > 0
}

// splitTask takes "task/17/maps" apart into 17 and "/maps".
func splitTask(name string) (tid int, rest string, ok bool) {
	name, ok = strings.CutPrefix(name, "task/")
	if !ok {
		return 0, "", false
	}
	number, _, _ := strings.Cut(name, "/")
	tid, err := strconv.Atoi(number)
	return tid, name[len(number):], err == nil
}

// isForeignProc matches files of other processes in /proc.
func isForeignProc(d *Desc) bool {
	pid, _, ok := splitProc(d.Link)
	return ok && pid != d.PID
}
