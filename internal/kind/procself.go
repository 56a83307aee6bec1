package kind

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/sys"
)

// procself is a file of the process itself in /proc, such as /proc/self/maps, or
// of another one that is saved with it. It belongs to that process, so it is
// opened when that is there.
type procself struct{}

type procselfDetail struct {
	PID  int    `json:"pid,omitempty"` // whose it is; 0: of the first process that has it
	Name string `json:"name"`          // below /proc/PID; "" is that directory itself
}

func (procself) Name() string { return "procself" }

func (procself) Match(d *Desc) bool {
	_, _, ok := splitProc(d.Link)
	return ok && d.FD >= 0
}

func (procself) Save(c *SaveContext, d *Desc, f *image.OpenFile) error {
	pid, name, _ := splitProc(d.Link)
	if !slices.Contains(c.PIDs, pid) {
		return &UnsupportedError{
			Object: d.named("file of another process in /proc"),
			Reason: "that process may be another one when this one runs again",
			Advice: "close it before saving",
		}
	}
	if task, rest, ok := splitTask(name); ok {
		if task != pid {
			return &UnsupportedError{
				Object: d.object(),
				Reason: "it belongs to a thread that may have another number when it runs again",
				Advice: "close it before saving",
			}
		}
		name = "task/self" + rest
	}
	det := procselfDetail{Name: name}
	if pid != d.process(c) {
		det.PID = pid
	}
	return setDetail(f, det)
}

func (procself) Remake(r *RestoreContext, f *image.OpenFile) error {
	det, err := detail[procselfDetail](f)
	if err != nil {
		return err
	}
	whose := det.PID
	if whose == 0 {
		whose = r.Home(f).PID
	}
	pid, ok := r.NewPID(whose)
	if !ok {
		return fmt.Errorf("%s: %w: process %d is not part of it", r.object(f), image.ErrCorrupt, whose)
	}
	flags := f.Flags & openFlags
	// What can be opened of this process can be opened of that one.
	if err := rehearse(procPath("self", det.Name, os.Getpid()), flags, f.Pos); err != nil {
		return fmt.Errorf("%s: %w", r.object(f), err)
	}
	path := procPath("self", det.Name, pid)
	if det.PID != 0 {
		path = procPath(strconv.Itoa(pid), det.Name, pid)
	}
	r.Late(f, func(b *plan.Builder, fd plan.Slot) {
		b.Call("open "+path, abi.SysOpen, b.CString(path), plan.Imm(uint64(flags|sys.OCloexec))).Store(fd)
		if f.Pos != 0 {
			b.Call(fmt.Sprintf("go to position %d of %s", f.Pos, path), abi.SysLseek,
				plan.Arg{Slot: fd}, plan.Imm(uint64(f.Pos)), plan.Imm(io.SeekStart))
		}
	})
	return nil
}

// procPath is the path of a file in the directory of a process in /proc. Its
// first thread is "task/self" in name.
func procPath(dir, name string, pid int) string {
	if rest, ok := strings.CutPrefix(name, "task/self"); ok {
		name = "task/" + strconv.Itoa(pid) + rest
	}
	return strings.TrimSuffix("/proc/"+dir+"/"+name, "/")
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
