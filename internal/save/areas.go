package save

import (
	"fmt"
	"io"
	"slices"
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

// refusedFlags are the VmFlags of mappings that can not be made again: why, and
// what to do about it.
var refusedFlags = map[string][2]string{
	"ht": {"uses huge pages of hugetlbfs, which are the system's", "start the program with ordinary or transparent huge pages (madvise)"},
	"io": {"maps a device", "let the program release the device before saving"},
	"pf": {"maps a device", "let the program release the device before saving"},
	"um": {"is watched by userfaultfd", "let the program unregister it before saving"},
	"uw": {"is watched by userfaultfd", "let the program unregister it before saving"},
	"ui": {"is watched by userfaultfd", "let the program unregister it before saving"},
	"ss": {"is a shadow stack (CET)", shadowStackAdvice},
	"sf": {"is mapped with MAP_SYNC", "let the program unmap it before saving"},
}

// watchFlag is that of memory whose writes a userfaultfd notes: an incremental save's,
// too.
const watchFlag = "uw"

// smallFile is the size in bytes up to which a private mapping of a data file
// is stored in the image as a whole.
const smallFile = 1 << 20

// mapping is an area with the line of /proc that it came from.
type mapping struct {
	image.Area
	vma     *proc.VMA
	refused bool
	code    bool // it is of a program or a library
}

// needsFile reports whether the area is mapped from a file that has to be
// opened again.
func (m *mapping) needsFile() bool {
	return !m.refused && (m.Kind == image.SharedFile || m.Kind == image.PrivateFile && !m.vma.Deleted)
}

// mappedFile tells files apart.
type mappedFile struct {
	major, minor uint32
	inode        uint64
}

func fileOf(v *proc.VMA) mappedFile { return mappedFile{v.DevMajor, v.DevMinor, v.Inode} }

// mappedImages finds the images that memory is mapped from, as restore --lazy does
// it: it maps their first pages as well. What is mapped from an image is saved as
// the memory that it stands for, and the image is not needed any more.
func mappedImages(vmas []proc.VMA, mem io.ReaderAt) map[mappedFile]bool {
	images := map[mappedFile]bool{}
	for i := range vmas {
		if mayBeMark(&vmas[i]) {
			var b [image.MarkSize]byte
			if _, err := mem.ReadAt(b[:], int64(vmas[i].Start)); err == nil && image.Marked(b[:]) {
				images[fileOf(&vmas[i])] = true
			}
		}
	}
	return images
}

// mayBeMark reports whether a mapping can be the first page of an image.
func mayBeMark(v *proc.VMA) bool {
	return kindOf(v) == image.PrivateFile && v.Offset == 0 && v.Size() == pageSize && v.Read && !v.Write && !v.Exec
}

// classify turns the mappings of a process into areas, and notes those that
// can not be saved. Memory that is mapped from s.images counts as anonymous.
func (s *subject) classify(vmas []proc.VMA) []mapping {
	// A file of which any part is executable is a program or a library.
	code := map[mappedFile]bool{}
	for i := range vmas {
		if vmas[i].Exec && vmas[i].Inode != 0 {
			code[fileOf(&vmas[i])] = true
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
		}, vma: v, code: code[fileOf(v)]}
		m.Kind = kindOf(v)
		if s.images[fileOf(v)] && m.Kind == image.PrivateFile {
			m.Kind, m.Name, m.Whole = image.Anonymous, "", true
		}
		if m.Kind == image.PrivateFile {
			// What was deleted can only come from the image. Programs and
			// libraries are upgraded now and then, and so are small files
			// such as locales.
			m.Whole = m.code || v.Deleted || v.Size() <= smallFile
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
	flags := m.vma.VmFlags
	if slices.Contains(flags, watchFlag) && s.watched() {
		flags = slices.DeleteFunc(slices.Clone(flags), func(f string) bool { return f == watchFlag })
	}
	if reason, advice := unsavable(m, flags); reason != "" {
		m.refused = true
		s.refuse(fmt.Sprintf("memory at %s-%s (%s)", m.Start, m.End, describeMapping(m)), reason, advice)
	}
}

// unsavable says why a mapping with such flags can not be saved, and what to do about it; nothing
// if it can.
func unsavable(m *mapping, flags []string) (reason, advice string) {
	switch {
	case m.Kind == image.VVar || m.Kind == image.VDSO:
		return "", ""
	case strings.HasPrefix(m.Name, sysVMemory):
		return "is System V shared memory, which is not saved", ipcAdvice
	case strings.HasPrefix(m.Name, "/[aio]"):
		return "is a ring of io_setup(2) (Linux AIO): requests in flight live in the kernel only", "make the program use another way of input and output (MySQL: innodb_use_native_aio=0)"
	case strings.HasPrefix(m.Name, "anon_inode:"):
		// io_uring, perf events, BPF rings: a descriptor that is open says more.
		return "belongs to an object of the kernel that is not saved", "let the program close it and unmap this before saving"
	}
	for _, f := range flags {
		if why, bad := refusedFlags[f]; bad {
			return why[0], why[1]
		}
	}
	// The kernel itself gives a key to memory that may be executed only
	// (execute_only_pkey in arch/x86/mm/pkeys.c), and will again.
	if m.vma.ProtectionKey != 0 && m.Prot != image.ProtExec {
		return fmt.Sprintf("has memory protection key %d", m.vma.ProtectionKey), "let the program give the memory back its ordinary protection (pkey_mprotect with -1) before saving"
	}
	return "", ""
}

func describeMapping(m *mapping) string {
	if m.Name == "" {
		return string(m.Kind)
	}
	return m.Name
}
