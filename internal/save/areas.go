package save

import (
	"fmt"
	"strings"

	"ckpt/internal/image"
	"ckpt/internal/proc"
)

// keptFlags are the VmFlags (Documentation/filesystems/proc.rst) that say more
// than the other columns of a mapping, and that a restore puts back.
var keptFlags = map[string]bool{
	"gd": true, // grows down
	"dc": true, // MADV_DONTFORK
	"wf": true, // MADV_WIPEONFORK
	"dd": true, // MADV_DONTDUMP
	"hg": true, // MADV_HUGEPAGE
	"nh": true, // MADV_NOHUGEPAGE
	"mg": true, // MADV_MERGEABLE
	"sr": true, // MADV_SEQUENTIAL
	"rr": true, // MADV_RANDOM
	"lo": true, // mlock
	"lf": true, // MLOCK_ONFAULT
	"nr": true, // MAP_NORESERVE
	"dp": true, // MAP_DROPPABLE
	"mw": true, // may be made writable: the file was opened for writing
}

// refusedFlags are the VmFlags of mappings that can not be made again.
var refusedFlags = map[string]string{
	"ht": "uses huge pages of hugetlbfs",
	"io": "maps a device",
	"pf": "maps a device",
	"um": "is watched by userfaultfd",
	"uw": "is watched by userfaultfd",
	"ui": "is watched by userfaultfd",
	"ss": "is a shadow stack",
	"sf": "is mapped with MAP_SYNC",
}

// smallFile is the size in bytes up to which a private mapping of a data file
// is stored in the image as a whole.
const smallFile = 1 << 20

// mapping is an area with the line of /proc that it came from.
type mapping struct {
	image.Area
	vma *proc.VMA
}

// needsFile reports whether the area is mapped from a file that has to be
// opened again.
func (m *mapping) needsFile() bool {
	return (m.Kind == image.PrivateFile || m.Kind == image.SharedFile) && !m.vma.Deleted ||
		m.Kind == image.SharedFile
}

// classify turns the mappings of a process into areas, and notes those that
// can not be saved.
func (s *subject) classify(vmas []proc.VMA) []mapping {
	type file struct {
		major, minor uint32
		inode        uint64
	}
	key := func(v *proc.VMA) file { return file{v.DevMajor, v.DevMinor, v.Inode} }
	// A file of which any part is executable is a program or a library.
	code := map[file]bool{}
	for i := range vmas {
		if vmas[i].Exec && vmas[i].Inode != 0 {
			code[key(&vmas[i])] = true
		}
	}
	var ms []mapping
	for i := range vmas {
		v := &vmas[i]
		if v.Start >= uint64(image.MaxAddr) || v.Path == "[uprobes]" {
			continue // the vsyscall page and the like: the kernel gives them to everybody
		}
		m := mapping{Area: image.Area{
			Start: image.Addr(v.Start), End: image.Addr(v.End), Prot: protOf(v),
			Name: v.Path, Offset: v.Offset, File: -1, Flags: keepFlags(v),
		}, vma: v}
		m.Kind = kindOf(v)
		if m.Kind == image.PrivateFile {
			// What was deleted can only come from the image. Programs and
			// libraries are upgraded now and then, and so are small files
			// such as locales.
			m.Whole = code[key(v)] || v.Deleted || v.Size() <= smallFile
		}
		if m.Kind == image.Anonymous || m.Kind == image.VDSO || m.Kind == image.VVar {
			m.Offset = 0
		}
		if m.Kind == image.SharedAnonymous {
			m.Object = v.Inode
		}
		s.refuseMapping(&m)
		ms = append(ms, m)
	}
	return ms
}

// keepFlags are those flags of a mapping that a restore puts back.
func keepFlags(v *proc.VMA) []string {
	kept := []string{}
	for _, f := range v.VmFlags {
		if keptFlags[f] {
			kept = append(kept, f)
		}
	}
	return kept
}

func protOf(v *proc.VMA) (p image.Prot) {
	if v.Read {
		p |= image.ProtRead
	}
	if v.Write {
		p |= image.ProtWrite
	}
	if v.Exec {
		p |= image.ProtExec
	}
	return p
}

func kindOf(v *proc.VMA) image.AreaKind {
	switch {
	case v.Path == "[vdso]":
		return image.VDSO
	case strings.HasPrefix(v.Path, "[vvar"):
		return image.VVar
	case v.Shared && v.Path == "/dev/zero" && v.Deleted, v.Shared && strings.HasPrefix(v.Path, "[anon_shmem:"):
		return image.SharedAnonymous
	case v.Inode == 0, v.Path == "/dev/zero" && !v.Shared:
		return image.Anonymous
	case v.Shared:
		return image.SharedFile
	default:
		return image.PrivateFile
	}
}

// refuseMapping notes what about a mapping can not be saved.
func (s *subject) refuseMapping(m *mapping) {
	object := fmt.Sprintf("memory at %s-%s (%s)", m.Start, m.End, describeMapping(m))
	switch {
	case m.Kind == image.VVar || m.Kind == image.VDSO:
		return
	case strings.HasPrefix(m.Name, "/SYSV"):
		s.refuse(object, "is System V shared memory, which this version does not save", "")
		return
	case strings.HasPrefix(m.Name, "/[aio]"):
		s.refuse(object, "is a ring of io_setup(2) (Linux AIO)", "")
		return
	case strings.HasPrefix(m.Name, "anon_inode:"):
		s.refuse(object, "belongs to a kernel object that this version does not save", "")
		return
	}
	for _, f := range m.vma.VmFlags {
		if reason, bad := refusedFlags[f]; bad {
			s.refuse(object, reason, "")
			return
		}
	}
	if m.vma.ProtectionKey != 0 {
		s.refuse(object, fmt.Sprintf("has memory protection key %d", m.vma.ProtectionKey), "")
	}
}

func describeMapping(m *mapping) string {
	if m.Name == "" {
		return string(m.Kind)
	}
	return m.Name
}
