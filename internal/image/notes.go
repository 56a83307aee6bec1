package image

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/zeebo/xxh3"
)

// sealSize is the length of the seal with its note header.
const sealSize = noteHeader + 8 + 16

// eachProcessNote calls f with the notes of a process in their order. The first
// ones are those of the kernel's core files in the kernel's order: what stands
// between two NT_PRSTATUS belongs to the thread of the first. Debuggers begin
// with the thread that comes first: the leader, if it lives.
func eachProcessNote(p *Process, layout []XSaveComponent, f func(note) error) error {
	living := p.living()
	for i, t := range living {
		if err := each(threadNotes(p, t, i == 0, layout), f); err != nil {
			return err
		}
	}
	if len(living) > 0 && len(living[0].XSave) > 0 {
		if err := f(note{ownerLinux, ntXSaveLayout, xsaveLayoutNote(living[0].XSave)}); err != nil {
			return err
		}
	}
	return nil
}

// threadNotes are the notes of a thread. The first one has those of the process.
func threadNotes(p *Process, t *Thread, first bool, layout []XSaveComponent) []note {
	notes := []note{prstatusNote(p, t)}
	if first {
		notes = append(notes, prpsinfoNote(p), siginfoNote(p), note{ownerCore, ntAuxv, p.Auxv}, fileNote(p))
	} else {
		notes = append(notes, siginfoNote(p))
	}
	if len(t.XSave) > 0 {
		notes = append(notes, note{ownerCore, ntFPRegset, fpRegs(t.XSave)}, note{ownerLinux, ntXState, gdbXState(t.XSave, layout)})
	}
	return notes
}

// eachPartNote calls f with the notes that the part of a process has: those of
// a core, and the registers as the kernel gave them.
func eachPartNote(m *Manifest, p *Process, f func(note) error) error {
	if err := eachProcessNote(p, m.Host.CPU.XSaveLayout, f); err != nil {
		return err
	}
	for _, t := range p.living() {
		if err := f(note{ownerCkpt, ckptXSave, t.XSave}); err != nil {
			return err
		}
	}
	return nil
}

// eachNote calls f with the notes at the end of an image, all but the seal:
// those of the root, and what is said about the whole image.
func eachNote(m *Manifest, chunks chunkTable, parts []part, f func(note) error) error {
	text, err := json.Marshal(mapTexts(m, escape))
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	if err := eachPartNote(m, &m.Processes[0], f); err != nil {
		return err
	}
	own := []note{
		{ownerCkpt, ckptManifest, text},
		{ownerCkpt, ckptChunks, chunks.encode()},
	}
	if len(parts) > 0 {
		own = append(own, note{ownerCkpt, ckptParts, appendParts(nil, parts)})
	}
	return each(own, f)
}

func each(notes []note, f func(note) error) error {
	for _, n := range notes {
		if err := f(n); err != nil {
			return err
		}
	}
	return nil
}

// living are the threads that have registers.
func (p *Process) living() []*Thread {
	out := make([]*Thread, 0, len(p.Threads))
	for i := range p.Threads {
		if t := &p.Threads[i]; !t.Dead {
			out = append(out, t)
		}
	}
	return out
}

// encodeNotes makes a notes segment, but for the seal.
func encodeNotes(list func(f func(note) error) error) ([]byte, error) {
	var b []byte
	err := list(func(n note) error {
		if len(n.desc)+len(b) > maxNotes-1<<20 {
			return fmt.Errorf("%v of %d bytes: too much for an image", n, len(n.desc))
		}
		b = n.append(b)
		return nil
	})
	return b, err
}

// sealNote makes the last note.
func sealNote(seal []byte) []byte { return note{ownerCkpt, ckptSeal, seal}.append(nil) }

// seal is what it says: the xxh3-64 of the headers and of the notes
// segment up to it. The chunk table is among the latter, so that the seal
// covers the checksums of all memory and payload.
func seal(headers, notes []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, xxh3.Hash(headers))
	return binary.LittleEndian.AppendUint64(b, xxh3.Hash(notes))
}

// noteID is what tells notes apart.
type noteID struct {
	owner string
	kind  uint32
}

// foundNotes are the contents of the notes that say something which is not
// made anew, in their order.
type foundNotes map[noteID][][]byte

func findNotes(b []byte) (foundNotes, error) {
	found := foundNotes{
		{ownerCore, ntPrstatus}: nil, {ownerCore, ntAuxv}: nil,
		{ownerCkpt, ckptManifest}: nil, {ownerCkpt, ckptXSave}: nil, {ownerCkpt, ckptChunks}: nil,
		{ownerCkpt, ckptParts}: nil,
	}
	for len(b) > 0 {
		n, rest, err := nextNote(b)
		if err != nil {
			return nil, err
		}
		id := noteID{n.owner, n.kind}
		if _, wanted := found[id]; wanted {
			found[id] = append(found[id], n.desc)
		}
		b = rest
	}
	return found, nil
}

// one is the content of a note that there must be one of.
func (f foundNotes) one(owner string, kind uint32) ([]byte, error) {
	descs := f[noteID{owner, kind}]
	if len(descs) != 1 {
		return nil, corrupt("%v is there %d times", note{owner: owner, kind: kind}, len(descs))
	}
	return descs[0], nil
}

// decodeNotes reads what the notes at the end of an image say about all of it.
// The manifest is valid in itself; its root has its registers.
func decodeNotes(b []byte) (*Manifest, chunkTable, []part, error) {
	var chunks chunkTable
	found, err := findNotes(b)
	if err != nil {
		return nil, chunks, nil, err
	}
	text, err := found.one(ownerCkpt, ckptManifest)
	if err != nil {
		return nil, chunks, nil, err
	}
	m, err := decodeManifest(text)
	if err != nil {
		return nil, chunks, nil, err
	}
	table, err := found.one(ownerCkpt, ckptChunks)
	if err != nil {
		return nil, chunks, nil, err
	}
	if chunks, err = decodeChunks(table); err != nil {
		return nil, chunks, nil, err
	}
	var parts []part
	if n := m.parts(); n > 0 {
		if table, err = found.one(ownerCkpt, ckptParts); err == nil {
			parts, err = decodeParts(table, n)
		}
		if err != nil {
			return nil, chunks, nil, err
		}
	}
	if err := m.Host.CPU.checkLayout(); err != nil {
		return nil, chunks, nil, corrupt("%w", err)
	}
	return m, chunks, parts, found.registers(&m.Processes[0])
}

// registers gives p what its notes say about it.
func (f foundNotes) registers(p *Process) error {
	status, xsave := f[noteID{ownerCore, ntPrstatus}], f[noteID{ownerCkpt, ckptXSave}]
	living := p.living()
	if len(status) != len(living) || len(xsave) != len(living) {
		return corrupt("registers of %d and %d threads, there are %d", len(status), len(xsave), len(living))
	}
	for i, t := range living {
		var s prstatus
		if _, err := binary.Decode(status[i], binary.LittleEndian, &s); err != nil {
			return corrupt("registers of thread %d: %w", t.TID, err)
		}
		t.Regs, t.XSave = s.Regs, slices.Clone(xsave[i])
	}
	if err := p.checkStates(); err != nil {
		return corrupt("%w", err)
	}
	if p.Zombie {
		return nil
	}
	auxv, err := f.one(ownerCore, ntAuxv)
	if err != nil {
		return err
	}
	p.Auxv = slices.Clone(auxv)
	return nil
}

// decodeManifest reads the manifest's JSON strictly. That this is the version to
// read was seen from the headers.
func decodeManifest(text []byte) (*Manifest, error) {
	if len(text) > smallText {
		if err := checkOutline(text); err != nil {
			return nil, err
		}
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var m Manifest
	if err := d.Decode(&m); err != nil {
		return nil, corrupt("manifest: %w", err)
	}
	if err := m.check(); err != nil {
		return nil, corrupt("manifest: %w", err)
	}
	return mapTexts(&m, unescape), nil
}

// checkNotes checks that b is what encodeNotes makes of the list.
func checkNotes(b []byte, list func(f func(note) error) error) error {
	err := list(func(n note) (err error) {
		b, err = n.cut(b)
		return err
	})
	if err == nil && len(b) > 0 {
		err = corrupt("%d bytes behind the notes", len(b))
	}
	return err
}
