package proc

import "bytes"

// IPCObject is a System V semaphore set, message queue or shared memory segment
// (sysvipc(7)). They belong to no process: the kernel only remembers who used
// them last.
type IPCObject struct {
	ID    int
	Users []int // processes: who made a segment, attached one, sent, received last; 0: nobody
	Count int   // semaphores of a set
	Used  int64 // when it was last used or changed, seconds since 1970
}

// IPCKind is one of the three kinds of System V objects, and the name of its file
// below /proc/sysvipc.
type IPCKind string

const (
	IPCSemaphores IPCKind = "sem"
	IPCMessages   IPCKind = "msg"
	IPCSharedMem  IPCKind = "shm"
)

// IPCObjects lists the objects of our own ipc namespace. fs.ErrNotExist where the
// kernel has none.
func (f FS) IPCObjects(kind IPCKind) ([]IPCObject, error) {
	return parseFile(f.root(), "sysvipc/"+string(kind), maxList, parseIPC)
}

// parseIPC reads a table whose first line names the columns
// (sysvipc_sem_proc_show in ipc/sem.c, and its sisters).
func parseIPC(l *lines) ([]IPCObject, error) {
	if !l.next() {
		return nil, l.errorf("no names of columns")
	}
	var names []string
	for _, name := range bytes.Fields(l.text) {
		names = append(names, string(name))
	}
	var list []IPCObject
	for l.next() {
		o, ok := parseIPCObject(names, bytes.Fields(l.text))
		if !ok {
			return nil, l.bad("System V object")
		}
		list = append(list, o)
	}
	return list, nil
}

func parseIPCObject(names []string, values [][]byte) (o IPCObject, ok bool) {
	if len(names) != len(values) {
		return o, false
	}
	for i, name := range names {
		v := values[i]
		switch name {
		case "semid", "msqid", "shmid":
			ok = count(&o.ID, v) // no object without
		case "nsems":
			if !count(&o.Count, v) {
				return o, false
			}
		case "cpid", "lpid", "lspid", "lrpid":
			var pid int
			if !count(&pid, v) {
				return o, false
			}
			o.Users = append(o.Users, pid)
		case "otime", "ctime", "atime", "dtime", "stime", "rtime":
			var t int64
			if !signed(&t, v) {
				return o, false
			}
			o.Used = max(o.Used, t)
		}
	}
	return o, ok
}
