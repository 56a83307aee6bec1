package save

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// System V objects are the system's, not a process's, and nothing in a process
// leads to them but the numbers that it has in its memory. What can be known is who
// waits for one, and who used it last. (Shared memory that is attached is seen
// among the mappings.)

// ipcKinds say what the kinds are called, and what calls wait for them.
var ipcKinds = []struct {
	kind  proc.IPCKind
	name  string
	waits []uint64
}{
	{proc.IPCSemaphores, "System V semaphore set", []uint64{abi.SysSemop, abi.SysSemtimedop}},
	{proc.IPCMessages, "System V message queue", []uint64{abi.SysMsgsnd, abi.SysMsgrcv}},
	{proc.IPCSharedMem, "System V shared memory segment", nil},
}

const ipcAdvice = "let the program use POSIX semaphores, shared memory or pipes; or remove what it has left (ipcrm)"

// refuseIPC refuses processes that use System V objects.
func (k *kin) refuseIPC(subjects []*subject) error {
	for _, c := range ipcKinds {
		objects, err := k.fs.IPCObjects(c.kind)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without them
		} else if err != nil {
			return err
		}
		users := map[int][]*proc.IPCObject{} // by process
		for i := range objects {
			o := &objects[i]
			if c.kind == proc.IPCSemaphores {
				o.Users = semaphoreUsers(o)
			}
			for _, pid := range o.Users {
				users[pid] = append(users[pid], o)
			}
		}
		for _, s := range subjects {
			if len(objects) == 0 || s.zombie || c.kind == proc.IPCSharedMem && s.attachesIPC() {
				continue
			}
			found := map[int]string{}
			for _, o := range users[s.pid] {
				if o.Used >= s.begun()-1 {
					found[o.ID] = "has used it"
				}
			}
			for _, id := range s.awaited(k.fs, c.waits) {
				found[id] = "waits for it"
			}
			for _, id := range slices.Sorted(maps.Keys(found)) {
				s.refuse(fmt.Sprintf("%s %d", c.name, id), "the process "+found[id]+"; it is outside of every process, and not saved", ipcAdvice)
			}
		}
	}
	return nil
}

// semaphoreUsers are those who changed each of a set's semaphores last. A set that
// may not be looked at has none: its processes could not be looked at either.
func semaphoreUsers(o *proc.IPCObject) (users []int) {
	for n := range o.Count {
		pid, err := sys.SemaphoreUser(o.ID, n)
		if err != nil {
			return users
		}
		users = append(users, pid)
	}
	return users
}

// sysVMemory is what the names of attached segments begin with (newseg in ipc/shm.c).
const sysVMemory = "/SYSV"

// attachesIPC reports whether the process was refused for shared memory already.
func (s *subject) attachesIPC() bool {
	return slices.ContainsFunc(s.areas, func(a image.Area) bool { return strings.HasPrefix(a.Name, sysVMemory) })
}

// awaited are the first arguments of those of the calls that the process's threads
// are in: the numbers of objects.
func (s *subject) awaited(pfs proc.FS, calls []uint64) (ids []int) {
	if len(calls) == 0 {
		return nil
	}
	for tid := range s.threads {
		now, err := pfs.Thread(s.pid, tid).Syscall()
		if err == nil && !now.Running && slices.Contains(calls, uint64(now.Nr)) {
			ids = append(ids, int(int32(now.Args[0])))
		}
	}
	return ids
}

// begun is when the process was made, in seconds since 1970: whoever used an object
// before had its number and was another one.
func (s *subject) begun() int64 {
	const ticks = 100 // USER_HZ
	up, err := sys.ClockNow(sys.ClockBoottime)
	if err != nil {
		return 0
	}
	age := up - int64(s.start)*int64(time.Second/ticks)
	return time.Now().Add(-time.Duration(age)).Unix()
}
