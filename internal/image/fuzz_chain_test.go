package image

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Edits of the files of a chain. Of four bytes the first says which file, the second is
// one of these, and the others what it is about.
const (
	removeLink    = iota
	keepLink      // it gets the name by which it is kept
	truncateLink  // to so many 255ths
	exchangeLinks // with another one
	parentID      // a digit of it
	parentSeal
	parentPath
	sealOf      // its parent has the seal of another one
	changeNotes // a byte, and the seal fits
	changeHeaders
	changeByte // wherever
	numEdits
)

// FuzzChain edits the images of a chain, and opens what is left of it. What is good then
// can be made one image, in which the same memory is; all else is found.
func FuzzChain(f *testing.F) {
	dir, _ := threeLinks(f)
	var links [3][]byte
	for i := range links {
		var err error
		if links[i], err = os.ReadFile(filepath.Join(dir, linkName(i))); err != nil {
			f.Fatal(err)
		}
	}
	for _, edits := range [][]byte{
		{},
		{0, removeLink, 0, 0},
		{1, truncateLink, 3, 0},
		{1, exchangeLinks, 0, 0},
		{0, keepLink, 0, 0, 1, keepLink, 0, 0},
		{1, parentID, 31, '2', 1, parentPath, 0, 'b'},                  // its own parent
		{1, parentID, 31, '3', 1, parentPath, 0, 'c', 2, sealOf, 1, 0}, // a circle
		{2, parentID, 31, '1', 2, parentPath, 0, 'a', 2, sealOf, 0, 0}, // without the one between
		{0, changeNotes, 40, 7, 1, sealOf, 0, 0, 2, sealOf, 1, 0},
		{2, changeHeaders, 136, 1},
		{1, changeByte, 255, 1},
		{2, parentSeal, 3, 'g'},
	} {
		f.Add(edits)
	}
	f.Fuzz(func(t *testing.T, edits []byte) {
		c := chainFiles{names: [3]string{"a", "b", "c"}}
		for i := range links {
			c.bytes[i] = bytes.Clone(links[i])
		}
		for ; len(edits) >= 4; edits = edits[4:] {
			c.edit(int(edits[0])%3, edits[1]%numEdits, edits[2], edits[3])
		}
		dir := t.TempDir()
		for i, name := range c.names {
			if name == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, name), c.bytes[i], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range c.names {
			if name != "" {
				readChain(t, dir, name)
			}
		}
	})
}

func linkName(i int) string { return string("abc"[i]) }

type chainFiles struct {
	names [3]string // "": it is removed
	bytes [3][]byte
}

func (c *chainFiles) edit(i int, kind, at, value byte) {
	b := c.bytes[i]
	// value gives the value of a key of the parent, in the notes.
	valueOf := func(notes []byte, key string) []byte {
		_, parent, _ := bytes.Cut(notes, []byte(`"parent":{`))
		parent, _, _ = bytes.Cut(parent, []byte("}"))
		_, v, _ := bytes.Cut(parent, []byte(`"`+key+`":"`))
		v, _, _ = bytes.Cut(v, []byte(`"`))
		return v
	}
	put := func(key string) {
		editNotes(b, func(_, notes []byte) {
			if v := valueOf(notes, key); len(v) > 0 {
				v[int(at)%len(v)] = value
			}
		})
	}
	switch kind {
	case removeLink:
		c.names[i] = ""
	case keepLink:
		c.names[i] = KeptName(linkName(i), id(i))
	case truncateLink:
		c.bytes[i] = b[:len(b)*int(at)/255]
	case exchangeLinks:
		j := int(at) % 3
		c.bytes[i], c.bytes[j] = c.bytes[j], c.bytes[i]
	case parentID:
		put("id")
	case parentSeal:
		put("seal")
	case parentPath:
		put("path")
	case sealOf:
		other := editNotes(c.bytes[int(at)%3], func(_, _ []byte) {})
		editNotes(b, func(_, notes []byte) {
			copy(valueOf(notes, "seal"), hex.EncodeToString(other))
		})
	case changeNotes, changeHeaders:
		editNotes(b, func(headers, notes []byte) {
			if kind == changeHeaders {
				notes = headers
			}
			// Both bytes, to reach all of them.
			notes[(int(at)<<4|int(value)&15)%len(notes)] ^= 1 << (value >> 5)
		})
	case changeByte:
		if len(b) > 0 {
			b[len(b)*int(at)/256] ^= value
		}
	}
}

// editNotes lets f change headers and notes of an image, gives it the seal that fits, and
// returns that. What is no image any more stays as it is.
func editNotes(b []byte, f func(headers, notes []byte)) []byte {
	if len(b) < ehdrSize+phdrSize+sealSize {
		return nil
	}
	end := headersEnd(int(binary.LittleEndian.Uint16(b[56:])) - 1)
	notes, last := binary.LittleEndian.Uint64(b[72:]), uint64(len(b)-sealSize)
	if end > last || notes >= last {
		return nil
	}
	f(b[:end], b[notes:last])
	copy(b[last:], sealNote(seal(b[:end], b[notes:last])))
	return seal(b[:end], b[notes:last])
}

// readChain reads what an image of the chain offers, if it opens.
func readChain(t *testing.T, dir, name string) {
	found := func(err error) bool {
		return isFound(err) || errors.Is(err, ErrNoParent) || errors.Is(err, fs.ErrNotExist)
	}
	im, err := Open(filepath.Join(dir, name))
	if err != nil {
		var link *LinkError
		if !found(err) || errors.Is(err, fs.ErrNotExist) && !errors.As(err, &link) {
			t.Fatalf("%s: error of no kind: %v", name, err)
		}
		return
	}
	defer im.Close()
	damage := im.Verify(t.Context(), 1, nil)
	if damage != nil && !found(damage) {
		t.Fatalf("%s: error of no kind: %v", name, damage)
	}
	flat := filepath.Join(dir, "flat")
	if _, err := im.Flatten(t.Context(), flat, CommitOptions{}); damage == nil && err != nil {
		t.Fatalf("%s is good, but can not be flattened: %v", name, err)
	} else if damage != nil {
		return
	}
	one, err := Open(flat)
	if err != nil {
		t.Fatalf("%s, flattened: %v", name, err)
	}
	defer one.Close()
	for i := range im.Manifest().Processes {
		for _, s := range one.Space(i).Segments() {
			var want, got [PageSize]byte
			if err := errors.Join(im.Space(i).ReadMemory(uint64(s.Start), want[:]), one.Space(i).ReadMemory(uint64(s.Start), got[:])); err != nil || want != got {
				t.Fatalf("%s, flattened, has other memory at %s: %v", name, s.Start, err)
			}
		}
	}
}
