package emit

//lint:file-ignore U1000 agent_amd64.s uses what Go does not

// agentExact says when executing a system call again, with the registers that
// it left behind, gives the program what it would have got had our signal not
// interrupted it: if (Arg ^ Same) & Mask is Value. Calls with several rows need
// only one of them to hold. It is read with C layout and has no padding.
type agentExact struct {
	Call  uint32 // its number
	Arg   uint32 // offset of a register in struct ucontext; 0 is the personality
	Same  uint32 // offset of a register to compare it with, or 0
	_     uint32
	Mask  uint64
	Value uint64
}

// Offsets in struct ucontext (arch/x86/include/uapi/asm/sigcontext.h).
const (
	agentR8  = 40
	agentR10 = 56
	agentRDI = 104
	agentRSI = 112
	agentRDX = 136
)

// stickyTimeouts is STICKY_TIMEOUTS of personality(2): time limits stay as
// they are.
const stickyTimeouts = 0x4000000

const agentExactRows = 23

// agentExactCalls are the calls that signal(7) lists as never restarted, as far
// as the time they wait ends at a moment, never, or after what they have
// written back of it. Not here are those with a time limit of which nobody
// knows the rest (poll, epoll_wait, FUTEX_WAIT, sockets with SO_RCVTIMEO):
// begun anew by each of many saves in a row they would never end.
var agentExactCalls = [agentExactRows]agentExact{
	{Call: 34},  // pause
	{Call: 130}, // rt_sigsuspend; the frame has the mask it found, it sets its own again
	{Call: 65},  // semop
	{Call: 69},  // msgsnd
	{Call: 70},  // msgrcv

	// No time limit.
	noLimit(23, agentR8),    // select
	noLimit(128, agentRDX),  // rt_sigtimedwait
	noLimit(208, agentR8),   // io_getevents
	noLimit(220, agentR10),  // semtimedop
	noLimit(270, agentR8),   // pselect6
	noLimit(271, agentRDX),  // ppoll
	noLimit(333, agentR8),   // io_pgetevents
	noLimit(441, agentR10),  // epoll_pwait2
	negative(7, agentRDX),   // poll
	negative(232, agentR10), // epoll_wait
	negative(281, agentR10), // epoll_pwait

	// The rest stands where the limit stood. (fs/select.c,
	// poll_select_finish: not with STICKY_TIMEOUTS. Nor where the limit can
	// not be written to, which nobody does who writes the call inline: libcs
	// copy it to the stack.)
	{Call: 23, Mask: stickyTimeouts},
	{Call: 270, Mask: stickyTimeouts},
	{Call: 271, Mask: stickyTimeouts},
	{Call: 35, Arg: agentRDI, Same: agentRSI, Mask: ^uint64(0)},  // nanosleep(t, t): sleep(3)
	{Call: 230, Arg: agentRDX, Same: agentR10, Mask: ^uint64(0)}, // clock_nanosleep(.., t, t)

	// The limit is a moment: TIMER_ABSTIME, FUTEX_WAIT_BITSET.
	{Call: 230, Arg: agentRSI, Mask: 1, Value: 1},
	{Call: 202, Arg: agentRSI, Mask: 0x7f, Value: 9}, // without PRIVATE and CLOCK_REALTIME
}

// noLimit is a call whose time limit is a pointer.
func noLimit(call uint32, arg uint32) agentExact {
	return agentExact{Call: call, Arg: arg, Mask: ^uint64(0)}
}

// negative is a call whose time limit is an int.
func negative(call uint32, arg uint32) agentExact {
	return agentExact{Call: call, Arg: arg, Mask: 1 << 31, Value: 1 << 31}
}
