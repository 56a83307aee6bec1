package restore

import (
	"encoding/binary"
	"fmt"
	"slices"
	"syscall"

	"ckpt/internal/abi"
	"ckpt/internal/plan"
)

// credentials gives up the rights that the program did not have, and then sets
// what a change of ids would clear. To the kernel they are a thread's own.
func (w *writer) credentials() {
	c, own := w.m.process.Credentials, w.p.host.status
	for bit := uint64(0); bit < 64; bit++ {
		if own.CapBnd&^c.Bounding&(1<<bit) != 0 {
			// Without CAP_SETPCAP it stays; warnCredentials has said so.
			w.b.Call(fmt.Sprintf("drop capability %d from the bounding set", bit), abi.SysPrctl,
				plan.Imm(abi.PrCapBSetDrop), plan.Imm(bit)).MayFail()
		}
	}
	if !slices.Equal(c.Groups, own.Groups) && own.CapEff&capSetgid != 0 {
		groups := make([]byte, 0, 4*len(c.Groups))
		for _, g := range c.Groups {
			groups = binary.LittleEndian.AppendUint32(groups, uint32(g))
		}
		w.b.Call("set the supplementary groups", abi.SysSetgroups, plan.Int(len(c.Groups)), w.b.Data(groups))
	}
	newIDs := c.UID != own.Uid || c.GID != own.Gid
	if newIDs {
		w.ids(c.UID, c.GID)
	}
	w.capabilities(newIDs)
	w.b.Call("set the keep-capabilities flag", abi.SysPrctl, plan.Imm(abi.PrSetKeepCaps), plan.Imm(flag(w.m.process.Attributes.KeepCaps)))
	if w.p.isTree() && w.t == &w.m.process.Threads[0] {
		// Other ids have cleared it; what it has to be comes when all are
		// complete, see becomeIndependent.
		w.parentDeathSignal(int(syscall.SIGKILL))
		return
	}
	w.parentDeathSignal(w.t.PDeathSig)
}

func (w *writer) parentDeathSignal(signal int) {
	w.b.Call("set the parent death signal", abi.SysPrctl, plan.Imm(abi.PrSetPDeathSig), plan.Int(signal))
}

// dumpable sets what changes of ids reset for the whole process: it comes when
// all threads have theirs.
func (w *writer) dumpable() {
	if d := w.m.process.Attributes.Dumpable; d == 0 || d == 1 {
		w.b.Call("set the dumpable attribute", abi.SysPrctl, plan.Imm(abi.PrSetDumpable), plan.Int(d))
	}
}

// ids sets the real, effective, saved and file system ids. The last ones follow
// the effective ones until they are set.
func (w *writer) ids(uid, gid [4]int) {
	three := func(id [4]int) []plan.Arg { return []plan.Arg{plan.Int(id[0]), plan.Int(id[1]), plan.Int(id[2])} }
	w.b.Call("keep capabilities", abi.SysPrctl, plan.Imm(abi.PrSetKeepCaps), plan.Imm(1))
	w.b.Call("set the group ids", abi.SysSetresgid, three(gid)...)
	if gid[3] != gid[1] {
		w.b.Call("set the file system group id", abi.SysSetfsgid, plan.Int(gid[3])).MayFail() // gives the one before
	}
	w.b.Call("set the user ids", abi.SysSetresuid, three(uid)...)
	if uid[3] != uid[1] {
		w.b.Call("set the file system user id", abi.SysSetfsuid, plan.Int(uid[3])).MayFail()
	}
}

// capabilities sets the capabilities, as far as we have them to give.
func (w *writer) capabilities(changed bool) {
	c, own := w.m.process.Credentials, w.p.host.status
	if !changed && c.Permitted == own.CapPrm && c.Effective == own.CapEff && c.Inheritable == own.CapInh && c.Ambient == own.CapAmb {
		return
	}
	permitted := c.Permitted & own.CapPrm
	inheritable := c.Inheritable & (own.CapInh | own.CapPrm&c.Bounding)
	w.b.Call("set the capabilities", abi.SysCapset, w.b.Data(words(capabilityVersion3)),
		w.b.Data(capabilitySets(c.Effective&permitted, permitted, inheritable)))
	if c.Ambient == 0 && own.CapAmb == 0 {
		return
	}
	w.b.Call("clear the ambient capabilities", abi.SysPrctl, plan.Imm(abi.PrCapAmbient), plan.Imm(abi.PrCapAmbientClearAll))
	for bit := uint64(0); bit < 64; bit++ {
		if c.Ambient&permitted&inheritable&(1<<bit) != 0 {
			w.b.Call(fmt.Sprintf("raise ambient capability %d", bit), abi.SysPrctl,
				plan.Imm(abi.PrCapAmbient), plan.Imm(abi.PrCapAmbientRaise), plan.Imm(bit))
		}
	}
}

// Bits of capabilities, see capabilities(7).
const (
	capSetgid   = 1 << 6
	capSetuid   = 1 << 7
	capSetpcap  = 1 << 8
	capSysAdmin = 1 << 21
	capSysTime  = 1 << 25
)

// capabilityVersion3 is _LINUX_CAPABILITY_VERSION_3 of struct
// __user_cap_header_struct, followed by pid 0: the thread itself.
const capabilityVersion3 = 0x20080522

// capabilitySets is the array of two struct __user_cap_data_struct.
func capabilitySets(effective, permitted, inheritable uint64) []byte {
	b := make([]byte, 0, 24)
	for shift := 0; shift < 64; shift += 32 {
		for _, set := range []uint64{effective, permitted, inheritable} {
			b = binary.LittleEndian.AppendUint32(b, uint32(set>>shift))
		}
	}
	return b
}

// warnCredentials says what rights the program will not have again, and which
// it can not be rid of.
func (p *preparation) warnCredentials(m *member) {
	c, own := m.process.Credentials, p.host.status
	if missing := c.Permitted &^ own.CapPrm; missing != 0 {
		p.o.Warn(m.name+"capabilities", fmt.Sprintf("the program had %#x more than you can give it", missing))
	}
	if extra := own.CapBnd &^ c.Bounding; extra != 0 && own.CapEff&capSetpcap == 0 {
		p.o.Warn(m.name+"capability bounding set", fmt.Sprintf("has %#x more than the program had, which you may not drop", extra))
	}
	if !slices.Equal(c.Groups, own.Groups) && own.CapEff&capSetgid == 0 {
		p.o.Warn(m.name+"supplementary groups", fmt.Sprintf("are %v, and were %v when it was saved", own.Groups, c.Groups))
	}
	if own.NoNewPrivs && !m.process.Attributes.NoNewPrivs {
		p.o.Warn(m.name+"no_new_privs", "is set here, and was not when it was saved")
	}
}
