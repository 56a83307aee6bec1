package restore

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/proc"
)

// credentialSteps are the system calls by which who becomes c.
func credentialSteps(t *testing.T, who proc.Status, c image.Credentials) []string {
	t.Helper()
	p := &preparation{host: &host{status: &who}, process: &image.Process{Credentials: c}, thread: &image.Thread{}}
	pl, _ := steps(t, p, 0, func(w *writer) {
		w.credentials()
		w.dumpable()
	})
	var all []string
	for _, op := range pl.Ops[:len(pl.Ops)-1] {
		all = append(all, op.What)
	}
	return all
}

var always = []string{"set the keep-capabilities flag", "set the parent death signal", "set the dumpable attribute"}

func TestCredentials(t *testing.T) {
	t.Parallel()
	root := proc.Status{Groups: []int{0}, CapPrm: 0x1ff, CapEff: 0x1ff, CapBnd: 0x1ff}
	same := image.Credentials{Groups: []int{0}, Permitted: 0x1ff, Effective: 0x1ff, Bounding: 0x1ff}
	user := [4]int{7, 7, 7, 7}
	for name, test := range map[string]struct {
		change func(*image.Credentials)
		want   []string
	}{
		"same":   {func(*image.Credentials) {}, nil},
		"groups": {func(c *image.Credentials) { c.Groups = []int{0, 4} }, []string{"set the supplementary groups"}},
		"user": {func(c *image.Credentials) { c.UID, c.GID, c.Permitted, c.Effective = user, user, 0, 0 },
			[]string{"keep capabilities", "set the group ids", "set the user ids", "set the capabilities"}},
		"file system ids": {func(c *image.Credentials) { c.UID[3], c.GID[3] = 7, 8 },
			[]string{"keep capabilities", "set the group ids", "set the file system group id", "set the user ids", "set the file system user id", "set the capabilities"}},
		"bounding set": {func(c *image.Credentials) { c.Bounding = 0x17f }, []string{"drop capability 7 from the bounding set"}},
		"ambient": {func(c *image.Credentials) { c.Ambient, c.Inheritable = 0x12, 0x10 },
			[]string{"set the capabilities", "clear the ambient capabilities", "raise ambient capability 4"}},
	} {
		c := same
		test.change(&c)
		if got, want := credentialSteps(t, root, c), slices.Concat(test.want, always[:2]); !slices.Equal(got[:len(got)-1], want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestCredentialsOfUsers: whoever has no rights tries to give none.
func TestCredentialsOfUsers(t *testing.T) {
	t.Parallel()
	who := proc.Status{Uid: [4]int{7, 7, 7, 7}, Gid: [4]int{7, 7, 7, 7}, Groups: []int{7}, CapBnd: 0x1ff}
	c := image.Credentials{UID: who.Uid, GID: who.Gid, Groups: []int{8}, Bounding: 0x1ff}
	if got := credentialSteps(t, who, c); !slices.Equal(got, always) {
		t.Errorf("%q", got)
	}
	var warnings []string
	p := &preparation{host: &host{status: &who}, process: &image.Process{Credentials: c}}
	p.process.Credentials.Permitted = 1 << 13
	who.CapBnd, who.NoNewPrivs = 0x3ff, true
	p.o.Warn = func(object, _ string) { warnings = append(warnings, object) }
	p.warnCredentials(&member{process: p.process})
	if want := []string{"capabilities", "capability bounding set", "supplementary groups", "no_new_privs"}; !slices.Equal(warnings, want) {
		t.Errorf("warnings %q, want %q", warnings, want)
	}
}

// TestCapabilitySets: struct __user_cap_data_struct of
// include/uapi/linux/capability.h, twice, low words first.
func TestCapabilitySets(t *testing.T) {
	t.Parallel()
	got := capabilitySets(0x1_00000002, 0x3_00000004, 0x5_00000006)
	want := []byte{2, 0, 0, 0, 4, 0, 0, 0, 6, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 5, 0, 0, 0}
	if !bytes.Equal(got, want) {
		t.Errorf("% x", got)
	}
}

// TestCapabilitiesAreNotMore: capset is only asked for what we have.
func TestCapabilitiesAreNotMore(t *testing.T) {
	t.Parallel()
	who := proc.Status{CapPrm: 0xf0, CapEff: 0xf0, CapInh: 0x100, CapBnd: 0xff}
	p := &preparation{
		host:    &host{status: &who},
		process: &image.Process{Credentials: image.Credentials{Permitted: 0xff, Effective: 0x3c, Inheritable: 0x1ff, Bounding: 0x7f}},
		thread:  &image.Thread{},
	}
	pl, ops := steps(t, p, abi.SysCapset, (*writer).credentials)
	if len(ops) != 1 {
		t.Fatalf("%d calls", len(ops))
	}
	if got := data(t, pl, ops[0].Args[0], 8); !bytes.Equal(got, []byte("\x22\x05\x08\x20\x00\x00\x00\x00")) {
		t.Errorf("header % x", got)
	}
	if got := data(t, pl, ops[0].Args[1], 24); !bytes.Equal(got, capabilitySets(0x30, 0xf0, 0x170)) {
		t.Errorf("sets % x", got)
	}
	if len(calls(pl, abi.SysPrctl)) == 0 || !strings.Contains(pl.Ops[0].What, "bounding set") {
		t.Error("the bounding set does not come first: later there is no right to change it")
	}
}
