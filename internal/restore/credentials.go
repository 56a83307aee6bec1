package restore

import (
	"encoding/binary"
	"fmt"

	"ckpt/internal/abi"
	"ckpt/internal/plan"
)

// credentials gives up the rights that the program did not have, and then sets
// what a change of ids would clear.
func (w *writer) credentials() {
	c, own := w.p.process.Credentials, w.p.host.status
	for bit := uint64(0); bit < 64; bit++ {
		if own.CapBnd&^c.Bounding&(1<<bit) != 0 {
			// Without CAP_SETPCAP it stays; warnCapabilities has said so.
			w.b.Call(fmt.Sprintf("drop capability %d from the bounding set", bit), abi.SysPrctl,
				plan.Imm(abi.PrCapBSetDrop), plan.Imm(bit)).MayFail()
		}
	}
	if c.UID != own.Uid || c.GID != own.Gid {
		groups := make([]byte, 0, 4*len(c.Groups))
		for _, g := range c.Groups {
			groups = binary.LittleEndian.AppendUint32(groups, uint32(g))
		}
		ids := func(id [4]int) []plan.Arg { return []plan.Arg{plan.Int(id[0]), plan.Int(id[1]), plan.Int(id[2])} }
		w.b.Call("set the supplementary groups", abi.SysSetgroups, plan.Int(len(c.Groups)), w.b.Data(groups))
		w.b.Call("set the group ids", abi.SysSetresgid, ids(c.GID)...)
		w.b.Call("set the user ids", abi.SysSetresuid, ids(c.UID)...)
	} else if c.Permitted != own.CapPrm || c.Effective != own.CapEff || c.Inheritable != own.CapInh {
		w.b.Call("set the capabilities", abi.SysCapset, w.b.Data(words(capabilityVersion3)),
			w.b.Data(capabilitySets(c.Effective&own.CapPrm, c.Permitted&own.CapPrm, c.Inheritable&own.CapPrm)))
	}
	w.b.Call("set the parent death signal", abi.SysPrctl, plan.Imm(abi.PrSetPDeathSig), plan.Int(w.p.thread.PDeathSig))
	if d := w.p.process.Attributes.Dumpable; d == 0 || d == 1 {
		w.b.Call("set the dumpable attribute", abi.SysPrctl, plan.Imm(abi.PrSetDumpable), plan.Int(d))
	}
}

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

// warnCapabilities says what rights the program will not have again, and which
// it can not be rid of.
func (p *preparation) warnCapabilities() {
	c, own := p.process.Credentials, p.host.status
	if missing := c.Permitted &^ own.CapPrm; missing != 0 && c.UID == own.Uid {
		p.o.Warn("capabilities", fmt.Sprintf("the program had %#x more than you can give it", missing))
	}
	const setPCap = 1 << 8
	if extra := own.CapBnd &^ c.Bounding; extra != 0 && own.CapEff&setPCap == 0 {
		p.o.Warn("capability bounding set", fmt.Sprintf("has %#x more than the program had, which you may not drop", extra))
	}
}
