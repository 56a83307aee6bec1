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

// eachNote calls f with the notes of an image in their order, all but the
// seal. The first ones are those of the kernel's core files in the kernel's
// order: what stands between two NT_PRSTATUS belongs to the thread of the first.
// Debuggers begin with the thread that comes first: the leader, if it lives.
func eachNote(m *Manifest, chunks chunkTable, f func(note) error) error {
	p := &m.Processes[0]
	text, err := json.Marshal(mapTexts(m, escape))
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	living := p.living()
	for i, t := range living {
		notes := []note{prstatusNote(p, t)}
		if i == 0 {
			notes = append(notes, prpsinfoNote(p), siginfoNote(p), note{ownerCore, ntAuxv, p.Auxv}, fileNote(p))
		} else {
			notes = append(notes, siginfoNote(p))
		}
		if len(t.XSave) > 0 {
			notes = append(notes, note{ownerCore, ntFPRegset, fpRegs(t.XSave)},
				note{ownerLinux, ntXState, gdbXState(t.XSave, m.Host.CPU.XSaveLayout)})
		}
		for _, n := range notes {
			if err := f(n); err != nil {
				return err
			}
		}
	}
	var own []note
	if raw := living[0].XSave; len(raw) > 0 {
		own = append(own, note{ownerLinux, ntXSaveLayout, xsaveLayoutNote(raw)})
	}
	own = append(own, note{ownerCkpt, ckptManifest, text})
	for _, t := range living {
		own = append(own, note{ownerCkpt, ckptXSave, t.XSave})
	}
	own = append(own, note{ownerCkpt, ckptChunks, chunks.append(make([]byte, 0, chunkEntry*chunks.len()))})
	for _, n := range own {
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

// encodeNotes makes the notes segment up to the seal.
func encodeNotes(m *Manifest, chunks chunkTable) ([]byte, error) {
	var b []byte
	err := eachNote(m, chunks, func(n note) error {
		if len(n.desc)+len(b) > maxNotes-1<<20 {
			return fmt.Errorf("%v of %d bytes: too much for an image", n, len(n.desc))
		}
		b = n.append(b)
		return nil
	})
	return b, err
}

// sealNote makes the last note: the xxh3-64 of the headers and of the notes
// segment up to here. The chunk table is among the latter, so that the seal
// covers the checksums of all memory and payload.
func sealNote(headers, notes []byte) []byte {
	desc := binary.LittleEndian.AppendUint64(nil, xxh3.Hash(headers))
	desc = binary.LittleEndian.AppendUint64(desc, xxh3.Hash(notes))
	return note{ownerCkpt, ckptSeal, desc}.append(nil)
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

// decodeNotes undoes encodeNotes. The manifest is valid in itself.
func decodeNotes(b []byte) (*Manifest, chunkTable, error) {
	var chunks chunkTable
	found, err := findNotes(b)
	if err != nil {
		return nil, chunks, err
	}
	text, err := found.one(ownerCkpt, ckptManifest)
	if err != nil {
		return nil, chunks, err
	}
	m, err := decodeManifest(text)
	if err != nil {
		return nil, chunks, err
	}
	table, err := found.one(ownerCkpt, ckptChunks)
	if err != nil {
		return nil, chunks, err
	}
	if chunks, err = decodeChunks(table); err != nil {
		return nil, chunks, err
	}
	p := &m.Processes[0]
	auxv, err := found.one(ownerCore, ntAuxv)
	if err != nil {
		return nil, chunks, err
	}
	p.Auxv = slices.Clone(auxv)
	status, xsave := found[noteID{ownerCore, ntPrstatus}], found[noteID{ownerCkpt, ckptXSave}]
	living := p.living()
	if len(status) != len(living) || len(xsave) != len(living) {
		return nil, chunks, corrupt("registers of %d and %d threads, there are %d", len(status), len(xsave), len(living))
	}
	for i, t := range living {
		var s prstatus
		if _, err := binary.Decode(status[i], binary.LittleEndian, &s); err != nil {
			return nil, chunks, corrupt("registers of thread %d: %w", t.TID, err)
		}
		t.Regs, t.XSave = s.Regs, slices.Clone(xsave[i])
	}
	if err := m.checkStates(); err != nil {
		return nil, chunks, corrupt("%w", err)
	}
	return m, chunks, nil
}

// decodeManifest reads the manifest's JSON strictly, but looks at its version
// first: what a later version adds is no damage.
func decodeManifest(text []byte) (*Manifest, error) {
	var o outline
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, corrupt("manifest: %w", err)
	}
	if o.Version != ManifestVersion {
		return nil, &VersionError{Have: o.Version, Want: ManifestVersion}
	}
	if err := o.check(text); err != nil {
		return nil, err
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

// checkNotes checks that b is what encodeNotes makes of m and chunks.
func checkNotes(b []byte, m *Manifest, chunks chunkTable) error {
	var buf []byte
	err := eachNote(m, chunks, func(n note) error {
		buf = n.append(buf[:0])
		if !bytes.HasPrefix(b, buf) {
			return corrupt("%v is not as it was written", n)
		}
		b = b[len(buf):]
		return nil
	})
	if err == nil && len(b) > 0 {
		err = corrupt("%d bytes behind the notes", len(b))
	}
	return err
}
