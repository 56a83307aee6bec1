package kind

import (
	"fmt"
	"strings"

	"ckpt/internal/sys"
)

// refusal is something that is known but can not be saved.
type refusal struct {
	match          func(d *Desc) bool
	what           string // in a user's words
	reason, advice string
}

// refusals are what gets a better answer than "unknown". The first match wins.
var refusals = []refusal{
	{linked("socket:["), "socket",
		"connections of this kind are not supported", "close the connection before saving"},
	{linked("anon_inode:[io_uring]"), "io_uring",
		"requests in flight live in the kernel only", "make the program use another way of input and output, e.g. UV_USE_IO_URING=0 for libuv and Node.js"},
	{linked("anon_inode:[userfaultfd]"), "userfaultfd",
		"it stands for an agreement with the kernel about memory, which can not be made again", "close it before saving"},
	{linked("anon_inode:[perf_event]"), "perf event",
		"counters can not be set to a value", "stop profiling before saving"},
	{linked("anon_inode:bpf"), "BPF object",
		"programs and maps live in the kernel only", "pin it and close it before saving"},
	{linked("anon_inode:[fanotify]"), "fanotify",
		"its marks can not be read back", "close it before saving"},
	{linked("anon_inode:kvm"), "virtual machine",
		"the state of KVM devices is not supported", "use the virtual machine's own snapshots"},
	{linked("anon_inode:seccomp"), "seccomp listener",
		"it serves the system calls of another process", "save without it"},
	{linked("anon_inode:[landlock-ruleset]"), "landlock ruleset",
		"it can not be read back", "close it before saving"},
	{linked("anon_inode:sync_file"), "GPU fence",
		"the state of GPUs is not supported", "close the device before saving"},
	{linked("/dmabuf:"), "DMA buffer",
		"the state of GPUs and other devices is not supported", "close the device before saving"},
	{linked(secretmem), "secret memory",
		"memory of memfd_secret is hidden from everybody but the process itself", "unmap it before saving"},
	{linked("mnt:[", "net:[", "ipc:[", "uts:[", "user:[", "pid:[", "cgroup:[", "time:["), "namespace",
		"a namespace lives only as long as somebody is in it", "close it before saving"},
	{typed(sys.ModeBlock), "block device",
		"its content can not be compared with that of today", "close it before saving"},
	{linked("/dev/nvidia", "/dev/dri/", "/dev/kfd", "/dev/accel"), "GPU",
		"the state of GPUs is not supported", "let the program release the GPU before saving"},
	{linked("/dev/infiniband/"), "InfiniBand device",
		"connections of the network card are not supported", "let the program close it before saving"},
	{linked("/dev/kvm"), "virtual machine",
		"the state of KVM devices is not supported", "use the virtual machine's own snapshots"},
	{linked("/dev/fuse"), "FUSE server",
		"open files of others depend on it", "unmount before saving"},
	{linked("/dev/kmsg"), "kernel log",
		"its position is a place in a log that has moved on", "close it before saving"},
	{typed(sys.ModeChar), "device",
		"the state of this device is not known", "close it before saving"},
	{linked("anon_inode:"), "anonymous inode",
		"this kind of object is not known", "close it before saving"},
}

// linked matches descriptors whose link begins with one of the prefixes.
func linked(prefixes ...string) func(d *Desc) bool {
	return func(d *Desc) bool {
		for _, p := range prefixes {
			if strings.HasPrefix(d.Link, p) {
				return true
			}
		}
		return false
	}
}

// typed matches descriptors of a type of file.
func typed(mode uint32) func(d *Desc) bool {
	return func(d *Desc) bool { return d.Stat.Mode&sys.ModeType == mode }
}

// refuse says why d can not be saved.
func refuse(d *Desc) error {
	for _, r := range refusals {
		if r.match(d) {
			what := r.what
			if d.Protocol != "" {
				what += ", " + d.Protocol
			}
			return &UnsupportedError{Object: d.named(what), Reason: r.reason, Advice: r.advice}
		}
	}
	return &UnsupportedError{
		Object: d.object(),
		Reason: "this kind of open file is not known",
		Advice: "close it before saving",
	}
}

// named is object with the thing's name in front of its path, or instead of
// what the kernel calls it.
func (d *Desc) named(what string) string {
	if strings.HasPrefix(d.Link, "/") {
		what += " " + d.Link
	}
	if d.FD < 0 {
		return "mapped " + what
	}
	return fmt.Sprintf("fd %d (%s)", d.FD, what)
}
