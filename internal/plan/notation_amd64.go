package plan

import (
	"sync"

	"ckpt/internal/abi"
)

// notations says how the arguments of the system calls that plans are made of
// are printed. The others are printed as numbers. (The man page of each.) It is
// made when it is needed: most runs of ckpt print no plan.
var notations = sync.OnceValue(func() map[uint32][]argKind {
	// include/uapi/asm-generic/fcntl.h. The EFD_, SFD_, SOCK_ and TFD_ flags
	// have the values of the O_ flags.
	statusFlags := []flag{
		{0o100, "O_CREAT"},
		{0o200, "O_EXCL"},
		{0o400, "O_NOCTTY"},
		{0o1000, "O_TRUNC"},
		{0o2000, "O_APPEND"},
		{0o4000, "O_NONBLOCK"},
		{0o4010000, "O_SYNC"},
		{0o10000, "O_DSYNC"},
		{0o40000, "O_DIRECT"},
		{0o100000, "O_LARGEFILE"},
		{0o20200000, "O_TMPFILE"},
		{0o200000, "O_DIRECTORY"},
		{0o400000, "O_NOFOLLOW"},
		{0o1000000, "O_NOATIME"},
		{0o2000000, "O_CLOEXEC"},
		{0o10000000, "O_PATH"},
	}
	openFlags := flags(append([]flag{{0, "O_RDONLY"}, {1, "O_WRONLY"}, {2, "O_RDWR"}}, statusFlags...)...)
	fdFlags := flags(statusFlags...)

	// include/uapi/linux/fcntl.h and asm-generic/fcntl.h.
	fcntlCommands := choice(
		flag{0, "F_DUPFD"}, flag{1, "F_GETFD"}, flag{2, "F_SETFD"}, flag{3, "F_GETFL"}, flag{4, "F_SETFL"},
		flag{5, "F_GETLK"}, flag{6, "F_SETLK"}, flag{7, "F_SETLKW"}, flag{8, "F_SETOWN"}, flag{9, "F_GETOWN"},
		flag{10, "F_SETSIG"}, flag{11, "F_GETSIG"}, flag{15, "F_SETOWN_EX"}, flag{16, "F_GETOWN_EX"},
		flag{36, "F_OFD_GETLK"}, flag{37, "F_OFD_SETLK"}, flag{38, "F_OFD_SETLKW"},
		flag{1024, "F_SETLEASE"}, flag{1030, "F_DUPFD_CLOEXEC"}, flag{1031, "F_SETPIPE_SZ"}, flag{1033, "F_ADD_SEALS"})

	// include/uapi/asm-generic/mman-common.h and mman.h.
	protection := flags(
		flag{0, "PROT_NONE"}, flag{1, "PROT_READ"}, flag{2, "PROT_WRITE"}, flag{4, "PROT_EXEC"},
		flag{0x1000000, "PROT_GROWSDOWN"})
	mapFlags := flags(
		flag{3, "MAP_SHARED_VALIDATE"}, flag{1, "MAP_SHARED"}, flag{2, "MAP_PRIVATE"}, flag{0x10, "MAP_FIXED"},
		flag{0x20, "MAP_ANONYMOUS"}, flag{0x40, "MAP_32BIT"}, flag{0x100, "MAP_GROWSDOWN"},
		flag{0x2000, "MAP_LOCKED"}, flag{0x4000, "MAP_NORESERVE"}, flag{0x8000, "MAP_POPULATE"},
		flag{0x20000, "MAP_STACK"}, flag{0x40000, "MAP_HUGETLB"}, flag{0x80000, "MAP_SYNC"},
		flag{0x100000, "MAP_FIXED_NOREPLACE"})
	advice := choice(
		flag{0, "MADV_NORMAL"}, flag{1, "MADV_RANDOM"}, flag{2, "MADV_SEQUENTIAL"}, flag{3, "MADV_WILLNEED"},
		flag{4, "MADV_DONTNEED"}, flag{8, "MADV_FREE"}, flag{10, "MADV_DONTFORK"}, flag{11, "MADV_DOFORK"},
		flag{12, "MADV_MERGEABLE"}, flag{13, "MADV_UNMERGEABLE"}, flag{14, "MADV_HUGEPAGE"},
		flag{15, "MADV_NOHUGEPAGE"}, flag{16, "MADV_DONTDUMP"}, flag{17, "MADV_DODUMP"},
		flag{18, "MADV_WIPEONFORK"}, flag{19, "MADV_KEEPONFORK"}, flag{22, "MADV_POPULATE_READ"},
		flag{23, "MADV_POPULATE_WRITE"}, flag{25, "MADV_COLLAPSE"}, flag{102, "MADV_GUARD_INSTALL"}, flag{103, "MADV_GUARD_REMOVE"})

	// include/uapi/linux/prctl.h.
	prctlOptions := choice(
		flag{1, "PR_SET_PDEATHSIG"}, flag{4, "PR_SET_DUMPABLE"}, flag{8, "PR_SET_KEEPCAPS"}, flag{15, "PR_SET_NAME"},
		flag{22, "PR_SET_SECCOMP"}, flag{24, "PR_CAPBSET_DROP"}, flag{26, "PR_SET_TSC"}, flag{28, "PR_SET_SECUREBITS"},
		flag{29, "PR_SET_TIMERSLACK"}, flag{33, "PR_MCE_KILL"}, flag{35, "PR_SET_MM"}, flag{36, "PR_SET_CHILD_SUBREAPER"},
		flag{38, "PR_SET_NO_NEW_PRIVS"}, flag{41, "PR_SET_THP_DISABLE"}, flag{47, "PR_CAP_AMBIENT"},
		flag{53, "PR_SET_SPECULATION_CTRL"}, flag{57, "PR_SET_IO_FLUSHER"}, flag{59, "PR_SET_SYSCALL_USER_DISPATCH"},
		flag{62, "PR_SCHED_CORE"}, flag{65, "PR_SET_MDWE"}, flag{67, "PR_SET_MEMORY_MERGE"},
		flag{77, "PR_TIMER_CREATE_RESTORE_IDS"},
		flag{0x53564d41, "PR_SET_VMA"}, flag{0x59616d61, "PR_SET_PTRACER"})

	// include/uapi/linux/sched.h; the low byte is the exit signal.
	cloneFlags := flags(
		flag{0x100, "CLONE_VM"}, flag{0x200, "CLONE_FS"}, flag{0x400, "CLONE_FILES"}, flag{0x800, "CLONE_SIGHAND"},
		flag{0x4000, "CLONE_VFORK"}, flag{0x8000, "CLONE_PARENT"}, flag{0x10000, "CLONE_THREAD"},
		flag{0x40000, "CLONE_SYSVSEM"}, flag{0x80000, "CLONE_SETTLS"}, flag{0x100000, "CLONE_PARENT_SETTID"},
		flag{0x200000, "CLONE_CHILD_CLEARTID"}, flag{0x1000000, "CLONE_CHILD_SETTID"})

	// include/uapi/asm-generic/resource.h.
	resources := choice(
		flag{0, "RLIMIT_CPU"}, flag{1, "RLIMIT_FSIZE"}, flag{2, "RLIMIT_DATA"}, flag{3, "RLIMIT_STACK"},
		flag{4, "RLIMIT_CORE"}, flag{5, "RLIMIT_RSS"}, flag{6, "RLIMIT_NPROC"}, flag{7, "RLIMIT_NOFILE"},
		flag{8, "RLIMIT_MEMLOCK"}, flag{9, "RLIMIT_AS"}, flag{10, "RLIMIT_LOCKS"}, flag{11, "RLIMIT_SIGPENDING"},
		flag{12, "RLIMIT_MSGQUEUE"}, flag{13, "RLIMIT_NICE"}, flag{14, "RLIMIT_RTPRIO"}, flag{15, "RLIMIT_RTTIME"})

	// include/uapi/linux/time.h.
	clocks := choice(
		flag{0, "CLOCK_REALTIME"}, flag{1, "CLOCK_MONOTONIC"}, flag{2, "CLOCK_PROCESS_CPUTIME_ID"},
		flag{3, "CLOCK_THREAD_CPUTIME_ID"}, flag{4, "CLOCK_MONOTONIC_RAW"}, flag{7, "CLOCK_BOOTTIME"},
		flag{8, "CLOCK_REALTIME_ALARM"}, flag{9, "CLOCK_BOOTTIME_ALARM"}, flag{11, "CLOCK_TAI"})

	return map[uint32][]argKind{
		abi.SysRead:           {fd, address, number},
		abi.SysWrite:          {fd, buffer, number},
		abi.SysPread64:        {fd, address, number, hex},
		abi.SysPwrite64:       {fd, buffer, number, hex},
		abi.SysOpen:           {text, openFlags, octal},
		abi.SysOpenat:         {fd, text, openFlags, octal},
		abi.SysClose:          {fd},
		abi.SysCloseRange:     {fd, fd, flags(flag{2, "CLOSE_RANGE_UNSHARE"}, flag{4, "CLOSE_RANGE_CLOEXEC"})},
		abi.SysLseek:          {fd, number, choice(flag{0, "SEEK_SET"}, flag{1, "SEEK_CUR"}, flag{2, "SEEK_END"})},
		abi.SysDup:            {fd},
		abi.SysDup2:           {fd, fd},
		abi.SysDup3:           {fd, fd, fdFlags},
		abi.SysFcntl:          {fd, fcntlCommands, hex},
		abi.SysIoctl:          {fd, hex, hex},
		abi.SysPipe2:          {address, fdFlags},
		abi.SysEventfd2:       {number, fdFlags},
		abi.SysSignalfd4:      {fd, structure(8), number, fdFlags},
		abi.SysEpollCtl:       {fd, choice(flag{1, "EPOLL_CTL_ADD"}, flag{2, "EPOLL_CTL_DEL"}, flag{3, "EPOLL_CTL_MOD"}), fd, structure(12)},
		abi.SysTimerfdSettime: {fd, hex, structure(32), address},
		abi.SysChdir:          {text},
		abi.SysFchdir:         {fd},
		abi.SysChroot:         {text},
		abi.SysUmask:          {octal},

		abi.SysMmap:     {address, number, protection, mapFlags, fd, hex},
		abi.SysMunmap:   {address, number},
		abi.SysMprotect: {address, number, protection},
		abi.SysMremap:   {address, number, number, flags(flag{1, "MREMAP_MAYMOVE"}, flag{2, "MREMAP_FIXED"}, flag{4, "MREMAP_DONTUNMAP"}), address},
		abi.SysMadvise:  {address, number, advice},
		abi.SysMlock2:   {address, number, flags(flag{1, "MLOCK_ONFAULT"})},
		abi.SysBrk:      {address},
		abi.SysShmat:    {number, address, hex},

		abi.SysArchPrctl:        {choice(flag{0x1001, "ARCH_SET_GS"}, flag{0x1002, "ARCH_SET_FS"}), address},
		abi.SysPrctl:            {prctlOptions, textOrHex, hex, hex, textOrHex},
		abi.SysPrlimit64:        {number, resources, structure(16), address},
		abi.SysPersonality:      {hex},
		abi.SysRseq:             {address, number, hex, hex},
		abi.SysSetTidAddress:    {address},
		abi.SysSetRobustList:    {address, number},
		abi.SysSigaltstack:      {structure(24), address},
		abi.SysRtSigaction:      {number, structure(32), address, number},
		abi.SysRtSigprocmask:    {choice(flag{0, "SIG_BLOCK"}, flag{1, "SIG_UNBLOCK"}, flag{2, "SIG_SETMASK"}), structure(8), address, number},
		abi.SysRtSigqueueinfo:   {number, number, structure(abi.SiginfoSize)},
		abi.SysRtTgsigqueueinfo: {number, number, number, structure(abi.SiginfoSize)},
		abi.SysSetitimer:        {choice(flag{0, "ITIMER_REAL"}, flag{1, "ITIMER_VIRTUAL"}, flag{2, "ITIMER_PROF"}), structure(32), address},
		abi.SysTimerCreate:      {clocks, structure(64), address},
		abi.SysTimerSettime:     {number, flags(flag{1, "TIMER_ABSTIME"}), structure(32), address},
		abi.SysTimerDelete:      {number},

		abi.SysClone:  {cloneFlags, address, address, address, address},
		abi.SysClone3: {structure(88), number},
		abi.SysTgkill: {number, number, number},
		abi.SysExit:   {number},

		abi.SysGetpid:    {},
		abi.SysGettid:    {},
		abi.SysSetsid:    {},
		abi.SysSetpgid:   {number, number},
		abi.SysExitGroup: {number},
	}
})
