package emit

import (
	"strings"
	"testing"

	"ckpt/internal/abi"
	"ckpt/internal/plan"
)

// TestRestorerFails looks at what a failing plan says: it must name the step
// and the reason, and exit before the step that follows.
func TestRestorerFails(t *testing.T) {
	t.Parallel()
	none := plan.Imm(^uint64(0))
	for _, c := range []struct {
		name string
		add  func(b *plan.Builder)
		want string
	}{
		{"errno", func(b *plan.Builder) {
			b.Call("open /nowhere", abi.SysOpen, b.CString("/nowhere"))
		}, "ckpt: open /nowhere: no such file or directory"},
		{"errno where a value is wanted", func(b *plan.Builder) {
			b.Call("close nothing", abi.SysClose, none).Want(plan.Imm(0))
		}, "ckpt: close nothing: bad file descriptor"},
		{"after one that may fail", func(b *plan.Builder) {
			b.Call("close nothing", abi.SysClose, none).MayFail()
			b.Call("no call", 0xfffff)
		}, "ckpt: no call: function not implemented"},
		{"small value", func(b *plan.Builder) {
			b.Call("set the mask", abi.SysUmask, plan.Imm(0o22)).MayFail()
			b.Call("mask", abi.SysUmask, plan.Imm(0)).Want(plan.Imm(1))
		}, "ckpt: mask: unexpected result 0x12"},
		{"zero", func(b *plan.Builder) {
			b.Copy("copy", plan.Imm(0), plan.Imm(0), plan.Imm(0)).Want(plan.Imm(1))
		}, "ckpt: copy: unexpected result 0x0"},
		{"large value", func(b *plan.Builder) {
			b.Call("map", abi.SysMmap, plan.Imm(0x7abc_def0_1000), plan.Imm(4096), plan.Imm(0), plan.Imm(0x22), none).Want(plan.Imm(1))
		}, "ckpt: map: unexpected result 0x7abcdef01000"},
		{"longest text", func(b *plan.Builder) {
			b.Call(strings.Repeat("x", 5000), abi.SysClose, none)
		}, "ckpt: " + strings.Repeat("x", plan.MaxWhat-3) + "...: bad file descriptor"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := plan.NewBuilder()
			c.add(b)
			b.Call("exit too late", abi.SysExitGroup, plan.Imm(1))
			want := result{"", c.want, "exit status 125"}
			if got := execute(t, build(t, b), options, ""); got != want {
				t.Errorf("got %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestRestorerSaysItOnErrFD(t *testing.T) {
	t.Parallel()
	b := plan.NewBuilder()
	b.Call("close nothing", abi.SysClose, plan.Imm(1000))
	b.Call("exit", abi.SysExitGroup)
	want := result{"ckpt: close nothing: bad file descriptor\n", "", "exit status 125"}
	if got := execute(t, build(t, b), plan.Options{Park: testPark, ErrFD: 1}, ""); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestRestorerCannotPark parks the block where the executable itself is.
func TestRestorerCannotPark(t *testing.T) {
	t.Parallel()
	want := result{"", "ckpt: map the restore plan: file exists", "exit status 125"}
	if got := execute(t, hello(t), plan.Options{Park: testLoad, ErrFD: 2}, ""); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
