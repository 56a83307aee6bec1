package proc

import (
	"os"
	"strings"
	"testing"
)

// readCaptured is the text of a captured file.
func readCaptured(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/proc/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestStatusLines(t *testing.T) {
	t.Parallel()
	text := readCaptured(t, "1001/status")
	with := func(old, new string) string {
		t.Helper()
		if !strings.Contains(text, old) {
			t.Fatalf("captured status has no %q", old)
		}
		return strings.Replace(text, old, new, 1)
	}
	s := mustParse(t, with("Groups:\t ", "Groups:\t4 27 4294967294 "), parseStatus)
	if len(s.Groups) != 3 || s.Groups[2] != 4294967294 {
		t.Errorf("groups are %d", s.Groups)
	}
	s = mustParse(t, with("Uid:\t0\t0\t0\t0", "Uid:\t1\t2\t3\t4294967294"), parseStatus)
	if s.Uid != [4]int{1, 2, 3, 4294967294} {
		t.Errorf("uids are %d", s.Uid)
	}
	s = mustParse(t, with("Threads:", "x86_Thread_features:\tshstk wrss \nx86_Thread_features_locked:\t\nThreads:"), parseStatus)
	if strings.Join(s.ThreadFeatures, ",") != "shstk,wrss" {
		t.Errorf("thread features are %q", s.ThreadFeatures)
	}
	s = mustParse(t, with("Name:\tbash", "Name:\t"), parseStatus)
	if s.Name != "" {
		t.Errorf("empty name is %q", s.Name)
	}
	s = mustParse(t, with("SigBlk:\t0000000000010000", "SigBlk:\tfffffffe7ffbfeff"), parseStatus)
	if s.SigBlk != 0xfffffffe7ffbfeff {
		t.Errorf("SigBlk is %#x", s.SigBlk)
	}
	for old, new := range map[string]string{
		"Tgid:\t1001":                 "Tgid:\t-1",
		"State:\tS (":                 "State:\t(",
		"Uid:\t0\t0\t0\t0":            "Uid:\t0\t0\t0",
		"SigQ:\t0/":                   "SigQ:\t0 ",
		"Umask:\t0022":                "Umask:\t0028",
		"SigBlk:\t0000000000010000":   "SigBlk:\t10000000000000000",
		"VmSize:\t":                   "VmSize:\tx",
		"NoNewPrivs:\t0":              "NoNewPrivs:\t2",
		"Name:\tbash":                 "Name:\ta\\tb",
		"Threads:\t1":                 "Threads:\t1\nThreads:\t1",
		"Seccomp_filters:\t0":         "Seccomp_filters:\t99999999999999999999",
		"THP_enabled:\t1":             "THP_enabled:\t",
		"CapAmb:\t0000000000000000\n": "",
		"Pid:\t1001\n":                "Pid 1001\n",
	} {
		wantBad(t, with(old, new), 0, parseStatus)
	}
	wantBad(t, "Name:\tx\nState:S\n", 2, parseStatus)
}

func TestStatNames(t *testing.T) {
	t.Parallel()
	tail := strings.Repeat(" 0", statFields-1) + "\n"
	for _, name := range []string{"", "a", "a b", ") R 1", "((", "\n", "x) S 1 2 (y", ") "} {
		s, reason := parseStat([]byte("17 (" + name + ") S" + tail))
		if reason != "" || s.Comm != name || s.Pid != 17 || s.State != 'S' {
			t.Errorf("name %q: %+v %s", name, s, reason)
		}
	}
	for _, text := range []string{
		"", "\n", "17\n", "17 (a\n", "17 a) S" + tail, "(a) S" + tail, "-1 (a) S" + tail, "17 (a)S" + tail,
		"17 (a) SS" + tail, "17 (a) 0" + tail, "17 (a) S" + tail[2:], "17 (a) S" + strings.TrimSuffix(tail, "\n"),
		"17 (a) S" + strings.Replace(tail, "0", "x", 1),
		"17 (a) S" + strings.TrimSuffix(tail, " 0 0\n") + " 18446744073709551616 0\n",
	} {
		if s, reason := parseStat([]byte(text)); reason == "" {
			t.Errorf("%q is taken: %+v", text, s)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	text := readCaptured(t, "1001/limits")
	first, rest, _ := strings.Cut(text, "\n")
	wantBad(t, "", 1, parseLimits)
	wantBad(t, rest, 1, parseLimits)
	wantBad(t, first+"\n", 2, parseLimits)
	wantBad(t, text+"Max cpu time              0 0 seconds\n", 18, parseLimits)
	wantBad(t, text+"Max unheard of            0 0 seconds\n", 18, parseLimits)
	wantBad(t, strings.Replace(text, "unlimited", "-1", 1), 2, parseLimits)
	wantBad(t, strings.Replace(text, "unlimited", "18446744073709551616", 1), 2, parseLimits)
	got := mustParse(t, strings.Replace(text, "unlimited", "18446744073709551614", 1), parseLimits)
	if got[0] != (Limit{1<<64 - 2, Unlimited}) {
		t.Errorf("RLIMIT_CPU is %d", got[0])
	}
}

func TestAuxvBad(t *testing.T) {
	t.Parallel()
	entry := append(make([]byte, 16), 1)
	for n, want := range map[int]bool{0: false, 8: false, 15: false, 16: true, 17: false} {
		if _, reason := parseAuxv(entry[:n]); (reason == "") != want {
			t.Errorf("%d bytes: %q", n, reason)
		}
	}
	if _, reason := parseAuxv([]byte("aaaaaaaabbbbbbbb")); reason == "" {
		t.Error("a vector without AT_NULL is taken")
	}
}

func TestSyscallLines(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]SyscallState{
		"running":                  {Running: true},
		"-1 0x7ff0 0xffffffffff60": {Nr: -1, SP: 0x7ff0, PC: 0xffffffffff60},
		"0 0x1 0x2 0x3 0x4 0x5 0xffffffffffffffff 0x7 0x8": {
			Args: [6]uint64{1, 2, 3, 4, 5, 1<<64 - 1}, SP: 7, PC: 8,
		},
	} {
		if got, ok := parseSyscall([]byte(text)); !ok || got != want {
			t.Errorf("%q is %+v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "walking", "-1 0x1", "0 0x1 0x2", "-1 1 2", "x 0x1 0x2", "-1 0x1 0x2 0x3"} {
		if got, ok := parseSyscall([]byte(text)); ok {
			t.Errorf("%q is taken: %+v", text, got)
		}
	}
}

func TestCPUInfo(t *testing.T) {
	t.Parallel()
	text := "processor\t: 0\nmodel name\t: A: B  C\npower management:\nflags\t\t: fpu sse4_2\nvmx flags\t: x\n\nprocessor\t: 1\nflags\t\t: no\n"
	c := mustParse(t, text, parseCPUInfo)
	if c.Model != "A: B  C" || strings.Join(c.Flags, ",") != "fpu,sse4_2" {
		t.Errorf("processor is %+v", c)
	}
	wantBad(t, "processor\t: 0\n\nflags\t\t: fpu\n", 2, parseCPUInfo)
	wantBad(t, "processor\n", 1, parseCPUInfo)
}
