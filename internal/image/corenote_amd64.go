package image

import (
	"bytes"
	"encoding/binary"
	"strings"

	"ckpt/internal/abi"
)

// prstatus is struct elf_prstatus (include/linux/elfcore.h).
type prstatus struct {
	Signo, Code, Errno     int32
	Cursig                 int16
	_                      int16
	Sigpend, Sighold       uint64
	PID, PPID, PGrp, SID   int32
	UTime, STime           [2]uint64
	ChildUTime, ChildSTime [2]uint64
	Regs                   abi.Regs
	FPValid                int32
	_                      int32
}

// prpsinfo is struct elf_prpsinfo (include/linux/elfcore.h).
type prpsinfo struct {
	State, Sname, Zomb   byte
	Nice                 int8
	_                    uint32
	Flag                 uint64
	UID, GID             uint32
	PID, PPID, PGrp, SID int32
	Fname                [16]byte
	Psargs               [80]byte
}

// sigStop is the number of SIGSTOP.
const sigStop = 19

// stopSignal is the signal that debuggers show as the reason of the dump:
// none, unless the process was stopped when it was saved.
func (p *Process) stopSignal() int32 {
	if p.Stopped {
		return sigStop
	}
	return 0
}

func prstatusNote(p *Process, t *Thread) note {
	s := prstatus{
		Signo: p.stopSignal(), Cursig: int16(p.stopSignal()),
		Sigpend: pendingMask(t.Pending), Sighold: t.SigMask,
		PID: int32(t.TID), PPID: int32(p.PPID), PGrp: int32(p.PGID), SID: int32(p.SID),
		Regs: t.Regs,
	}
	if len(t.XSave) > 0 {
		s.FPValid = 1
	}
	return note{ownerCore, ntPrstatus, appendLE(nil, s)}
}

func prpsinfoNote(p *Process) note {
	lead := &p.Threads[0] // even if it has ended: its name is the process's
	s := prpsinfo{
		Sname: 'R', Nice: int8(lead.Nice),
		UID: uint32(p.Credentials.UID[0]), GID: uint32(p.Credentials.GID[0]),
		PID: int32(p.PID), PPID: int32(p.PPID), PGrp: int32(p.PGID), SID: int32(p.SID),
	}
	if p.Stopped {
		s.State, s.Sname = 3, 'T' // as fill_psinfo in fs/binfmt_elf.c counts
	}
	copy(s.Fname[:len(s.Fname)-1], lead.Comm)
	copy(s.Psargs[:len(s.Psargs)-1], strings.Join(p.Args, " "))
	return note{ownerCore, ntPrpsinfo, appendLE(nil, s)}
}

func siginfoNote(p *Process) note {
	var info abi.Siginfo
	binary.LittleEndian.PutUint32(info[:], uint32(p.stopSignal()))
	return note{ownerCore, ntSiginfo, info[:]}
}

// fileNote lists the areas that are mappings of files, as fill_files_note in
// fs/binfmt_elf.c does: debuggers read from there what has no bytes in the
// core.
func fileNote(p *Process) note {
	var head, names []byte
	n := uint64(0)
	for i := range p.Areas {
		a := &p.Areas[i]
		if a.Kind != PrivateFile && a.Kind != SharedFile {
			continue
		}
		n++
		head = binary.LittleEndian.AppendUint64(head, uint64(a.Start))
		head = binary.LittleEndian.AppendUint64(head, uint64(a.End))
		head = binary.LittleEndian.AppendUint64(head, a.Offset/PageSize)
		names = append(append(names, a.Name...), 0)
	}
	var b bytes.Buffer
	b.Write(binary.LittleEndian.AppendUint64(nil, n))
	b.Write(binary.LittleEndian.AppendUint64(nil, PageSize))
	b.Write(head)
	b.Write(names)
	return note{ownerCore, ntFile, b.Bytes()}
}

// pendingMask is the set of the signals of siginfo_t values.
func pendingMask(pending [][]byte) uint64 {
	var set uint64
	for _, info := range pending {
		if n := binary.LittleEndian.Uint32(info); n >= 1 && n <= abi.NSig {
			set |= 1 << (n - 1)
		}
	}
	return set
}
