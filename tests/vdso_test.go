package tests

import (
	"bytes"
	endian "encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ckpt/internal/image"
)

func owner(info os.FileInfo) (uid, gid int) {
	st := info.Sys().(*syscall.Stat_t)
	return int(st.Uid), int(st.Gid)
}

// vdsoArea is the area of the saved vDSO.
func vdsoArea(t *testing.T, m *image.Manifest) *image.Area {
	t.Helper()
	p := &m.Processes[0]
	for i := range p.Areas {
		if p.Areas[i].Kind == image.VDSO {
			return &p.Areas[i]
		}
	}
	t.Fatal("the image has no vDSO")
	return nil
}

// foreign changes nothing in a vDSO but the padding at its end: enough to be
// another kernel's.
func foreign(t *testing.T, vdso []byte) {
	t.Helper()
	last := &vdso[len(vdso)-1]
	if *last != 0 {
		t.Fatal("the vDSO has no padding at its end")
	}
	*last = 1
}

// renamed gives a function of a vDSO a name that no kernel knows.
func renamed(t *testing.T, vdso []byte, name string) {
	t.Helper()
	at := bytes.Index(vdso, append([]byte(name), 0))
	if at < 0 {
		t.Skipf("this kernel's vDSO has no %s", name)
	}
	vdso[at+len(name)-1]++
}

// aboutToRestoreForeign checks that the plan is one for a foreign vDSO.
func aboutToRestoreForeign(t *testing.T, dir string) {
	t.Helper()
	r := ckpt(t, dir, os.Geteuid(), "plan", "myckpt")
	r.want(t, exitOK)
	if !strings.Contains(r.stdout, "map the saved vDSO") {
		t.Fatal("the vDSO does not count as another kernel's")
	}
}

// TestForeignVDSO: a program that was saved under a kernel with another vDSO
// finds the right time, and can be saved and restored on.
func TestForeignVDSO(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*testing.T, []byte){
		"padding":   foreign,
		"getrandom": func(t *testing.T, vdso []byte) { renamed(t, vdso, "__vdso_getrandom") },
	} {
		for _, variant := range []string{"vdso", "vdso-static"} {
			t.Run(name+"/"+variant, func(t *testing.T) {
				t.Parallel()
				r := startProbe(t, targetProbe(variant), os.Geteuid())
				r.saveWhere(false)
				rewriteImage(t, r.dir, func(m *image.Manifest, memory func(*image.Area) []byte) {
					change(t, memory(vdsoArea(t, m)))
				})
				aboutToRestoreForeign(t, r.dir)
				r.restore("ckpt")
				for range 3 {
					r.save("--then", "kill")
					r.wait()
					r.restore("ckpt")
				}
				r.finish()
			})
		}
	}
}

// saveWhere saves the program until the save hits it in the vDSO, or outside,
// and kills it then.
func (r *probeRun) saveWhere(inside bool) {
	t := r.t
	t.Helper()
	for range 300 {
		r.save()
		im, err := image.Open(filepath.Join(r.dir, "myckpt"))
		if err != nil {
			t.Fatal(err)
		}
		m := im.Manifest()
		a, rip := vdsoArea(t, m), image.Addr(m.Processes[0].Threads[0].Regs.Rip)
		im.Close()
		if inside == (rip >= a.Start && rip < a.End) {
			r.kill()
			return
		}
	}
	t.Fatalf("no save hit the program where inside of the vDSO is %v", inside)
}

// TestForeignVDSOInside: the same with a program that was inside of the vDSO. It
// finishes the old code, which finds no data of the kernel and asks the kernel
// itself. (One coarse reading would be zero: it does not look twice.)
func TestForeignVDSOInside(t *testing.T) {
	t.Parallel()
	p := targetProbe("vdso")
	p.words = map[string]string{"args": "fine"}
	r := startProbe(t, p, os.Geteuid())
	r.saveWhere(true)
	rewriteImage(t, r.dir, func(m *image.Manifest, memory func(*image.Area) []byte) {
		foreign(t, memory(vdsoArea(t, m)))
	})
	aboutToRestoreForeign(t, r.dir)
	r.restore("ckpt")
	r.save("--then", "kill")
	r.wait()
	r.restore("ckpt")
	r.finish()
}

// TestForeignVDSOAtEntry: a program that had executed one instruction of a
// function, where a jump to the function of this kernel would be, goes on
// behind it.
func TestForeignVDSOAtEntry(t *testing.T) {
	t.Parallel()
	r := startProbe(t, &probe{name: "vdso_entry", source: filepath.Join("targets", "vdso_entry.c"), variant: "pie"}, os.Geteuid())
	r.save("--then", "kill")
	r.wait()
	rewriteImage(t, r.dir, func(m *image.Manifest, memory func(*image.Area) []byte) {
		a := vdsoArea(t, m)
		vdso := memory(a)
		foreign(t, vdso)
		p := &m.Processes[0]
		regs := &p.Threads[0].Regs
		entry := regs.Rax - uint64(a.Start)
		const pushRBP = 0x55
		if entry >= uint64(len(vdso)) || vdso[entry] != pushRBP {
			t.Skip("the function begins in another way")
		}
		stack := areaOf(t, p, regs.Rsp)
		content := memory(stack)
		for _, word := range []uint64{regs.Rbx, regs.Rbp} {
			regs.Rsp -= 8
			endian.LittleEndian.PutUint64(content[regs.Rsp-uint64(stack.Start):], word)
		}
		regs.Rip = regs.Rax + 1
	})
	aboutToRestoreForeign(t, r.dir)
	r.restore("ckpt")
	for range 2 {
		r.save("--then", "kill")
		r.wait()
		r.restore("ckpt")
	}
	r.finish()
}

// areaOf is the area that an address is in.
func areaOf(t *testing.T, p *image.Process, addr uint64) *image.Area {
	t.Helper()
	for i := range p.Areas {
		if a := &p.Areas[i]; uint64(a.Start) <= addr && addr < uint64(a.End) {
			return a
		}
	}
	t.Fatalf("nothing is at %#x", addr)
	return nil
}
