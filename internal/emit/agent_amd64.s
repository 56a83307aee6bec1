#include "go_asm.h"
#include "textflag.h"

// The text of libckpt.so. From agentInit to agentEnd it is one block that is
// copied into the library as it stands; it names nothing outside itself but
// agentConst and agentData (agent_layout_amd64.go). It runs in other people's
// programs, on their threads: raw system calls only, so that errno, the
// allocator and every lock stay as they are, and whatever fails, the program
// goes on.
//
// It is one long file because the linker keeps the order of functions within
// a file only.

#define SYS_read          0
#define SYS_write         1
#define SYS_open          2
#define SYS_close         3
#define SYS_mmap          9
#define SYS_munmap        11
#define SYS_rt_sigaction  13
#define SYS_rt_sigprocmask 14
#define SYS_rt_sigreturn  15
#define SYS_getpid        39
#define SYS_clone         56
#define SYS_execve        59
#define SYS_wait4         61
#define SYS_rt_sigpending 127
#define SYS_personality   135
#define SYS_prctl         157
#define SYS_exit_group    231
#define SYS_dup3          292
#define SYS_close_range   436

#define EINTR  4
#define ECHILD 10

#define O_CLOEXEC         0x80000
#define PROT_RW           3    // PROT_READ|PROT_WRITE
#define MAP_PRIVATE_ANON  0x22 // MAP_PRIVATE|MAP_ANONYMOUS
#define MAP_NORESERVE     0x4000
#define SIG_BLOCK         0
#define SIG_UNBLOCK       1
#define SIG_SETMASK       2
#define SA_FLAGS          0x1c000004 // SA_SIGINFO|SA_RESTORER|SA_ONSTACK|SA_RESTART
#define CLONE_VM          0x100
#define CLONE_FILES       0x400
#define CLONE_VFORK       0x4000
#define CLONE_PARENT_SETTID 0x100000
#define SIGCHLD           17
#define CLOSE_RANGE_UNSHARE 2
#define TABLE_SIZE        1024 // the usual limit
#define WALL              0x40000000
#define PR_SET_PTRACER    0x59616d61
#define PR_GET_CHILD_SUBREAPER 37
#define SI_USER           0
#define SI_QUEUE          -1
#define SI_TKILL          -6
#define CLD_CONTINUED     6 // the last of those that tell of a child, from 1

// Where the kernel puts them in the frame of a handler: struct rt_sigframe in
// arch/x86/include/asm/sigframe.h, struct ucontext in uapi/asm/ucontext.h. The
// prologue has pushed RBP, and the return address is before the ucontext.
#define UCONTEXT(BP)      16(BP)
#define UC_RAX            144
#define UC_RCX            152
#define UC_RIP            168
#define UC_SIGMASK        296

// Where siginfo_t has them (uapi/asm-generic/siginfo.h).
#define SI_CODE(R)        8(R)
#define SI_PID(R)         16(R)

#define ENVIRON_MAX       (8<<20) // above what execve allows: 3/4 of the 8 MiB _STK_LIM

// The three kinds of memory beside the stack.
#define CONST(field)   ·agentInit+(const_agentConstDist+field)(SB)
#define DATA(field)    ·agentInit+(const_agentDataDist+field)(SB)
#define SCRATCH(field) (field)(BX)
#define ENGINE         ·agentInit+(const_agentEngineDist)(SB)

// agentInit is the library's DT_INIT. glibc calls it with argc, argv, envp;
// musl with whatever the registers hold. C calling convention.
//
//	R12 next free slot of agentData.Env    R13 next free byte of EnvBytes
//	R14 the value of CKPT_SIGNAL or NULL   R15 1: a variable did not fit
//	BX  cursor, then the memory to unmap at the end or NULL
TEXT ·agentInit(SB), NOSPLIT|NOFRAME, $0-0
	PUSHQ BP
	MOVQ SP, BP
	PUSHQ BX
	PUSHQ R12
	PUSHQ R13
	PUSHQ R14
	PUSHQ R15
	SUBQ $40, SP
	LEAQ DATA(agentData_Env), R12
	LEAQ DATA(agentData_EnvBytes), R13
	XORL R14, R14
	XORL R15, R15

	// envp is believed if it stands right behind argv, as execve lays it out.
	MOVLQSX DI, DI
	LEAQ 8(SI)(DI*8), AX
	CMPQ AX, DX
	JNE fromproc
	MOVQ DX, BX
nextvar:
	MOVQ (BX), SI
	TESTQ SI, SI
	JZ listed
	ADDQ $8, BX
	CALL ·agentTake(SB)
	JMP nextvar
listed:
	XORL BX, BX
	JMP chosen

fromproc:
	CALL ·agentEnviron(SB)

chosen:
	TESTL R15, R15
	JZ fitted
	LEAQ CONST(agentConst_BadEnv), SI
	CALL ·agentSay(SB)
fitted:
	MOVL $const_agentDefaultSignal, R12
	TESTQ R14, R14
	JZ install
	CMPB (R14), $0
	JEQ install
	MOVQ R14, SI
	CALL ·agentSignal(SB)
	TESTL AX, AX
	JZ done
	JS bad
	MOVL AX, R12
	JMP install
bad:
	LEAQ CONST(agentConst_BadSignal1), SI
	CALL ·agentSay(SB)
	MOVQ R14, SI
	CALL ·agentSay(SB)
	LEAQ CONST(agentConst_BadSignal2), SI
	CALL ·agentSay(SB)

	// Everything is masked in the handler: a handler of the program must not
	// run on top of it, least of all in the middle child, whose memory is
	// the program's.
install:
	LEAQ ·agentHandler(SB), AX
	MOVQ AX, 0(SP)
	MOVQ $SA_FLAGS, 8(SP)
	LEAQ ·agentRestore(SB), AX
	MOVQ AX, 16(SP)
	MOVQ $-1, 24(SP)
	MOVL R12, DI
	MOVQ SP, SI
	XORL DX, DX
	MOVL $8, R10
	MOVL $SYS_rt_sigaction, AX
	SYSCALL
	TESTQ AX, AX
	JNZ done

	// The mask is inherited over execve: the signal may be blocked.
	LEAL -1(R12), CX
	MOVL $1, AX
	SHLQ CX, AX
	MOVQ AX, 0(SP)
	MOVL $SIG_UNBLOCK, DI
	MOVQ SP, SI
	XORL DX, DX
	MOVL $8, R10
	MOVL $SYS_rt_sigprocmask, AX
	SYSCALL
done:
	TESTQ BX, BX
	JZ return
	MOVQ BX, DI
	MOVL $ENVIRON_MAX, SI
	MOVL $SYS_munmap, AX
	SYSCALL
return:
	ADDQ $40, SP
	POPQ R15
	POPQ R14
	POPQ R13
	POPQ R12
	POPQ BX
	POPQ BP
	RET

// agentEnviron takes the variables from /proc/self/environ, where envp is not
// to be had. In: R12 to R15 as in agentInit. Out: BX is the memory, of
// ENVIRON_MAX bytes, that R14 may point into, or NULL.
TEXT ·agentEnviron(SB), NOSPLIT|NOFRAME, $0-0
	PUSHQ R12
	XORL BX, BX
	LEAQ CONST(agentConst_EnvironPath), DI
	MOVL $O_CLOEXEC, SI
	XORL DX, DX
	MOVL $SYS_open, AX
	SYSCALL
	TESTQ AX, AX
	JS none
	MOVQ AX, R12
	XORL DI, DI
	MOVL $ENVIRON_MAX, SI
	MOVL $PROT_RW, DX
	MOVL $(MAP_PRIVATE_ANON|MAP_NORESERVE), R10
	MOVQ $-1, R8
	XORL R9, R9
	MOVL $SYS_mmap, AX
	SYSCALL
	CMPQ AX, $-4095
	JAE close
	MOVQ AX, BX
	MOVQ BX, R9 // end of what was read
more:
	// The last byte stays zero and ends the last string.
	MOVL R12, DI
	MOVQ R9, SI
	LEAQ (ENVIRON_MAX-1)(BX), DX
	SUBQ R9, DX
	MOVL $SYS_read, AX
	SYSCALL
	TESTQ AX, AX
	JLE close
	ADDQ AX, R9
	JMP more
close:
	MOVL R12, DI
	MOVL $SYS_close, AX
	SYSCALL
none:
	POPQ R12
	MOVQ BX, R10 // cursor
	TESTQ BX, BX
	JZ end
next:
	CMPQ R10, R9
	JAE end
	MOVQ R10, SI
	CALL ·agentTake(SB)
skip:
	MOVBLZX (R10), AX
	INCQ R10
	TESTL AX, AX
	JNZ skip
	JMP next
end:
	RET

// agentTake copies the variable at SI into agentData if its name begins with
// CKPT_, and points R14 at the value if it is CKPT_SIGNAL. In and out: R12 to
// R15 as in agentInit. Changes AX, CX, DI, SI.
TEXT ·agentTake(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ SI, CX
	LEAQ CONST(agentConst_Ours), DI
	CALL ·agentPrefix(SB)
	JNE ret
	LEAQ CONST(agentConst_SignalVar), DI
	CALL ·agentPrefix(SB)
	JNE copy
	MOVQ SI, R14
copy:
	// The slot behind the last one stays NULL.
	LEAQ DATA(agentData_Env+8*const_agentEnvSlots), AX
	CMPQ R12, AX
	JAE toomuch
	LEAQ DATA(agentData_EnvBytes+const_agentEnvBytes), DI
	MOVQ R13, SI
byte:
	CMPQ SI, DI
	JAE toomuch
	MOVBLZX (CX), AX
	MOVB AX, (SI)
	INCQ CX
	INCQ SI
	TESTL AX, AX
	JNZ byte
	MOVQ R13, (R12)
	ADDQ $8, R12
	MOVQ SI, R13
ret:
	RET
toomuch:
	MOVL $1, R15
	RET

// agentPrefix says whether the string SI begins with the string DI (flag Z);
// if so, SI moves behind it. Changes AX, DI, and SI where the answer is no.
TEXT ·agentPrefix(SB), NOSPLIT|NOFRAME, $0-0
next:
	MOVBLZX (DI), AX
	TESTL AX, AX
	JZ ret
	CMPB AX, (SI)
	JNE ret
	INCQ DI
	INCQ SI
	JMP next
ret:
	RET

// agentSignal makes a signal number of the string SI, "10", "USR1" or
// "SIGUSR1", in any case. Out: AX, 0 for "0" and "none", -1 for what is no
// signal or one that must not be taken. Changes CX, DX, SI, R8.
TEXT ·agentSignal(SB), NOSPLIT|NOFRAME, $0-0
	XORL AX, AX
	MOVBLZX (SI), CX
	SUBL $'0', CX
	CMPL CX, $9
	JA name
digit:
	IMULL $10, AX
	ADDL CX, AX
	CMPL AX, $64
	JGT bad
	INCQ SI
	MOVBLZX (SI), CX
	TESTL CX, CX
	JZ number
	SUBL $'0', CX
	CMPL CX, $9
	JBE digit
	JMP bad

	// Names are compared as numbers, big endian: none has over seven letters,
	// and what is longer has a letter in the eighth place.
name:
	XORL R8, R8
letter:
	MOVBLZX (SI), CX
	TESTL CX, CX
	JZ lookup
	INCQ SI
	CMPL CX, $'a'
	JB upper
	SUBL $('a'-'A'), CX
upper:
	SHLQ $8, R8
	ORQ CX, R8
	CMPQ R8, $0x534947 // "SIG"
	JNE letter
	XORL R8, R8
	JMP letter
lookup:
	TESTQ R8, R8
	JZ bad
	LEAQ CONST(agentConst_Names), DX
again:
	CMPQ R8, (DX)(AX*8)
	JEQ number
	INCL AX
	CMPL AX, $32
	JB again
bad:
	MOVL $-1, AX
	RET

number:
	TESTL AX, AX
	JZ ret
	LEAL -1(AX), CX
	MOVQ CONST(agentConst_Usable), DX
	BTQ CX, DX
	JCC bad
ret:
	RET

// agentHandler is the signal handler. Its prologue is the one that gdb walks
// back through. It keeps no register: rt_sigreturn brings them all back.
//
// It runs twice for a save that somebody else asks for. First it starts the
// engine, and the program runs on while that gets ready. The middle child has our
// signal as its exit signal: when the program goes on after it was stopped, the
// engine ends that child, and this handler is told of it
// and tidies up, in the restored program as well. So it is, too, if the engine
// dies. A program that sends itself the signal wants to be saved just there: its
// handler waits.
//
//	BX agentScratch   R12 middle child       R13 own process id
//	R15 the signal    R14 siginfo until that has been heeded, then NULL
TEXT ·agentHandler(SB), NOSPLIT|NOFRAME, $0-0
	PUSHQ BP
	MOVQ SP, BP
	MOVL DI, R15
	MOVQ SI, R14
	MOVL $SYS_getpid, AX
	SYSCALL
	MOVL AX, R13

	// Is there a middle child that nobody waits for? Only who takes it may touch
	// its memory. In a fork of the program it is not ours, unless we are told of
	// its end: a restored program may have another id.
	XORL BX, BX
	XCHGQ BX, DATA(agentData_Waiting)
	TESTQ BX, BX
	JZ heed
	MOVL SCRATCH(agentScratch_Middle), R12
	TESTL R12, R12
	JZ putback // it is being born
	CMPL R13, SCRATCH(agentScratch_Owner)
	JEQ wait
	CMPL R12, SI_PID(R14)
	JEQ wait
putback:
	XORL AX, AX
	LOCK
	CMPXCHGQ BX, DATA(agentData_Waiting)

	// The end of a middle child is no wish for a save.
heed:
	MOVL SI_CODE(R14), AX
	DECL AX
	CMPL AX, $CLD_CONTINUED
	JB return

	XORL DI, DI
	MOVL $const_agentScratchSize, SI
	MOVL $PROT_RW, DX
	MOVL $MAP_PRIVATE_ANON, R10
	MOVQ $-1, R8
	XORL R9, R9
	MOVL $SYS_mmap, AX
	SYSCALL
	CMPQ AX, $-4095
	JAE return
	MOVQ AX, BX
	MOVL R13, SCRATCH(agentScratch_Owner)

	// Yama's ptrace_scope 1 lets only ancestors trace, and whom the tracee
	// names, with its descendants (security/yama/yama_lsm.c). Naming this
	// process itself admits the engine, which is not born yet, and holds for
	// several handlers at a time. EINVAL where there is no Yama.
	LOCK
	INCL DATA(agentData_Running)
	MOVL R13, SI
	CALL ·agentPtracer(SB)

	// With an exit signal of 0 or ours, neither SIGCHLD nor a wait without __WALL
	// shows this child to the program. It leaves the table of descriptors itself.
	CALL ·agentBeside(SB)
	LEAQ (CLONE_VM|CLONE_FILES|CLONE_PARENT_SETTID)(R15), DI
	LEAQ const_agentScratchSize(BX), SI
	LEAQ SCRATCH(agentScratch_Middle), DX
	XORL R10, R10
	XORL R8, R8
	MOVL $SYS_clone, AX
	SYSCALL
	TESTQ AX, AX
	JZ middle
	JS failed
	TESTL R15, R15
	JNZ return
	MOVQ AX, R12
	XORL R14, R14

	// In a restored process there is no such child: ECHILD ends the loop.
wait:
	MOVL R12, DI
	XORL SI, SI
	MOVL $WALL, DX
	XORL R10, R10
	MOVL $SYS_wait4, AX
	SYSCALL
	CMPQ AX, $-EINTR
	JEQ wait
	CMPQ AX, R12
	JEQ unmap
	CMPQ AX, $-ECHILD
	JEQ unmap
	JMP withdraw // it may be alive: it keeps its stack
failed:
	XORL R14, R14
	TESTL R15, R15
	JZ unmap
	MOVQ BX, AX
	XORL CX, CX
	LOCK
	CMPXCHGQ CX, DATA(agentData_Waiting)
	JNE withdraw // another thread has it in its hands
unmap:
	MOVQ BX, DI
	MOVL $const_agentScratchSize, SI
	MOVL $SYS_munmap, AX
	SYSCALL

	// The last one out withdraws the name, and gives it again if another
	// handler began in between.
withdraw:
	LOCK
	DECL DATA(agentData_Running)
	JNE withdrawn
	XORL SI, SI
	CALL ·agentPtracer(SB)
	CMPL DATA(agentData_Running), $0
	JEQ withdrawn
	MOVL R13, SI
	CALL ·agentPtracer(SB)
withdrawn:
	TESTQ R14, R14
	JNZ heed
return:
	CALL ·agentAgain(SB)
	POPQ BP
	RET
middle:
	JMP ·agentMiddle(SB)

// agentAgain lets the program execute the system call anew that our signal
// has interrupted, where that is exact (agentExact): some calls are never
// restarted by the kernel after a handler, whatever its flags (signal(7)), and
// the program has not asked for this one. It is the last thing before
// rt_sigreturn, and a restored program comes through here, too. In: BP, the
// handler's.
//
// RAX being -EINTR behind a system call means that it was our signal that
// interrupted it: another handler that did so would run first, or be in a frame
// above ours, and then our frame would show that handler and not the call.
// There are two exceptions, of some instructions each, in which a program
// waits on where the call should have failed: that other handler blocked our
// signal and gets it at its very rt_sigreturn; or another signal comes between
// our look at those that are pending and the call. What comes before is seen:
// then the call has failed, and by that signal.
//
//	BX ucontext   R12 rip   R13 number of the call   R14 personality, signals
TEXT ·agentAgain(SB), NOSPLIT|NOFRAME, $0-0
	SUBQ $40, SP
	LEAQ UCONTEXT(BP), BX
	CMPQ UC_RAX(BX), $-EINTR
	JNE ret

	// The instruction SYSCALL leaves its successor's address in RCX.
	MOVQ UC_RIP(BX), R12
	CMPQ R12, UC_RCX(BX)
	JNE ret

	// Can the eight bytes before it be read? All signals are blocked already.
	MOVL $SIG_BLOCK, DI
	LEAQ -8(R12), SI
	XORL DX, DX
	MOVL $8, R10
	MOVL $SYS_rt_sigprocmask, AX
	SYSCALL
	TESTQ AX, AX
	JNZ ret

	// mov $number, %eax; syscall. The frame does not tell the number, and of
	// others than these it can not be known.
	CMPW -2(R12), $0x050f
	JNE ret
	CMPB -7(R12), $0xb8
	JNE ret
	MOVL -6(R12), R13
	MOVL $-1, DI // only asks
	MOVL $SYS_personality, AX
	SYSCALL
	MOVL AX, R14

	LEAQ CONST(agentConst_Exact), SI
row:
	CMPL R13, agentExact_Call(SI)
	JNE next
	MOVQ R14, AX
	MOVLQZX agentExact_Arg(SI), CX
	TESTL CX, CX
	JZ compare
	MOVQ (BX)(CX*1), AX
compare:
	MOVLQZX agentExact_Same(SI), CX
	TESTL CX, CX
	JZ masked
	XORQ (BX)(CX*1), AX
masked:
	ANDQ agentExact_Mask(SI), AX
	CMPQ AX, agentExact_Value(SI)
	JEQ exact
next:
	ADDQ $agentExact__size, SI
	LEAQ CONST(agentConst_Exact+const_agentExactRows*agentExact__size), AX
	CMPQ SI, AX
	JB row
	JMP ret

	// A signal that has come in the meantime gets its handler before the call:
	// if it has one, it has interrupted it. Another of ours has not.
exact:
	MOVQ SP, DI
	MOVL $8, SI
	MOVL $SYS_rt_sigpending, AX
	SYSCALL
	MOVQ UC_SIGMASK(BX), R14
	NOTQ R14
	ANDQ 0(SP), R14
pending:
	BSFQ R14, DI
	JZ again
	BTRQ DI, R14
	INCL DI
	XORL SI, SI
	MOVQ SP, DX
	MOVL $8, R10
	MOVL $SYS_rt_sigaction, AX
	SYSCALL
	LEAQ ·agentHandler(SB), AX
	CMPQ AX, 0(SP)
	JEQ pending
	CMPQ 0(SP), $1 // SIG_IGN; SIG_DFL is 0
	JLS pending
	JMP ret

again:
	SUBQ $2, UC_RIP(BX)
	MOVQ R13, UC_RAX(BX)
ret:
	ADDQ $40, SP
	RET

// agentBeside decides whether the program runs on while the engine gets ready, and
// if so, puts BX into agentData. It does not if it asks for the save itself, if
// the engine would become its child when the middle one ends (it is process 1, or
// a child subreaper), or if another save is at that point. In: the registers of
// agentHandler. Out: R15 is 0 if the handler waits.
TEXT ·agentBeside(SB), NOSPLIT|NOFRAME, $0-0
	MOVL SI_CODE(R14), AX
	CMPL AX, $SI_USER
	JEQ sent
	CMPL AX, $SI_QUEUE
	JEQ sent
	CMPL AX, $SI_TKILL
	JNE waits
sent:
	CMPL R13, SI_PID(R14)
	JEQ waits
	CMPL R13, $1
	JEQ waits
	MOVL $PR_GET_CHILD_SUBREAPER, DI
	LEAQ SCRATCH(agentScratch_Reaper), SI
	MOVL $SYS_prctl, AX
	SYSCALL
	TESTQ AX, AX
	JNZ waits
	CMPL SCRATCH(agentScratch_Reaper), $0
	JNE waits
	XORL AX, AX
	LOCK
	CMPXCHGQ BX, DATA(agentData_Waiting)
	JEQ ret
waits:
	XORL R15, R15
ret:
	RET

// agentPtracer names process SI as the one that may trace; 0 takes it back.
TEXT ·agentPtracer(SB), NOSPLIT|NOFRAME, $0-0
	MOVL $PR_SET_PTRACER, DI
	XORL DX, DX
	XORL R10, R10
	XORL R8, R8
	MOVL $SYS_prctl, AX
	SYSCALL
	RET

// agentRestore is __restore_rt: gdb knows a signal frame by this name and by
// these very bytes, 48 c7 c0 0f 00 00 00 0f 05.
TEXT ·agentRestore(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ $SYS_rt_sigreturn, AX
	SYSCALL
	UNDEF

// agentMiddle is the child between the program and the engine. It is there
// because execve sets the exit signal back to SIGCHLD: so the engine has a
// parent of its own to tell. All signals are blocked; the memory is the
// program's. In: BX agentScratch, R13 the target's process id.
TEXT ·agentMiddle(SB), NOSPLIT|NOFRAME, $0-0
	// A table of its own, with 0, 1 and 2 only. It is never a copy of the
	// whole one: closing a copy sends a flush to NFS and FUSE, and to the
	// very program that waits here if that serves the file system.
	MOVL $3, DI
	MOVL $-1, SI
	MOVL $CLOSE_RANGE_UNSHARE, DX
	MOVL $SYS_close_range, AX
	SYSCALL
	TESTQ AX, AX
	JNZ shared

	// The engine unblocks signals: no handler may run in this memory.
	MOVL $1, R12
default:
	MOVL R12, DI
	LEAQ SCRATCH(agentScratch_Act), SI
	XORL DX, DX
	MOVL $8, R10
	MOVL $SYS_rt_sigaction, AX
	SYSCALL
	INCL R12
	CMPL R12, $64
	JBE default

	CALL ·agentSelf(SB)

	// Argv = {"ckpt", "agent-save", Pid, NULL}
	LEAQ CONST(agentConst_Argv0), AX
	MOVQ AX, SCRATCH(agentScratch_Argv+0)
	LEAQ CONST(agentConst_Argv1), AX
	MOVQ AX, SCRATCH(agentScratch_Argv+8)
	LEAQ SCRATCH(agentScratch_Pid+23), SI
	MOVL R13, AX
	MOVL $10, CX
digit:
	XORL DX, DX
	DIVL CX
	ADDL $'0', DX
	DECQ SI
	MOVB DX, (SI)
	TESTL AX, AX
	JNZ digit
	MOVQ SI, SCRATCH(agentScratch_Argv+16)

	// vfork: the child has this stack until it is another program.
	MOVL $(CLONE_VM|CLONE_VFORK|SIGCHLD), DI
	XORL SI, SI
	XORL DX, DX
	XORL R10, R10
	XORL R8, R8
	MOVL $SYS_clone, AX
	SYSCALL
	TESTQ AX, AX
	JZ engine
	JS exit
	MOVQ AX, R12

	// Nothing of the program's is held open while it is being saved.
	XORL DI, DI
	MOVL $-1, SI
	XORL DX, DX
	MOVL $SYS_close_range, AX
	SYSCALL
wait:
	MOVL R12, DI
	XORL SI, SI
	MOVL $WALL, DX
	XORL R10, R10
	MOVL $SYS_wait4, AX
	SYSCALL
	CMPQ AX, $-EINTR
	JEQ wait
	JMP exit
shared:
	LEAQ CONST(agentConst_NoTable), SI
	CALL ·agentSay(SB)
exit:
	XORL DI, DI
	MOVL $SYS_exit_group, AX
	SYSCALL
	UNDEF

engine:
	CALL ·agentGrow(SB)
	MOVL $SIG_SETMASK, DI
	LEAQ SCRATCH(agentScratch_Mask), SI
	XORL DX, DX
	MOVL $8, R10
	MOVL $SYS_rt_sigprocmask, AX
	SYSCALL
	LEAQ SCRATCH(agentScratch_Beside), DI
	CALL ·agentExec(SB)
	LEAQ SCRATCH(agentScratch_Under), DI
	CALL ·agentExec(SB)
	LEAQ ENGINE, DI
	CALL ·agentExec(SB)

	LEAQ CONST(agentConst_NoEngine1), SI
	CALL ·agentSay(SB)
	LEAQ SCRATCH(agentScratch_Beside), SI
	CALL ·agentSay(SB)
	LEAQ CONST(agentConst_NoEngine2), SI
	CALL ·agentSay(SB)
	LEAQ SCRATCH(agentScratch_Under), SI
	CALL ·agentSay(SB)
	LEAQ CONST(agentConst_NoEngine2), SI
	CALL ·agentSay(SB)
	LEAQ ENGINE, SI
	CALL ·agentSay(SB)
	LEAQ CONST(agentConst_NoEngine3), SI
	CALL ·agentSay(SB)
	MOVL $127, DI
	MOVL $SYS_exit_group, AX
	SYSCALL
	UNDEF

// agentGrow makes the table of descriptors large, which stays so over an execve.
// When a process with threads, as the engine is, makes it larger, it waits for all
// processors to have switched (fs/file.c, expand_fdtable): on a busy machine that
// can take a minute. One of 0, 1 and 2 that is open goes to the last number.
TEXT ·agentGrow(SB), NOSPLIT|NOFRAME, $0-0
	XORL R12, R12
again:
	MOVL R12, DI
	MOVL $TABLE_SIZE-1, SI
	MOVL $O_CLOEXEC, DX
	MOVL $SYS_dup3, AX
	SYSCALL
	TESTQ AX, AX
	JNS grown
	INCL R12
	CMPL R12, $3
	JLT again
grown:
	RET

// agentExec becomes the engine at path DI; it returns if it cannot.
TEXT ·agentExec(SB), NOSPLIT|NOFRAME, $0-0
	LEAQ SCRATCH(agentScratch_Argv), SI
	LEAQ DATA(agentData_Env), DX
	MOVL $SYS_execve, AX
	SYSCALL
	RET

// agentSelf looks up in /proc/self/maps from which file this code is mapped,
// and makes the two paths in agentScratch that an engine is looked for at.
// They stay empty if it cannot be found out. In: BX agentScratch.
//
//	R8 start, R9 end of a line's range   R10 end of the directory in Beside
//	R12 descriptor                       R14, R15 unread part of Chunk
TEXT ·agentSelf(SB), NOSPLIT|NOFRAME, $0-0
	LEAQ CONST(agentConst_MapsPath), DI
	MOVL $O_CLOEXEC, SI
	XORL DX, DX
	MOVL $SYS_open, AX
	SYSCALL
	TESTQ AX, AX
	JS ret
	MOVQ AX, R12
	XORL R14, R14
	XORL R15, R15
	XORL R10, R10
line:
	CALL ·agentHex(SB)
	TESTL AX, AX
	JS close
	MOVQ CX, R8
	CALL ·agentHex(SB)
	TESTL AX, AX
	JS close
	MOVQ CX, R9
	LEAQ ·agentInit(SB), CX
	CMPQ CX, R8
	JB skip
	CMPQ CX, R9
	JB field
skip:
	CMPL AX, $'\n'
	JEQ line
	CALL ·agentByte(SB)
	TESTL AX, AX
	JNS skip
	JMP close

	// Nothing before the path has a slash in it.
field:
	CMPL AX, $'\n'
	JEQ close
	CALL ·agentByte(SB)
	TESTL AX, AX
	JS close
	CMPL AX, $'/'
	JNE field
	LEAQ SCRATCH(agentScratch_Beside), R8
	LEAQ SCRATCH(agentScratch_Beside+const_agentPathMax), R9
path:
	CMPQ R8, R9
	JAE close
	MOVB AX, (R8)
	INCQ R8
	CMPL AX, $'/'
	JNE name
	MOVQ R8, R10
name:
	CALL ·agentByte(SB)
	TESTL AX, AX
	JS close
	CMPL AX, $'\n'
	JNE path

	// DIR is the part of Beside before R10.
	MOVQ R10, CX
	LEAQ SCRATCH(agentScratch_Beside), SI
	SUBQ SI, CX
	LEAQ SCRATCH(agentScratch_Under), DI
	CLD
	REP
	MOVSB
	LEAQ CONST(agentConst_Up), SI
	CALL ·agentCopy(SB)
	MOVQ R10, DI
	LEAQ CONST(agentConst_Argv0), SI
	CALL ·agentCopy(SB)
	JMP done
close:
	MOVB $0, SCRATCH(agentScratch_Beside)
done:
	MOVL R12, DI
	MOVL $SYS_close, AX
	SYSCALL
ret:
	RET

// agentHex reads a hexadecimal number of /proc/self/maps. Out: CX the number,
// AX the byte behind it or -1 at the end. Else as agentByte.
TEXT ·agentHex(SB), NOSPLIT|NOFRAME, $0-0
	XORL CX, CX
	PUSHQ CX
next:
	CALL ·agentByte(SB)
	MOVL AX, DX
	SUBL $'0', DX
	CMPL DX, $9
	JBE digit
	SUBL $('a'-'0'-10), DX
	CMPL DX, $10
	JB end
	CMPL DX, $15
	JA end
digit:
	SHLQ $4, 0(SP)
	ADDQ DX, 0(SP)
	JMP next
end:
	POPQ CX
	RET

// agentByte reads a byte of descriptor R12. Out: AX, -1 at the end. In and
// out: R14, R15 the unread part of Chunk. Changes CX, DX, DI, SI, R11.
TEXT ·agentByte(SB), NOSPLIT|NOFRAME, $0-0
	CMPQ R14, R15
	JB ready
	MOVL R12, DI
	LEAQ SCRATCH(agentScratch_Chunk), SI
	MOVL $const_agentChunkSize, DX
	MOVL $SYS_read, AX
	SYSCALL
	TESTQ AX, AX
	JLE end
	LEAQ SCRATCH(agentScratch_Chunk), R14
	LEAQ (R14)(AX*1), R15
ready:
	MOVBLZX (R14), AX
	INCQ R14
	RET
end:
	MOVL $-1, AX
	RET

// agentCopy copies the string SI to DI, with its NUL. Changes AX, DI, SI.
TEXT ·agentCopy(SB), NOSPLIT|NOFRAME, $0-0
next:
	MOVBLZX (SI), AX
	MOVB AX, (DI)
	INCQ SI
	INCQ DI
	TESTL AX, AX
	JNZ next
	RET

// agentSay writes the string SI to standard error, wherever that goes.
// Changes AX, CX, DX, DI, R11.
TEXT ·agentSay(SB), NOSPLIT|NOFRAME, $0-0
	XORL DX, DX
	JMP measure
longer:
	INCQ DX
measure:
	CMPB (SI)(DX*1), $0
	JNE longer
	MOVL $2, DI
	MOVL $SYS_write, AX
	SYSCALL
	RET

// agentEnd is where the block ends.
TEXT ·agentEnd(SB), NOSPLIT|NOFRAME, $0-0
	RET

// func agentSymbols(addr *[19]uintptr)
//
// It stands behind the block and is not copied. It gives the address of every
// function of the block, in order, then agentEnd. A Go reference would give that
// of a wrapper; being named here also keeps them past the linker's dead code
// pass.
TEXT ·agentSymbols(SB), NOSPLIT, $0-8
	MOVQ addr+0(FP), DI
#define NEXT(sym) LEAQ sym(SB), AX; MOVQ AX, (DI); ADDQ $8, DI
	NEXT(·agentInit)
	NEXT(·agentEnviron)
	NEXT(·agentTake)
	NEXT(·agentPrefix)
	NEXT(·agentSignal)
	NEXT(·agentHandler)
	NEXT(·agentAgain)
	NEXT(·agentBeside)
	NEXT(·agentPtracer)
	NEXT(·agentRestore)
	NEXT(·agentMiddle)
	NEXT(·agentGrow)
	NEXT(·agentExec)
	NEXT(·agentSelf)
	NEXT(·agentHex)
	NEXT(·agentByte)
	NEXT(·agentCopy)
	NEXT(·agentSay)
	NEXT(·agentEnd)
	RET

// func agentText(dst []byte) int
//
// It copies the block to dst, as much of it as there is room for, and gives
// the number of bytes copied.
TEXT ·agentText(SB), NOSPLIT, $0-32
	MOVQ dst_base+0(FP), DI
	MOVQ dst_len+8(FP), CX
	LEAQ ·agentInit(SB), SI
	LEAQ ·agentEnd(SB), AX
	SUBQ SI, AX
	CMPQ CX, AX
	JLE copy
	MOVQ AX, CX
copy:
	MOVQ CX, ret+24(FP)
	CLD
	REP
	MOVSB
	RET
