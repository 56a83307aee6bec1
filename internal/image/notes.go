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
func eachNote(m *Manifest, chunks chunkTable, f func(note) error) error {
	p := &m.Processes[0]
	text, err := json.Marshal(mapTexts(m, escape))
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	for i := range p.Threads {
		t := &p.Threads[i]
		notes := []note{prstatusNote(p, t)}
		if i == 0 {
			notes = append(notes, prpsinfoNote(p), siginfoNote(p), note{ownerCore, ntAuxv, p.Auxv}, fileNote(p))
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
	if raw := p.Threads[0].XSave; len(raw) > 0 {
		own = append(own, note{ownerLinux, ntXSaveLayout, xsaveLayoutNote(raw)})
	}
	own = append(own, note{ownerCkpt, ckptManifest, text})
	for i := range p.Threads {
		own = append(own, note{ownerCkpt, ckptXSave, p.Threads[i].XSave})
	}
	own = append(own, note{ownerCkpt, ckptChunks, chunks.append(make([]byte, 0, chunkEntry*chunks.len()))})
	for _, n := range own {
		if err := f(n); err != nil {
			return err
		}
	}
	return nil
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

// decodeNotes undoes encodeNotes. The manifest is valid in itself.
func decodeNotes(b []byte) (*Manifest, chunkTable, error) {
	var chunks chunkTable
	found := make(map[string][][]byte)
	for rest := b; len(rest) > 0; {
		n, r, err := nextNote(rest)
		if err != nil {
			return nil, chunks, err
		}
		key := n.String()
		found[key] = append(found[key], n.desc)
		rest = r
	}
	one := func(owner string, kind uint32) ([]byte, error) {
		n := note{owner: owner, kind: kind}
		if descs := found[n.String()]; len(descs) == 1 {
			return descs[0], nil
		}
		return nil, corrupt("%v is there %d times", n, len(found[n.String()]))
	}
	text, err := one(ownerCkpt, ckptManifest)
	if err != nil {
		return nil, chunks, err
	}
	m, err := decodeManifest(text)
	if err != nil {
		return nil, chunks, err
	}
	table, err := one(ownerCkpt, ckptChunks)
	if err != nil {
		return nil, chunks, err
	}
	if chunks, err = decodeChunks(table); err != nil {
		return nil, chunks, err
	}
	p := &m.Processes[0]
	auxv, err := one(ownerCore, ntAuxv)
	if err != nil {
		return nil, chunks, err
	}
	p.Auxv = slices.Clone(auxv)
	status := found[note{owner: ownerCore, kind: ntPrstatus}.String()]
	xsave := found[note{owner: ownerCkpt, kind: ckptXSave}.String()]
	if len(status) != len(p.Threads) || len(xsave) != len(p.Threads) {
		return nil, chunks, corrupt("registers of %d and %d threads, there are %d", len(status), len(xsave), len(p.Threads))
	}
	for i := range p.Threads {
		var s prstatus
		if _, err := binary.Decode(status[i], binary.LittleEndian, &s); err != nil {
			return nil, chunks, corrupt("registers of thread %d: %w", p.Threads[i].TID, err)
		}
		p.Threads[i].Regs = s.Regs
		p.Threads[i].XSave = slices.Clone(xsave[i])
	}
	if err := m.checkStates(); err != nil {
		return nil, chunks, corrupt("%w", err)
	}
	return m, chunks, nil
}

// decodeManifest reads the manifest's JSON strictly, but looks at its version
// first: what a later version adds is no damage.
func decodeManifest(text []byte) (*Manifest, error) {
	var v struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, corrupt("manifest: %w", err)
	}
	if v.Version != ManifestVersion {
		return nil, &VersionError{Have: v.Version, Want: ManifestVersion}
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
