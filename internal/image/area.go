package image

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// Addr is an address in a saved process. In JSON it is a hexadecimal string,
// since readers of JSON round numbers above 2^53.
type Addr uint64

// AppendText writes the address as "0x7f...".
func (a Addr) AppendText(b []byte) ([]byte, error) {
	return strconv.AppendUint(append(b, "0x"...), uint64(a), 16), nil
}

// MarshalText is AppendText for encoding/json.
func (a Addr) MarshalText() ([]byte, error) { return a.AppendText(nil) }

// UnmarshalText reads what MarshalText wrote and nothing else.
func (a *Addr) UnmarshalText(b []byte) error {
	digits, ok := strings.CutPrefix(string(b), "0x")
	v, err := strconv.ParseUint(digits, 16, 64)
	if !ok || err != nil || Addr(v).String() != string(b) {
		return fmt.Errorf("bad address %q", b)
	}
	*a = Addr(v)
	return nil
}

func (a Addr) String() string { return "0x" + strconv.FormatUint(uint64(a), 16) }

// AreaKind says how an area comes back.
type AreaKind string

const (
	Anonymous       AreaKind = "anonymous"        // private, no file
	PrivateFile     AreaKind = "file"             // private mapping of File
	SharedFile      AreaKind = "shared-file"      // shared mapping of File (also memfd and deleted files)
	SharedAnonymous AreaKind = "shared-anonymous" // shared, no name that could be opened
	VDSO            AreaKind = "vdso"             // the kernel's code page; its content is always saved
	VVar            AreaKind = "vvar"             // the kernel's data for the vDSO; never saved
)

// Area is one mapping of a saved process: a line of /proc/PID/maps. Pages that
// no Chunk of the image covers are zero in Anonymous and SharedAnonymous areas
// and come from the file in PrivateFile and SharedFile areas.
type Area struct {
	Start  Addr     `json:"start"`
	End    Addr     `json:"end"`
	Prot   Prot     `json:"prot"`
	Kind   AreaKind `json:"kind"`
	Name   string   `json:"name,omitempty"`   // last column of maps: path, [heap], [anon:x]
	Offset uint64   `json:"offset,omitempty"` // in the file
	File   int      `json:"file"`             // OpenFile.ID of the mapped file; -1: none
	Flags  []string `json:"flags"`            // VmFlags of smaps that matter, as spelled there
	// Object tells SharedAnonymous areas apart that are different memory: those
	// with the same number are parts of one. If Manifest.Objects has the number,
	// the content is the object's: the area, which can be a SharedFile as well,
	// shows its bytes from Offset on.
	Object uint64 `json:"object,omitempty"`
	// Whole says that every page with content is in the image, so that a
	// PrivateFile area can be restored without its file, and a SharedFile area
	// whose file only the process itself could read fills that file again.
	// It is also said of an Anonymous area that was mapped from an older image.
	Whole bool `json:"whole,omitempty"`
	// Dirty lists what of a Whole area the process had written to: all that
	// has to be read from the image when the file is still the same.
	Dirty []AddrRange `json:"dirty,omitempty"`
}

// AddrRange is the memory from Start up to, but not including, End.
type AddrRange struct {
	Start Addr `json:"start"`
	End   Addr `json:"end"`
}

// Size is the area's length in bytes.
func (a *Area) Size() uint64 { return uint64(a.End - a.Start) }

// areaAt is the area that addr is in, or nil.
func areaAt(areas []Area, addr uint64) *Area {
	i := sort.Search(len(areas), func(i int) bool { return uint64(areas[i].End) > addr })
	if i == len(areas) || uint64(areas[i].Start) > addr {
		return nil
	}
	return &areas[i]
}

// HasFlag reports whether the area has the VmFlag, e.g. "gd" (grows down).
func (a *Area) HasFlag(flag string) bool {
	for _, f := range a.Flags {
		if f == flag {
			return true
		}
	}
	return false
}

// Prot are the protection bits of an area: PROT_READ 1, PROT_WRITE 2,
// PROT_EXEC 4. In JSON it is a string like "rw-".
type Prot uint8

const (
	ProtRead Prot = 1 << iota
	ProtWrite
	ProtExec
)

func (p Prot) String() string {
	s := []byte("---")
	for i, c := range []byte("rwx") {
		if p&(1<<i) != 0 {
			s[i] = c
		}
	}
	return string(s)
}

// MarshalText writes the bits as "rwx" with a dash for each missing one.
func (p Prot) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (p *Prot) UnmarshalText(b []byte) error {
	for v := Prot(0); v < 8; v++ {
		if v.String() == string(b) {
			*p = v
			return nil
		}
	}
	return fmt.Errorf("bad protection %q", b)
}
