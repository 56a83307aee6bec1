package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// FileStat is what stat(2) tells of a file.
type FileStat struct {
	Dev, Ino, Rdev     uint64
	Mode               uint32 // S_IFMT and permissions
	Nlink              uint64
	UID, GID           uint32
	Size, Blocks       int64  // bytes, 512-byte units
	Mtime, Ctime       int64  // ns since the epoch
	DevMajor, DevMinor uint32 // Dev taken apart
}

// Parts of FileStat.Mode, see inode(7).
const (
	ModeType    = unix.S_IFMT
	ModeRegular = unix.S_IFREG
	ModeDir     = unix.S_IFDIR
	ModeChar    = unix.S_IFCHR
	ModeBlock   = unix.S_IFBLK
	ModeFIFO    = unix.S_IFIFO
	ModeSocket  = unix.S_IFSOCK
	ModeSymlink = unix.S_IFLNK
	ModePerm    = 0o7777 // permissions with setuid, setgid and sticky
)

// StatFD is fstat(2).
func StatFD(fd int) (FileStat, error) {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return FileStat{}, os.NewSyscallError("fstat", err)
	}
	return fileStat(&st), nil
}

// StatPath is stat(2): it follows symbolic links. The error names the path.
func StatPath(path string) (FileStat, error) {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Stat(path, &st) }); err != nil {
		return FileStat{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return fileStat(&st), nil
}

// LstatPath is lstat(2). The error names the path.
func LstatPath(path string) (FileStat, error) {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Lstat(path, &st) }); err != nil {
		return FileStat{}, &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	return fileStat(&st), nil
}

func fileStat(st *unix.Stat_t) FileStat {
	return FileStat{
		Dev: st.Dev, Ino: st.Ino, Rdev: st.Rdev,
		Mode: st.Mode, Nlink: uint64(st.Nlink),
		UID: st.Uid, GID: st.Gid,
		Size: st.Size, Blocks: st.Blocks,
		Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano(),
		DevMajor: unix.Major(st.Dev), DevMinor: unix.Minor(st.Dev),
	}
}

// Major and Minor take a device number apart, see makedev(3).
func Major(dev uint64) uint32 { return unix.Major(dev) }

// Minor is the other half of Major.
func Minor(dev uint64) uint32 { return unix.Minor(dev) }

// FSMagic is the type of the file system that path is on, see statfs(2) and
// include/uapi/linux/magic.h. The error names the path.
func FSMagic(path string) (int64, error) {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Statfs(path, &st) }); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return int64(st.Type), nil
}

// IsPseudoFS reports whether a file system of this type invents its files'
// contents, sizes and times when they are looked at.
func IsPseudoFS(magic int64) bool {
	switch magic {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC,
		unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC, unix.SELINUX_MAGIC,
		unix.EFIVARFS_MAGIC, unix.PSTOREFS_MAGIC, unix.BPF_FS_MAGIC, unix.RDTGROUP_SUPER_MAGIC,
		configfsMagic:
		return true
	}
	return false
}

// IsPageCacheFS reports whether files on a file system of this type are read from the
// very pages that are mapped. It need not know all that are.
func IsPageCacheFS(magic int64) bool {
	switch magic {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC: // ext2 and ext3 have the first one, too
		return true
	}
	return false
}

// configfsMagic is CONFIGFS_MAGIC of fs/configfs/mount.c.
const configfsMagic = 0x62656570

// HugetlbfsMagic is the type of the file system of huge pages.
const HugetlbfsMagic = unix.HUGETLBFS_MAGIC

// SetMtime sets the modification time of the open file, in ns since the epoch,
// and leaves its access time alone, see utimensat(2).
func SetMtime(fd int, mtime int64) error {
	ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(mtime)}
	err := retry(func() error { return futimens(fd, ts) })
	return os.NewSyscallError("utimensat", err)
}

// SetMode is fchmod(2), with the set-id and sticky bits where stat(2) has them.
func SetMode(fd int, mode uint32) error {
	return os.NewSyscallError("fchmod", retry(func() error { return unix.Fchmod(fd, mode) }))
}

// MqueueMagic is the type of the file system of POSIX message queues,
// MQUEUE_MAGIC of ipc/mqueue.c.
const MqueueMagic = 0x19800202
