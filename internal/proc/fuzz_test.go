package proc

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fuzzLines feeds a parser that must not fail but by an error.
func fuzzLines[T any](f *testing.F, parse func(*lines) (T, error), seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(_ *testing.T, b []byte) {
		parse(newLines(bytes.NewReader(b), "fuzz", maxSmall))
	})
}

// render writes mappings as the kernel does.
func render(list []VMA) string {
	var b strings.Builder
	for _, v := range list {
		mode := []byte("---p")
		for i, set := range []bool{v.Read, v.Write, v.Exec, v.Shared} {
			if set {
				mode[i] = "rwxs"[i]
			}
		}
		name := strings.ReplaceAll(v.Path, "\n", `\012`)
		if v.Deleted {
			name += deletedSuffix
		}
		head := fmt.Sprintf("%08x-%08x %s %08x %02x:%02x %d ", v.Start, v.End, mode, v.Offset, v.DevMajor, v.DevMinor, v.Inode)
		if name != "" {
			head = fmt.Sprintf("%-72s %s", head, name)
		}
		b.WriteString(head + "\n")
	}
	return b.String()
}

// FuzzMaps: what is taken comes out the same when it is written and read again.
func FuzzMaps(f *testing.F) {
	f.Add([]byte(readCaptured(f, "1001/maps")))
	f.Add([]byte("1-2 rwxs 0 0:0 0 \\012 (deleted) (deleted)\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := parseText(string(b), parseMaps)
		if err != nil {
			return
		}
		again, err := parseText(render(list), parseMaps)
		if diff := cmp.Diff(list, again); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	})
}

func FuzzSmaps(f *testing.F) {
	text := readCaptured(f, "1001/smaps")
	fuzzLines(f, parseSmaps, text[:strings.LastIndex(text[:2000], "\n")+1], "1-2 rwxs 0 0:0 0 \nVmFlags: \nSwap: 0 kB\n")
}

func FuzzStatus(f *testing.F) {
	fuzzLines(f, parseStatus, readCaptured(f, "1001/status"), readCaptured(f, "1003/status"),
		readCaptured(f, "2/status"), readCaptured(f, "1002/task/1012/status"))
}

func FuzzStat(f *testing.F) {
	for _, name := range []string{"1001/stat", "1003/stat", "2/stat", "1002/task/1012/stat"} {
		f.Add([]byte(readCaptured(f, name)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, reason := parseStat(b)
		if reason == "" && !bytes.Contains(b, []byte("("+s.Comm+") "+string(s.State))) {
			t.Errorf("name %q, state %c", s.Comm, s.State)
		}
	})
}

func FuzzLimits(f *testing.F) { fuzzLines(f, parseLimits, readCaptured(f, "1001/limits")) }

func FuzzTimers(f *testing.F) {
	fuzzLines(f, parseTimers, "ID: 3\nsignal: 60/00007fff86e452a8\nnotify: signal/tid.2634\nClockID: -6\n")
}

func FuzzFDInfo(f *testing.F) {
	const head = "pos:\t0\nflags:\t02\nmnt_id:\t15\nino:\t1\n"
	fuzzLines(f, parseFDInfo, head,
		head+"eventfd-count:               2a\neventfd-id: 3\neventfd-semaphore: 1\n",
		head+"tfd:        5 events: 8000001d data: ffffffffffffffff  pos:7 ino:61af sdev:fe00000\n",
		head+"clockid: 7\nticks: 3\nsettime flags: 01\nit_value: (0, 49406829)\nit_interval: (9, 8)\n",
		head+"sigmask:\t8000000000000200\n",
		head+"inotify wd:3 ino:9e7e sdev:8 mask:8 ignored_mask:0 fhandle-bytes:2 fhandle-type:1 f_handle:7e9e\n",
		head+"Pid:\t17\nNSpid:\t17\t3\n", head+"lock:\t1: FLOCK  ADVISORY  WRITE 359 00:13:11691 0 EOF\n",
		head+"tty-index:\t3\n")
}

func FuzzLocks(f *testing.F) {
	fuzzLines(f, parseLocks, "1: POSIX  ADVISORY  WRITE 4711 fe:00:247278 0 EOF\n1: -> POSIX  ADVISORY  READ  4712 fe:00:247278 10 19\n")
}

func FuzzMountInfo(f *testing.F) {
	fuzzLines(f, parseMountInfo, "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw\n", "1 0 0:1 / / ro - tmpfs  rw\n")
}

func FuzzCPUInfo(f *testing.F) {
	fuzzLines(f, parseCPUInfo, "processor\t: 0\nmodel name\t: A\nflags\t\t: fpu sse4_2\n\n")
}

// FuzzSmall covers what is not read by lines.
func FuzzSmall(f *testing.F) {
	f.Add([]byte("running"))
	f.Add([]byte("0 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x8"))
	f.Add([]byte(readCaptured(f, "1001/auxv")))
	f.Add([]byte(`a\134\040b\n`))
	f.Add([]byte("  12 kB"))
	f.Add([]byte("(3, 999999999)"))
	f.Add([]byte("01234567-89ab-cdef-0123-456789abcdef"))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseSyscall(b)
		if a, reason := parseAuxv(b); reason == "" && len(a.Raw)%16 != 0 {
			t.Errorf("auxv of %d bytes", len(a.Raw))
		}
		if s, ok := octal(b); ok && len(s) > len(b) {
			t.Errorf("octal makes %q longer", b)
		}
		if s, ok := comm(b); ok && len(s) > len(b) {
			t.Errorf("comm makes %q longer", b)
		}
		var size uint64
		if kilobytes(&size, b) && size%1024 != 0 {
			t.Errorf("%q is %d bytes", b, size)
		}
		var ns int64
		if seconds(&ns, b) && ns < 0 {
			t.Errorf("%q is %d ns", b, ns)
		}
		integers(b)
		isUUID(b)
	})
}

func FuzzCgroups(f *testing.F) {
	fuzzLines(f, parseCgroups, "4:memory:/a\n3:cpu,cpuacct:/\n0::/init.scope\n")
}
