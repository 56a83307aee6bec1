package image

import (
	"encoding/json"
	"slices"
	"time"

	"ckpt/internal/abi"
)

// ManifestVersion is the version this engine writes, and oldestVersion the first
// that it reads.
const (
	ManifestVersion = 3
	oldestVersion   = 2
)

// known tells whether images of a version can be read.
func known(version int) bool { return oldestVersion <= version && version <= ManifestVersion }

// Manifest is everything a checkpoint says that is neither memory nor
// registers. It is stored as JSON in the image's manifest note; bulk bytes
// (registers, XSAVE areas, auxv) have notes of their own and are marked
// `json:"-"` here. docs/image-format.md is its specification.
type Manifest struct {
	Version   int       `json:"version"`
	ID        string    `json:"id"` // 128 random bits, hexadecimal
	Created   time.Time `json:"created"`
	Engine    string    `json:"engine"`  // version of the ckpt that wrote it
	Trigger   string    `json:"trigger"` // TriggerCommand or TriggerSignal
	Host      Host      `json:"host"`
	Processes []Process `json:"processes"` // the root of the tree first, parents before children
	Objects   []Object  `json:"objects,omitempty"`
	// Ahead is where in the file memory was copied to before the processes were
	// frozen. The Writer fills it in.
	Ahead *Stretch   `json:"ahead,omitempty"`
	Files []OpenFile `json:"files"`

	// Parent is the image that has what this one keeps; nil: this one is
	// complete in itself.
	Parent *Parent `json:"parent,omitempty"`
	// Flattened is the seal of the incremental image that this one was made of:
	// it takes its place, also as a parent.
	Flattened string `json:"flattened,omitempty"`
}

// Parent names an image from which an incremental one goes on.
type Parent struct {
	ID   string `json:"id"`
	Seal string `json:"seal"` // Image.Seal
	Path string `json:"path"` // as seen from the directory of this image
}

// Object is shared memory that is in the image once, however many processes map
// it. Areas with its id are windows on it and have no content of their own.
type Object struct {
	ID   uint64 `json:"id"`   // the Area.Object of its areas
	Size uint64 `json:"size"` // bytes, whole pages
}

// What made the engine save.
const (
	TriggerCommand = "command" // ckpt save
	TriggerSignal  = "signal"  // the agent's signal handler
)

// Host describes where an image was made, as far as a restore has to compare
// it with where it runs.
type Host struct {
	Name     string `json:"name"`
	Kernel   string `json:"kernel"` // uname -r
	Arch     string `json:"arch"`   // GOARCH
	BootID   string `json:"boot_id"`
	PageSize int    `json:"page_size"`
	CPU      CPU    `json:"cpu"`
	Clocks   Clocks `json:"clocks"`
}

// CPU is what the saved code may have found out about its processor.
type CPU struct {
	Model     string   `json:"model"`
	Features  []string `json:"features"`   // as /proc/cpuinfo spells them, sorted
	XFeatures uint64   `json:"xfeatures"`  // XCR0
	XSaveSize int      `json:"xsave_size"` // bytes of an NT_X86_XSTATE register set

	// XSaveLayout says where the parts of Thread.XSave are. If it is nil, the
	// Writer fills in what this processor's CPUID says.
	XSaveLayout []XSaveComponent `json:"xsave_layout,omitempty"`
}

// Clocks are the clocks at the moment of the save as the program saw them, in
// nanoseconds, and what its time namespace had added to two of them.
type Clocks struct {
	Realtime        int64 `json:"realtime"`
	Monotonic       int64 `json:"monotonic"`
	Boottime        int64 `json:"boottime"`
	MonotonicOffset int64 `json:"monotonic_offset,omitempty"`
	BoottimeOffset  int64 `json:"boottime_offset,omitempty"`
}

// Process is one saved process.
type Process struct {
	PID     int      `json:"pid"`
	PPID    int      `json:"ppid"`
	PGID    int      `json:"pgid"`
	SID     int      `json:"sid"`
	Exe     string   `json:"exe"`
	Args    []string `json:"args"`
	Cwd     string   `json:"cwd"`
	Umask   int      `json:"umask"`
	Stopped bool     `json:"stopped,omitempty"` // was in a group stop

	// Untold is what its parent, if that is in the image, can still wait for, as
	// wait(2) gives it: that it has stopped, or goes on; 0: nothing.
	Untold int `json:"untold,omitempty"`
	// ParentThread is the thread of its parent whose child it is, if that is not
	// the leader (wait(2), __WNOTHREAD); else 0.
	ParentThread int `json:"parent_thread,omitempty"`

	// Zombie is a process that has ended, but that its parent has not waited
	// for: it has a dead thread, no memory and no descriptors.
	Zombie     bool `json:"zombie,omitempty"`
	ExitStatus int  `json:"exit_status,omitempty"` // of a zombie, as wait(2) gives it

	Shares      Shares       `json:"shares,omitzero"`
	Memory      Memory       `json:"memory"`
	Areas       []Area       `json:"areas"`
	Threads     []Thread     `json:"threads"` // the leader first
	Descriptors []Descriptor `json:"descriptors"`
	Signals     Signals      `json:"signals"`
	Timers      Timers       `json:"timers"`
	Limits      []Rlimit     `json:"limits"` // indexed by RLIMIT_*
	Attributes  Attributes   `json:"attributes"`
	Credentials Credentials  `json:"credentials"`

	Auxv []byte `json:"-"` // NT_AUXV
}

// Shares are the ids of processes, earlier in the image, with which a process
// has something in common that is not copied by fork(2); 0 is none. See clone(2).
type Shares struct {
	Memory      int `json:"memory,omitempty"`      // CLONE_VM: its areas are listed there only
	Descriptors int `json:"descriptors,omitempty"` // CLONE_FILES: and its descriptors
	FS          int `json:"fs,omitempty"`          // CLONE_FS: working directory and umask
}

// HasDescriptor tells whether a descriptor of the process refers to the open file.
func (p *Process) HasDescriptor(id int) bool {
	return slices.ContainsFunc(p.Descriptors, func(d Descriptor) bool { return d.File == id })
}

// HasFile tells whether a descriptor or an area of the process refers to the
// open file.
func (p *Process) HasFile(id int) bool {
	return p.HasDescriptor(id) ||
		slices.ContainsFunc(p.Areas, func(a Area) bool { return a.File == id })
}

// Memory holds the bounds that prctl(PR_SET_MM_MAP) takes; see struct
// prctl_mm_map in include/uapi/linux/prctl.h.
type Memory struct {
	StartCode  Addr `json:"start_code"`
	EndCode    Addr `json:"end_code"`
	StartData  Addr `json:"start_data"`
	EndData    Addr `json:"end_data"`
	StartBrk   Addr `json:"start_brk"`
	Brk        Addr `json:"brk"`
	StartStack Addr `json:"start_stack"`
	ArgStart   Addr `json:"arg_start"`
	ArgEnd     Addr `json:"arg_end"`
	EnvStart   Addr `json:"env_start"`
	EnvEnd     Addr `json:"env_end"`
}

// Thread is one saved thread.
type Thread struct {
	TID int `json:"tid"`
	// Dead is a leader that has ended while other threads run: it has no
	// registers, but its id is the process's.
	Dead       bool           `json:"dead,omitempty"`
	Comm       string         `json:"comm"`
	SigMask    uint64         `json:"sig_mask"`
	Pending    [][]byte       `json:"pending,omitempty"` // siginfo_t, sent to this thread
	AltStack   abi.StackT     `json:"alt_stack"`
	TIDAddress Addr           `json:"tid_address"` // set_tid_address(2)
	RobustList RobustList     `json:"robust_list"`
	Rseq       abi.RseqConfig `json:"rseq"`
	Nice       int            `json:"nice"`
	PDeathSig  int            `json:"pdeathsig,omitempty"`
	TimerSlack uint64         `json:"timer_slack"` // ns
	Policy     int            `json:"policy"`
	Priority   int            `json:"priority,omitempty"`
	Affinity   []uint64       `json:"affinity,omitempty"` // CPU mask words
	IOPrio     int            `json:"io_prio,omitempty"`  // ioprio_get(2)

	// RestOfSleep says that the registers are about to begin a nanosleep(2) or
	// relative clock_nanosleep(2) anew of which only the rest is to be slept:
	// it stands where the call's pointer for the remainder says.
	RestOfSleep bool `json:"rest_of_sleep,omitempty"`

	Regs  abi.Regs `json:"-"` // NT_PRSTATUS; as they must be when it runs again
	XSave []byte   `json:"-"` // the bytes of NT_X86_XSTATE as the saving kernel gave them
}

// RobustList is what get_robust_list(2) tells.
type RobustList struct {
	Head Addr   `json:"head"`
	Size uint64 `json:"size"`
}

// Signals are the actions and signals that belong to a process as a whole.
type Signals struct {
	Actions map[int]abi.SigAction `json:"actions"`           // those that are not the default
	Pending [][]byte              `json:"pending,omitempty"` // siginfo_t, sent to the process
}

// Timers are a process's interval and POSIX timers with the time they had left.
type Timers struct {
	Interval [3]IntervalTimer `json:"interval"` // indexed by ITIMER_*
	POSIX    []POSIXTimer     `json:"posix,omitempty"`
}

// IntervalTimer is a setitimer(2) timer, in microseconds; Value 0 is disarmed.
type IntervalTimer struct {
	Interval int64 `json:"interval"`
	Value    int64 `json:"value"`
}

// POSIXTimer is a timer_create(2) timer, times in nanoseconds.
type POSIXTimer struct {
	ID       int    `json:"id"`
	Clock    int    `json:"clock"`
	Notify   int    `json:"notify"` // SIGEV_*, with SIGEV_THREAD_ID
	Signal   int    `json:"signal"`
	SigValue uint64 `json:"sigval"`
	TID      int    `json:"tid,omitempty"` // for SIGEV_THREAD_ID
	Interval int64  `json:"interval"`
	Value    int64  `json:"value"` // time left; 0 is disarmed
	Overrun  int    `json:"overrun,omitempty"`
}

// Rlimit is one resource limit; see getrlimit(2).
type Rlimit struct {
	Cur uint64 `json:"cur"`
	Max uint64 `json:"max"`
}

// Attributes are the small settings of a process, mostly prctl(2)'s.
type Attributes struct {
	Personality uint32 `json:"personality"`
	Dumpable    int    `json:"dumpable"`
	Subreaper   bool   `json:"subreaper,omitempty"`
	NoNewPrivs  bool   `json:"no_new_privs,omitempty"`
	KeepCaps    bool   `json:"keep_caps,omitempty"`
	THPDisable  bool   `json:"thp_disable,omitempty"`
	OOMScoreAdj int    `json:"oom_score_adj"`
}

// Credentials are the ids and capabilities of a process.
type Credentials struct {
	UID         [4]int `json:"uid"` // real, effective, saved, filesystem
	GID         [4]int `json:"gid"`
	Groups      []int  `json:"groups,omitempty"`
	Inheritable uint64 `json:"cap_inheritable"`
	Permitted   uint64 `json:"cap_permitted"`
	Effective   uint64 `json:"cap_effective"`
	Bounding    uint64 `json:"cap_bounding"`
	Ambient     uint64 `json:"cap_ambient"`
	Seccomp     int    `json:"seccomp"`
}

// Descriptor is one file descriptor number and the open file it refers to.
// Descriptors that name the same File share one open file description.
type Descriptor struct {
	FD          int  `json:"fd"`
	File        int  `json:"file"` // OpenFile.ID
	CloseOnExec bool `json:"cloexec,omitempty"`
}

// OpenFile is one open file description (open(2)). Files that only a memory
// mapping refers to have an entry but no Descriptor.
type OpenFile struct {
	ID     int             `json:"id"`   // its index in Manifest.Files
	Kind   string          `json:"kind"` // the name of its kind; see package kind
	Path   string          `json:"path"` // as /proc/PID/fd/N shows it
	Flags  int             `json:"flags"`
	Pos    int64           `json:"pos"`
	Owner  *FileOwner      `json:"owner,omitempty"`
	Locks  []FileLock      `json:"locks,omitempty"`
	Detail json.RawMessage `json:"detail,omitempty"` // what only the kind understands

	// InFlight says that no descriptor refers to it, but one waits in a unix
	// socket to be received (SCM_RIGHTS).
	InFlight bool `json:"in_flight,omitempty"`
}

// FileOwner is who gets SIGIO: fcntl(2) F_SETOWN_EX and F_SETSIG.
type FileOwner struct {
	Type   int `json:"type"` // F_OWNER_*
	PID    int `json:"pid"`
	Signal int `json:"signal,omitempty"`
}

// FileLock is one lock held through an open file or by the process on it.
type FileLock struct {
	Type  string `json:"type"`  // "FLOCK", "POSIX" or "OFDLCK", as in /proc/locks
	Write bool   `json:"write"` // exclusive
	Start int64  `json:"start"`
	End   int64  `json:"end"` // last byte; -1 is to the end of the file

	// PID is the process that has a POSIX lock; 0 is unknown.
	PID int `json:"pid,omitempty"`
}

// PayloadRef names bytes in the image's payload area: bulk content that is not
// memory (deleted files, pipe queues). Size is the logical length; bytes of
// [0, Size) that no extent covers are zero.
type PayloadRef struct {
	Size    int64           `json:"size"`
	Extents []PayloadExtent `json:"extents,omitempty"`
}

// PayloadExtent says that the logical bytes [Off, Off+Len) of a payload are at
// Pos in the image file.
type PayloadExtent struct {
	Off int64 `json:"off"`
	Len int64 `json:"len"`
	Pos int64 `json:"pos"`
}
