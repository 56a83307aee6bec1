package tests

import (
	"bytes"
	"debug/elf"
	bin "encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestUnsupported: what is not understood is refused by name, with what to do about
// it, by check and by save, before anything is frozen; the program runs on.
func TestUnsupported(t *testing.T) {
	t.Parallel()
	for what, words := range map[string][]string{
		"socket":          {"fd 3 (socket, TCP)"},
		"udp":             {"fd 3 (socket, UDP"},
		"netlink":         {"fd 3 (socket, NETLINK)"},
		"io_uring":        {"fd 3 (io_uring)"},
		"io_uring-mapped": {"memory at ", "io_uring"},
		"sem":             {"System V semaphore set "},
		"sem-wait":        {"System V semaphore set ", "waits for it"},
		"msg":             {"System V message queue "},
		"shm":             {"memory at ", "System V shared memory"},
		"shm-detached":    {"System V shared memory segment "},
		"mq":              {"fd 3", "POSIX message queue"},
		"seccomp":         {"process: runs under a seccomp filter"},
		"fanotify":        {"fd 3 (fanotify)"},
		"aio":             {"memory at ", "io_setup(2)"},
		"perf":            {"fd 3 (perf event)"},
		"bpf":             {"fd 3 (BPF object)"},
		"userfaultfd":     {"fd 3 (userfaultfd)"},
		"secret":          {"fd 3 (secret memory"},
		"hugetlb":         {"memory at ", "hugetlbfs"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := startDoubtful(t, what)
			refusedBoth(t, p, words...)
		})
	}
}

// startDoubtful is startFault with something that this host may not have or allow.
func startDoubtful(t *testing.T, what string) *process {
	t.Helper()
	dir := workDir(t, os.Geteuid())
	p := start(t, command{argv: []string{target(t, "fault"), what}, dir: dir, uid: os.Geteuid()})
	t.Cleanup(func() { removeIPC(text(dir, "out")) })
	eventually(t, what, func() bool {
		if out := text(dir, "out"); strings.HasSuffix(out, "cannot\n") {
			t.Skip(text(dir, "err"))
		}
		return strings.HasSuffix(text(dir, "out"), "ready\n")
	})
	return p
}

// removeIPC removes the System V objects that the program has made, and named.
func removeIPC(out string) {
	calls := map[string]uintptr{"semaphore": unix.SYS_SEMCTL, "queue": unix.SYS_MSGCTL, "segment": unix.SYS_SHMCTL}
	for _, m := range regexp.MustCompile(`(\w+) (\d+)\n`).FindAllStringSubmatch(out, -1) {
		id, _ := strconv.Atoi(m[2])
		if nr, ok := calls[m[1]]; ok {
			_, _, _ = unix.Syscall(nr, uintptr(id), unix.IPC_RMID, unix.IPC_RMID) // both are 0: the order differs
		}
	}
}

// refusedBoth checks that check and save refuse the process in the same words.
func refusedBoth(t *testing.T, p *process, words ...string) {
	t.Helper()
	var r result
	// A descendant may not be where it will be yet.
	eventually(t, "check to refuse it", func() bool {
		r = ckpt(t, p.dir, os.Geteuid(), "check", itoa(p.pid()))
		return r.code != exitOK
	})
	if r.code != exitUnsupported || strings.Count(r.stdout, "FAIL") != 1 || !strings.Contains(r.stdout, "\n        try: ") {
		t.Errorf("check: status %d: %s%s", r.code, r.stdout, r.stderr)
	}
	for _, word := range words {
		if !strings.Contains(r.stdout, word) {
			t.Errorf("check does not say %q: %s", word, r.stdout)
		}
	}
	switches := contextSwitches(p)
	ckpt(t, p.dir, os.Geteuid(), "save", itoa(p.pid())).want(t, exitUnsupported, append(words, "\n    try: ")...)
	if now := contextSwitches(p); now != switches {
		t.Errorf("it was frozen: %s, before %s", now, switches)
	}
	p.mustRun()
	onlyFiles(t, p.dir)
}

var switchLine = regexp.MustCompile(`(?m)^\w*voluntary_ctxt_switches:\t\d+$`)

// contextSwitches tells how often the process has left a processor: one that sleeps
// and is stopped by ptrace does so once more.
func contextSwitches(p *process) string {
	return string(bytes.Join(switchLine.FindAll(p.proc("status"), -1), []byte(", ")))
}

// TestUnsupportedLate: what is seen only while the process stands, or costs too much
// to look for before, is refused all the same, and the process runs on.
func TestUnsupportedLate(t *testing.T) {
	t.Parallel()
	for what, words := range map[string]string{
		"ldt":  "process: has a local descriptor table",
		"pkey": "has memory protection key",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := startDoubtful(t, what)
			ckpt(t, p.dir, os.Geteuid(), "save", itoa(p.pid())).want(t, exitUnsupported, words)
			p.mustRun()
			onlyFiles(t, p.dir)
		})
	}
}

// Test32Bit: a 32-bit program is refused by name.
func Test32Bit(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	path := filepath.Join(dir, "pause32")
	// By another program: one that we write may not be executed as long as a child
	// that another test is just starting has it open, too.
	write := exec.Command("sh", "-c", `cat >"$0" && chmod 755 "$0"`, path)
	write.Stdin = bytes.NewReader(pause32())
	if out, err := write.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// A kernel without them says so at once.
	if fd, err := unix.Open("/proc/sys/abi/vsyscall32", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		t.Skip("this kernel runs no 32-bit programs")
	} else {
		unix.Close(fd)
	}
	p := start(t, command{argv: []string{path}, dir: dir, uid: os.Geteuid()})
	for _, name := range []string{"check", "save"} {
		r := ckpt(t, dir, os.Geteuid(), name, itoa(p.pid()))
		if said := r.stdout + r.stderr; r.code != exitUnsupported || !strings.Contains(said, "program: is a 32-bit program") {
			t.Errorf("%s: status %d: %s", name, r.code, said)
		}
	}
	p.mustRun()
	onlyFiles(t, dir, "pause32")
}

// pause32 is an i386 program that pauses.
func pause32() []byte {
	const base, size = 0x08048000, 52 + 32
	code := []byte{0xb8, 29, 0, 0, 0, 0xcd, 0x80, 0xeb, 0xf7} // mov $__NR_pause, %eax; int $0x80; again
	var b bytes.Buffer
	header := elf.Header32{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS32), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_386), Version: uint32(elf.EV_CURRENT),
		Entry: base + size, Phoff: 52, Ehsize: 52, Phentsize: 32, Phnum: 1,
	}
	segment := elf.Prog32{
		Type: uint32(elf.PT_LOAD), Vaddr: base, Paddr: base, Filesz: size + uint32(len(code)),
		Memsz: size + uint32(len(code)), Flags: uint32(elf.PF_R | elf.PF_X), Align: 0x1000,
	}
	for _, part := range []any{&header, &segment, code} {
		if err := bin.Write(&b, bin.LittleEndian, part); err != nil {
			panic(err) // a buffer takes everything
		}
	}
	return b.Bytes()
}

// TestUsesSignal: check says in clear words that a program has a use of its own for
// the signal that saves, and which one of several it is; also if libckpt.so is loaded
// and the program has taken the signal from it.
func TestUsesSignal(t *testing.T) {
	t.Parallel()
	library := "LD_PRELOAD=" + binary(t, "libckpt.so")
	for _, c := range []struct {
		what, says, advice string
		env                []string
	}{
		{what: "nothing"},
		{what: "usr2", says: "note  fault (ROOT) uses SIGUSR2 itself: kill -12 would not save it", advice: "CKPT_SIGNAL=USR1"},
		{what: "usr2-child", says: "note  fault (CHILD) uses SIGUSR2 itself", advice: "CKPT_SIGNAL=USR1"},
		{what: "nothing", env: []string{library}, says: "ok    libckpt.so is loaded: kill -12 ROOT saves it, too"},
		{what: "usr2", env: []string{library}, says: "note  fault (ROOT) uses SIGUSR2 itself", advice: "CKPT_SIGNAL=USR1"},
		{what: "ignore-usr2", env: []string{library}, says: "note  fault (ROOT) uses SIGUSR2 itself", advice: "CKPT_SIGNAL=USR1"},
		{what: "usr2", env: []string{library, "CKPT_SIGNAL=SIGPROF"}, says: "ok    libckpt.so is loaded: kill -27 ROOT saves it, too"},
		{what: "usr2", env: []string{library, "CKPT_SIGNAL=none"}, says: "ok    libckpt.so is loaded, but CKPT_SIGNAL=none"},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			p := start(t, command{argv: []string{target(t, "fault"), c.what}, dir: workDir(t, os.Geteuid()), uid: os.Geteuid(), env: c.env})
			p.awaitOutput("ready\n")
			says := strings.ReplaceAll(c.says, "ROOT", itoa(p.pid()))
			if list := children(p.pid()); len(list) > 0 {
				says = strings.ReplaceAll(says, "CHILD", itoa(list[0]))
			}
			r := ckpt(t, p.dir, os.Geteuid(), "check", itoa(p.pid()))
			if r.code != exitOK || !strings.Contains(r.stdout, says) || !strings.Contains(r.stdout, c.advice) {
				t.Errorf("status %d, it does not say %q:\n%s%s", r.code, says, r.stdout, r.stderr)
			}
			if c.says == "" && strings.Contains(r.stdout, "kill") {
				t.Errorf("it speaks of a signal: %s", r.stdout)
			}
			r = ckpt(t, p.dir, os.Geteuid(), "check", "--json", itoa(p.pid()))
			if want := fmt.Sprintf(`"catches_signal": %v`, c.advice != ""); !strings.Contains(r.stdout, want) {
				t.Errorf("--json does not say %s: %s", want, r.stdout)
			}
			p.mustRun()
		})
	}
}

// TestHiddenForAMoment: a process is closed to its own user while it executes a program,
// and while it is being restored. That is waited for.
func TestHiddenForAMoment(t *testing.T) {
	t.Parallel()
	uid := os.Geteuid()
	if uid == 0 {
		uid = nobody // root may look into everything
	}
	p := start(t, command{argv: []string{target(t, "fault"), "hidden"}, dir: workDir(t, uid), uid: uid})
	p.awaitOutput("hidden\n")
	p.save(uid)
	p.mustRun()
}
