package image

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/zeebo/xxh3"
)

// part is where the headers of an object or of a process other than the root
// are in the file, and behind them the notes of the process. Both are as at the
// beginning and the end of an image whose root it would be.
type part struct {
	fileRange
	sum uint64 // xxh3-64
}

// partEntry is the size of a part in the table of parts, and partAlign where a
// part begins.
const (
	partEntry = 24
	partAlign = 8
)

// parts is how many parts the image has: first the objects', then the processes'.
func (m *Manifest) parts() int { return len(m.Objects) + len(m.Processes) - 1 }

func appendParts(b []byte, parts []part) []byte {
	for _, p := range parts {
		b = binary.LittleEndian.AppendUint64(b, p.pos)
		b = binary.LittleEndian.AppendUint64(b, p.len)
		b = binary.LittleEndian.AppendUint64(b, p.sum)
	}
	return b
}

func decodeParts(b []byte, n int) ([]part, error) {
	if len(b) != n*partEntry {
		return nil, corrupt("table of parts of %d bytes for %d parts", len(b), n)
	}
	parts := make([]part, n)
	for i := range parts {
		p := b[i*partEntry:]
		parts[i] = part{
			fileRange{binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[8:])}, binary.LittleEndian.Uint64(p[16:]),
		}
	}
	return parts, nil
}

// checkParts checks that parts are one behind the other, from pos until the
// notes of the image.
func checkParts(parts []part, pos uint64, notes fileRange) error {
	for i, p := range parts {
		if p.pos != alignPart(pos) {
			return corrupt("part %d at %#x+%#x, behind %#x", i, p.pos, p.len, pos)
		}
		pos = p.end()
	}
	if alignUp(pos) != notes.pos {
		return corrupt("payload and parts end at %#x, notes begin at %#x", pos, notes.pos)
	}
	return nil
}

func alignPart(pos uint64) uint64 { return (pos + partAlign - 1) &^ (partAlign - 1) }

// encodePart makes the part that is to be at pos.
func encodePart(segs []Segment, notes []byte, pos uint64) (part, []byte) {
	at := fileRange{pos + headersEnd(len(segs)), uint64(len(notes))}
	b := append(encodeHeaders(segs, at, ManifestVersion), notes...)
	return part{fileRange{pos, uint64(len(b))}, xxh3.Hash(b)}, b
}

// readPart undoes encodePart.
func readPart(r io.ReaderAt, p part, version int) (segs []Segment, notes []byte, err error) {
	b := make([]byte, p.len)
	if _, err := r.ReadAt(b, int64(p.pos)); err != nil {
		return nil, nil, readError("headers and notes", err)
	}
	if sum := xxh3.Hash(b); sum != p.sum {
		return nil, nil, corrupt("headers and notes at file offset %#x: checksum is %#x instead of %#x", p.pos, sum, p.sum)
	}
	headers, segs, at, err := readHeaders(bytes.NewReader(b), p.len)
	if err != nil {
		return nil, nil, err
	}
	if int(headers[versionAt]) != version {
		return nil, nil, corrupt("headers at file offset %#x are of version %d, the image's of %d", p.pos, headers[versionAt], version)
	}
	n := uint64(len(headers))
	if at.pos != p.pos+n || at.len != p.len-n || at.len > maxNotes {
		return nil, nil, corrupt("notes at %#x+%#x are not behind their headers", at.pos, at.len)
	}
	return segs, b[n:], nil
}

// partName says whose the part is.
func (m *Manifest) partName(i int) string {
	if i < len(m.Objects) {
		return fmt.Sprintf("shared memory object %d", m.Objects[i].ID)
	}
	return fmt.Sprintf("process %d", m.Processes[i-len(m.Objects)+1].PID)
}
