package emit

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// Agent returns the bytes of libckpt.so, to be preloaded into programs: on
// SIGUSR2, or the signal that CKPT_SIGNAL names, the program starts
// "ckpt agent-save PID" on itself and goes on when that has ended.
//
// The library looks for ckpt beside itself, then in ../bin, and then at
// engine, an absolute path. The engine gets the program's working directory,
// descriptors 0 to 2, no blocked signal, and of the environment only what the
// CKPT_ variables were when the program started. Its parent's parent is the
// program, which waits until the engine has ended, or has killed its parent:
// so it can finish the image behind the running program.
func Agent(engine string) ([]byte, error) {
	if !filepath.IsAbs(engine) || strings.ContainsRune(engine, 0) || len(engine) >= agentPathMax {
		return nil, fmt.Errorf("path of the engine %q: not absolute, or too long", engine)
	}
	consts, err := newAgentConst().encode(engine)
	if err != nil {
		return nil, err
	}
	text := make([]byte, agentDynAddr-agentTextAddr)
	n := agentText(text)
	if n == len(text) {
		return nil, fmt.Errorf("libckpt.so: text of %d bytes or more runs into the data", n)
	}
	return agentELF(consts, text[:n], agentFuncs())
}

// agentSignals are the signals that CKPT_SIGNAL may name. KILL and STOP cannot
// be caught; one that reports a fault, a broken pipe or a child would start
// engines that nobody asked for.
var agentSignals = map[int]string{
	1: "HUP", 2: "INT", 3: "QUIT", 10: "USR1", 12: "USR2", 14: "ALRM", 15: "TERM",
	16: "STKFLT", 18: "CONT", 20: "TSTP", 21: "TTIN", 22: "TTOU", 23: "URG", 24: "XCPU", 25: "XFSZ",
	26: "VTALRM", 27: "PROF", 28: "WINCH", 29: "IO", 30: "PWR",
}

// agentFirstRealtime is the first real-time signal that glibc leaves to the
// program; it keeps 32 and 33 to itself (nptl/internal-signals.h).
const agentFirstRealtime = 34

// AgentSignal is the signal that libckpt.so takes for a value of CKPT_SIGNAL, as
// ckpt_signal in agent_amd64.s finds it; 0 is none.
func AgentSignal(value string) int {
	const usr2, last = 12, 64
	name := strings.TrimPrefix(strings.ToUpper(value), "SIG")
	if n, err := strconv.ParseUint(value, 10, 64); err == nil {
		if _, ok := agentSignals[int(n)]; n == 0 || n <= last && (ok || n >= agentFirstRealtime) {
			return int(n)
		}
		return usr2
	}
	if name == "NONE" {
		return 0
	}
	for n, known := range agentSignals {
		if name == known {
			return n
		}
	}
	return usr2
}

func newAgentConst() *agentConst {
	c := &agentConst{Exact: agentExactCalls}
	c.Names[0] = agentName("NONE")
	for n, name := range agentSignals {
		c.Names[n] = agentName(name)
		c.Usable |= 1 << (n - 1)
	}
	for n := agentFirstRealtime; n <= 64; n++ {
		c.Usable |= 1 << (n - 1)
	}
	return c
}

// agentName packs the name of a signal as agentSignal compares it.
func agentName(name string) uint64 {
	var n uint64
	for _, b := range []byte(name) {
		n = n<<8 | uint64(b)
	}
	return n
}

// encode gives c and, behind it, the path of the embedded engine.
func (c *agentConst) encode(engine string) ([]byte, error) {
	for _, s := range []struct {
		dst  []byte
		text string
	}{
		{c.MapsPath[:], "/proc/self/maps"},
		{c.EnvironPath[:], "/proc/self/environ"},
		{c.Argv0[:], "ckpt"},
		{c.Argv1[:], "agent-save"},
		{c.Ours[:], "CKPT_"},
		{c.SignalVar[:], "SIGNAL="},
		{c.Up[:], "../bin/ckpt"},
		{c.BadSignal1[:], "ckpt: CKPT_SIGNAL="},
		{c.BadSignal2[:], ": not a signal that can be used; USR2 is used\n"},
		{c.BadEnv[:], "ckpt: the CKPT_ variables are too long: the engine will not get all of them\n"},
		{c.NoTable[:], "ckpt: close_range is not allowed here: not saved\n"},
		{c.NoEngine1[:], "ckpt: no engine beside libckpt.so: cannot run \""},
		{c.NoEngine2[:], "\", \""},
		{c.NoEngine3[:], "\": not saved\n"},
	} {
		if copy(s.dst, s.text) == len(s.dst) {
			return nil, fmt.Errorf("libckpt.so: no room for %q and its NUL", s.text)
		}
	}
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, c); err != nil {
		return nil, fmt.Errorf("libckpt.so: constants: %w", err)
	}
	b.WriteString(engine)
	b.WriteByte(0)
	return b.Bytes(), nil
}

// agentFuncNames are the functions of the block as debuggers see them, in
// order.
var agentFuncNames = [...]string{
	"ckpt_init", "ckpt_environ", "ckpt_take", "ckpt_prefix", "ckpt_signal", "ckpt_handler", "ckpt_again", "ckpt_beside",
	"ckpt_ptracer", "__restore_rt", "ckpt_middle", "ckpt_grow", "ckpt_exec", "ckpt_self", "ckpt_hex", "ckpt_byte", "ckpt_copy", "ckpt_say",
}

// agentFunc is a function of the block; addr and size are in bytes.
type agentFunc struct {
	name string
	addr uint64 // relative to the block's beginning
	size uint64 // with the padding behind it
}

func agentFuncs() []agentFunc {
	var addr [len(agentFuncNames) + 1]uintptr
	agentSymbols(&addr)
	funcs := make([]agentFunc, len(agentFuncNames))
	for i, name := range agentFuncNames {
		funcs[i] = agentFunc{name, uint64(addr[i] - addr[0]), uint64(addr[i+1] - addr[i])}
	}
	return funcs
}
