package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// probes are what doctor asks, in the order of its table.
var probes = []struct {
	name string
	ask  func() state
}{
	{"kernel", askKernel},
	{"architecture", askArch},
	{"seccomp", askSeccomp},
	{"ptrace", askPtrace},
	{"pidfd_getfd", askPidfd},
	{"kcmp", askKcmp},
	{"PAGEMAP_SCAN", askPagemap},
	{"memfd", askMemfd},
	{"capabilities", askCapabilities},
	{"chosen pids", askSetTID},
	{"namespaces", askNamespaces},
	{"userfaultfd", askUserfaultfd},
	{"huge pages", askHugePages},
	{"overcommit", askOvercommit},
}

func isOK(found string) state { return state{Verdict: verdictOK, Found: found} }
func isLimited(found, means string) state {
	return state{Verdict: verdictLimited, Found: found, Means: means}
}
func isNo(found, means string) state { return state{Verdict: verdictNo, Found: found, Means: means} }

// oldestKernel is the first that has all that is needed without a fallback.
const oldestMajor, oldestMinor = 5, 10

func askKernel() state {
	_, release, err := sys.Uname()
	if err != nil {
		return isNo(err.Error(), "")
	}
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return isLimited(release, "not a version that is known")
	}
	if major < oldestMajor || major == oldestMajor && minor < oldestMinor {
		return isNo("Linux "+release, fmt.Sprintf("at least %d.%d is needed", oldestMajor, oldestMinor))
	}
	return isOK("Linux " + release)
}

func askArch() state {
	cpu, err := proc.Host().CPUInfo()
	if err != nil {
		return isLimited(runtime.GOARCH, err.Error())
	}
	return isOK(runtime.GOARCH + ", " + cpu.Model)
}

func askSeccomp() state {
	st, err := proc.Host().Process(os.Getpid()).Status()
	switch {
	case err != nil:
		return isLimited(err.Error(), "")
	case st.Seccomp != 0:
		return isLimited("ckpt runs under a filter", "perhaps in a container; programs started from here can not be saved")
	}
	return isOK("no filter")
}

// Capabilities of capabilities(7).
const (
	capSysPtrace         = 19
	capSysAdmin          = 21
	capSysResource       = 24
	capCheckpointRestore = 40
)

// may reports whether this process has a capability.
func may(capability int) bool {
	st, err := proc.Host().Process(os.Getpid()).Status()
	return err == nil && st.CapEff&(1<<capability) != 0
}

func askPtrace() state {
	b, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	scope := strings.TrimSpace(string(b))
	switch {
	case err != nil:
		return isOK("not restricted by Yama")
	case scope == "0":
		return isOK("ptrace_scope 0")
	case scope == "3":
		return isNo("ptrace_scope 3", "nobody may trace; only a restart of the machine changes it")
	case may(capSysPtrace):
		return isOK("ptrace_scope " + scope + ", which does not bind root")
	case scope == "1":
		return isLimited("ptrace_scope 1", "ckpt save needs root; programs started with libckpt.so can be saved by kill -12")
	}
	return isNo("ptrace_scope "+scope, "only root may save")
}

func askPidfd() state {
	self, err := sys.PidfdOpen(os.Getpid())
	if err == nil {
		defer syscall.Close(self)
		var fd int
		if fd, err = sys.PidfdGetfd(self, self); err == nil {
			return errorsOK(syscall.Close(fd))
		}
	}
	return isNo(err.Error(), "open files can not be saved")
}

func errorsOK(err error) state {
	if err != nil {
		return isLimited(err.Error(), "")
	}
	return isOK("there")
}

func askKcmp() state {
	if _, err := sys.KcmpFile(os.Getpid(), 0, os.Getpid(), 0); err != nil && !errors.Is(err, syscall.EBADF) {
		return isNo(err.Error(), "which descriptors share an open file can not be found out (CONFIG_KCMP)")
	}
	return isOK("there")
}

func askPagemap() state {
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return isNo(err.Error(), "memory can not be saved")
	}
	defer f.Close()
	buf := make([]sys.PageRegion, 1)
	if _, _, err := sys.PagemapScan(f, 0, 1<<20, 0, 0, sys.PagePresent, 0, buf); err != nil {
		return isLimited(err.Error(), "large reservations take longer to save (Linux 6.7 has it)")
	}
	return isOK("there")
}

func askMemfd() state {
	program, err := exitProgram()
	if err != nil {
		return isNo(err.Error(), "")
	}
	f, err := sys.ExecutableFile(program)
	if err == nil {
		defer f.Close()
		if err = runFD(f, nil); err == nil {
			return isOK("a program that was just made can be executed")
		}
	}
	return isNo(err.Error(), "nothing can be restored: set TMPDIR to a directory that is not mounted noexec")
}

// runFD executes the program in f.
func runFD(f *os.File, attr *syscall.SysProcAttr) error {
	cmd := exec.Command(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	cmd.SysProcAttr = attr
	return cmd.Run()
}

func askCapabilities() state {
	names := map[int]string{capSysPtrace: "SYS_PTRACE", capSysAdmin: "SYS_ADMIN", capSysResource: "SYS_RESOURCE", capCheckpointRestore: "CHECKPOINT_RESTORE"}
	var have []string
	for _, c := range []int{capSysPtrace, capSysAdmin, capSysResource, capCheckpointRestore} {
		if may(c) {
			have = append(have, names[c])
		}
	}
	found := strings.Join(have, ", ")
	if found == "" {
		found = "none"
	}
	if !may(capSysAdmin) && !may(capCheckpointRestore) {
		return isLimited(found, "/proc/PID/exe of a restored program is not the program, and its monotonic clock jumps after a restart of the machine")
	}
	return isOK(found)
}

func askSetTID() state {
	if err := sys.ProbeSetTID(); err != nil {
		return isLimited(err.Error(), "programs with several threads or processes need namespaces to keep their ids")
	}
	return isOK("allowed: processes with several threads keep their ids")
}

func askNamespaces() state {
	program, err := exitProgram()
	if err != nil {
		return isLimited(err.Error(), "")
	}
	f, err := sys.ExecutableFile(program)
	if err != nil {
		return isLimited(err.Error(), "")
	}
	defer f.Close()
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	gids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	err = runFD(f, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, UidMappings: ids, GidMappings: gids})
	if err != nil {
		return isLimited("user namespaces: "+err.Error(), "where ids may not be chosen or are taken, trees are not restored, and threads get new ones")
	}
	return isOK("user and pid namespaces allowed: programs keep their ids")
}

func askUserfaultfd() state {
	if err := sys.ProbeUserfaultfd(); err != nil {
		return isLimited(err.Error(), "large programs stand still for a fork: they can not be copied while they run")
	}
	return isOK("allowed: large programs are copied while they run")
}

func askHugePages() state {
	b, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil {
		return isLimited("transparent huge pages: none", "restoring much memory takes longer")
	}
	_, mode, _ := strings.Cut(string(b), "[")
	mode, _, _ = strings.Cut(mode, "]")
	if mode == "never" {
		return isLimited("transparent huge pages: never", "restoring much memory takes longer")
	}
	return isOK("transparent huge pages: " + mode)
}

func askOvercommit() state {
	b, err := os.ReadFile("/proc/sys/vm/overcommit_memory")
	if err != nil {
		return isLimited(err.Error(), "")
	}
	mode := strings.TrimSpace(string(b))
	if mode == "2" {
		return isLimited("vm.overcommit_memory 2", "programs that reserve much memory may find no room when they are restored")
	}
	return isOK("vm.overcommit_memory " + mode)
}
