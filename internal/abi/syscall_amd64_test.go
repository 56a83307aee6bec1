package abi

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestSyscallNumbers compares a few numbers from all over the table with those
// of x/sys.
func TestSyscallNumbers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ours   uint32
		theirs uint32
		name   string
	}{
		{SysRead, unix.SYS_READ, "read"},
		{SysMremap, unix.SYS_MREMAP, "mremap"},
		{SysRtSigaction, unix.SYS_RT_SIGACTION, "rt_sigaction"},
		{SysPrctl, unix.SYS_PRCTL, "prctl"},
		{SysArchPrctl, unix.SYS_ARCH_PRCTL, "arch_prctl"},
		{SysSetRobustList, unix.SYS_SET_ROBUST_LIST, "set_robust_list"},
		{SysPrlimit64, unix.SYS_PRLIMIT64, "prlimit64"},
		{SysRseq, unix.SYS_RSEQ, "rseq"},
		{SysClone3, unix.SYS_CLONE3, "clone3"},
		{SysSetMempolicyHomeNode, unix.SYS_SET_MEMPOLICY_HOME_NODE, "set_mempolicy_home_node"},
		{SysCachestat, unix.SYS_CACHESTAT, "cachestat"},
		{SysMseal, unix.SYS_MSEAL, "mseal"},
		{SysOpenTreeAttr, unix.SYS_OPEN_TREE_ATTR, "open_tree_attr"},
	} {
		if c.ours != c.theirs || SyscallName(c.ours) != c.name {
			t.Errorf("%s: got %d, %q, want %d", c.name, c.ours, SyscallName(c.ours), c.theirs)
		}
	}
	for _, nr := range []uint32{335, 423, 1000, 1<<32 - 1} {
		if name := SyscallName(nr); name != "" {
			t.Errorf("%d: got %q", nr, name)
		}
	}
}
