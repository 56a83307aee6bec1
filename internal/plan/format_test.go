package plan

import (
	"encoding/json"
	"strings"
	"testing"

	"ckpt/internal/abi"

	"golang.org/x/sys/unix"
)

func TestFormat(t *testing.T) {
	t.Parallel()
	b := NewBuilder()
	f := b.Slot()
	b.Call("open /etc/motd", abi.SysOpenat, Int(unix.AT_FDCWD), b.CString("/etc/motd"), Imm(unix.O_RDWR|unix.O_CLOEXEC), Imm(0o644)).Store(f)
	b.Call("map motd", abi.SysMmap, Imm(0x1000), Imm(8192), Imm(3), Imm(0x12), Arg{Slot: f}, Imm(0x1000)).Want(Imm(0x1000))
	b.Call("map [heap]", abi.SysMmap, Imm(0), Imm(1<<33), Imm(0), Imm(0x1000022), Int(-1), Imm(0)).MayFail()
	b.Call("move the vdso", abi.SysMremap, Arg{VDSO, 1<<64 - 0x4000}, Imm(0x4000), Imm(0x4000), Imm(3), Imm(0x9000)).Want(Imm(0x9000))
	b.Call("write", abi.SysWrite, Imm(1), b.Data([]byte("hi\n")), Imm(3))
	b.Call("write more", abi.SysWrite, Imm(1), b.Data([]byte(strings.Repeat("long ", 10))), Imm(50))
	b.Call("mask", abi.SysRtSigprocmask, Imm(2), b.Data([]byte{0xff, 1, 2, 3, 4, 5, 6, 7}), Imm(0), Imm(8))
	b.Call("name", abi.SysPrctl, Imm(15), b.CString("x"))
	b.Call("back\nslash", abi.SysLseek, Arg{Slot: f}, Int(-5), Imm(2))
	b.Call("strange", 4000, Imm(1), Imm(16))
	b.Call("sync", abi.SysSync)
	b.Call("close", abi.SysDup3, Imm(1), Imm(2), Imm(0))
	b.Copy("copy", Imm(0x1000), Arg{Base, 0x1500}, Imm(64))
	b.Poke32If("tid", Imm(0x5000), Imm(12), Imm(13))
	b.Leave("continue", Landing{PC: Imm(0x400000), SP: Arg{Base, 0x1800}, Keep: 0x5000})
	p := mustBuild(t, b)

	var out strings.Builder
	if err := Format(&out, p); err != nil {
		t.Fatal(err)
	}
	want := ` 0  openat(AT_FDCWD, "/etc/motd", O_RDWR|O_CLOEXEC, 0644) -> $4  # open /etc/motd
 1  mmap(0x1000, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED, $4, 0x1000) = 0x1000  # map motd
 2  mmap(NULL, 8589934592, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS|0x1000000, -1, 0) = ?  # map [heap]
 3  mremap($vdso-0x4000, 16384, 16384, MREMAP_MAYMOVE|MREMAP_FIXED, 0x9000) = 0x9000  # move the vdso
 4  write(1, "hi\n", 3)  # write
 5  write(1, "long long long long long long lo"..., 50)  # write more
 6  rt_sigprocmask(SIG_SETMASK, <ff01020304050607>, NULL, 8)  # mask
 7  prctl(PR_SET_NAME, "x", 0, 0, 0)  # name
 8  lseek($4, -5, SEEK_END)  # "back\nslash"
 9  syscall_4000(1, 0x10)  # strange
10  sync()  # sync
11  dup3(1, 2, 0)  # close
12  copy(0x1000, $base+0x1500, 64)  # copy
13  poke32_if(0x5000, 12, 13)  # tid
14  leave(0x400000, $base+0x1800, NULL, NULL, $base+0x5000, $size-0x5000)  # continue
`
	if got := out.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestLinesAsJSON(t *testing.T) {
	t.Parallel()
	b := NewBuilder()
	b.Call("map", abi.SysMunmap, Imm(0x1000), Imm(4096)).Want(Imm(0))
	exit(b)
	for l := range Lines(mustBuild(t, b)) {
		got, err := json.Marshal(l)
		const want = `{"op":0,"call":"munmap","args":["0x1000","4096"],"want":"0","what":"map"}`
		if err != nil || string(got) != want {
			t.Errorf("got %s (%v), want %s", got, err, want)
		}
		break
	}
}

// TestNotationConstants compares the names with x/sys, which has them from the
// kernel's headers.
func TestNotationConstants(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind  argKind
		value uint64
		want  string
	}{
		{notations()[abi.SysOpen][1], unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOCTTY | unix.O_TRUNC, "O_WRONLY|O_CREAT|O_EXCL|O_NOCTTY|O_TRUNC"},
		{notations()[abi.SysOpen][1], unix.O_APPEND | unix.O_NONBLOCK | unix.O_DIRECT | unix.O_NOFOLLOW | unix.O_NOATIME, "O_APPEND|O_NONBLOCK|O_DIRECT|O_NOFOLLOW|O_NOATIME"},
		{notations()[abi.SysOpen][1], unix.O_SYNC, "O_SYNC"},
		{notations()[abi.SysOpen][1], unix.O_DSYNC, "O_DSYNC"},
		{notations()[abi.SysOpen][1], unix.O_TMPFILE | unix.O_RDWR, "O_RDWR|O_TMPFILE"},
		{notations()[abi.SysOpen][1], unix.O_DIRECTORY | unix.O_PATH, "O_DIRECTORY|O_PATH"},
		{notations()[abi.SysOpen][1], 0, "O_RDONLY"},
		{notations()[abi.SysDup3][2], unix.EFD_CLOEXEC | unix.EFD_NONBLOCK, "O_NONBLOCK|O_CLOEXEC"},
		{notations()[abi.SysFcntl][1], unix.F_SETLK, "F_SETLK"},
		{notations()[abi.SysFcntl][1], unix.F_OFD_SETLK, "F_OFD_SETLK"},
		{notations()[abi.SysFcntl][1], unix.F_SETOWN_EX, "F_SETOWN_EX"},
		{notations()[abi.SysFcntl][1], unix.F_SETPIPE_SZ, "F_SETPIPE_SZ"},
		{notations()[abi.SysFcntl][1], unix.F_ADD_SEALS, "F_ADD_SEALS"},
		{notations()[abi.SysFcntl][1], unix.F_SETLEASE, "F_SETLEASE"},
		{notations()[abi.SysFcntl][1], 9999, "9999"},
		{notations()[abi.SysMprotect][2], unix.PROT_READ | unix.PROT_EXEC | unix.PROT_GROWSDOWN, "PROT_READ|PROT_EXEC|PROT_GROWSDOWN"},
		{notations()[abi.SysMmap][3], unix.MAP_SHARED | unix.MAP_GROWSDOWN | unix.MAP_NORESERVE | unix.MAP_STACK, "MAP_SHARED|MAP_GROWSDOWN|MAP_NORESERVE|MAP_STACK"},
		{notations()[abi.SysMmap][3], unix.MAP_PRIVATE | unix.MAP_HUGETLB | unix.MAP_POPULATE | unix.MAP_FIXED_NOREPLACE, "MAP_PRIVATE|MAP_POPULATE|MAP_HUGETLB|MAP_FIXED_NOREPLACE"},
		{notations()[abi.SysMadvise][2], unix.MADV_HUGEPAGE, "MADV_HUGEPAGE"},
		{notations()[abi.SysMadvise][2], unix.MADV_WIPEONFORK, "MADV_WIPEONFORK"},
		{notations()[abi.SysMadvise][2], unix.MADV_POPULATE_WRITE, "MADV_POPULATE_WRITE"},
		{notations()[abi.SysMadvise][2], unix.MADV_DONTDUMP, "MADV_DONTDUMP"},
		{notations()[abi.SysPrctl][0], unix.PR_SET_MM, "PR_SET_MM"},
		{notations()[abi.SysPrctl][0], unix.PR_SET_VMA, "PR_SET_VMA"},
		{notations()[abi.SysPrctl][0], unix.PR_SET_PTRACER, "PR_SET_PTRACER"},
		{notations()[abi.SysPrctl][0], unix.PR_SET_NO_NEW_PRIVS, "PR_SET_NO_NEW_PRIVS"},
		{notations()[abi.SysPrctl][0], unix.PR_SET_THP_DISABLE, "PR_SET_THP_DISABLE"},
		{notations()[abi.SysPrctl][0], unix.PR_SET_MEMORY_MERGE, "PR_SET_MEMORY_MERGE"},
		{notations()[abi.SysPrctl][0], unix.PR_TIMER_CREATE_RESTORE_IDS, "PR_TIMER_CREATE_RESTORE_IDS"},
		{notations()[abi.SysPrlimit64][1], unix.RLIMIT_NOFILE, "RLIMIT_NOFILE"},
		{notations()[abi.SysPrlimit64][1], unix.RLIMIT_RTTIME, "RLIMIT_RTTIME"},
		{notations()[abi.SysTimerCreate][0], unix.CLOCK_BOOTTIME, "CLOCK_BOOTTIME"},
		{notations()[abi.SysTimerCreate][0], unix.CLOCK_TAI, "CLOCK_TAI"},
	} {
		if got := c.kind.constant(c.value); got != c.want {
			t.Errorf("%#x: got %s, want %s", c.value, got, c.want)
		}
	}
}
