package proc

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	semTable = "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n" +
		"-559038737         18   600          3     0     0     0     0          0 1796068762\n"
	msgTable = "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n" +
		"         0          4   666           5          1  4711     0     0     0     0     0 1796068765          0 1796068762\n"
	shmTable = "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n" +
		"         0          7  1600                  4096  4711  4712      1     0     0     0     0 1796068762 1796068764 1796068762                  4096                     0\n"
)

func TestIPCObjects(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]IPCObject{
		semTable: {ID: 18, Count: 3, Used: 1796068762},
		msgTable: {ID: 4, Users: []int{4711, 0}, Used: 1796068765},
		shmTable: {ID: 7, Users: []int{4711, 4712}, Used: 1796068764},
	} {
		if diff := cmp.Diff([]IPCObject{want}, mustParse(t, text, parseIPC)); diff != "" {
			t.Error(diff)
		}
	}
	wantBad(t, "", 1, parseIPC)
	for _, row := range []string{"", "1 2 3", "0 x 600 1 0 0 0 0 0 0", "0 -1 600 1 0 0 0 0 0 0", "0 1 600 x 0 0 0 0 0 0", "0 1 600 1 0 0 0 0 0 x"} {
		wantBad(t, semTable+row+"\n", 3, parseIPC)
	}
	wantBad(t, "key perms\n1 2\n", 2, parseIPC) // nothing that names an object
	// This kernel's own.
	for _, kind := range []IPCKind{IPCSemaphores, IPCMessages, IPCSharedMem} {
		if _, err := Host().IPCObjects(kind); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func FuzzIPC(f *testing.F) { fuzzLines(f, parseIPC, semTable, msgTable, shmTable) }
