package restore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"ckpt/internal/image"
	"ckpt/internal/proc"
)

// host is what of this machine and process matters for a restore.
type host struct {
	fs     proc.FS
	status *proc.Status
	cpu    proc.CPU
	bootID string
	nice   int
	maps   []proc.VMA // of this process; for the kernel's own mappings
}

func lookAtHost() (*host, error) {
	h := &host{fs: proc.Host()}
	// Not os.Getpid: /proc can be that of another pid namespace.
	link, err := os.Readlink("/proc/self")
	if err != nil {
		return nil, &HostError{Reason: "/proc is not mounted: " + err.Error(), Advice: "mount -t proc proc /proc"}
	}
	pid, err := strconv.Atoi(link)
	if err != nil {
		return nil, fmt.Errorf("/proc/self is %q: %w", link, err)
	}
	self := h.fs.Process(pid)
	if h.status, err = self.Status(); err != nil {
		return nil, err
	}
	if h.cpu, err = h.fs.CPUInfo(); err != nil {
		return nil, err
	}
	// Some containers hide /proc/sys. Then this counts as another boot.
	if h.bootID, err = h.fs.BootID(); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return nil, err
	}
	stat, err := self.Stat()
	if err != nil {
		return nil, err
	}
	h.nice = stat.Nice
	h.maps, err = self.Maps()
	return h, err
}

// compareHost refuses an image that would not run here.
func (p *preparation) compareHost() error {
	saved := p.m.Host
	if saved.Arch != runtime.GOARCH {
		return &HostError{Reason: fmt.Sprintf("the image is for %s, this is %s", saved.Arch, runtime.GOARCH)}
	}
	if saved.PageSize != os.Getpagesize() {
		return &HostError{Reason: fmt.Sprintf("the image has pages of %d bytes, this kernel of %d", saved.PageSize, os.Getpagesize())}
	}
	if missing := missingFeatures(saved.CPU.Features, p.host.cpu.Flags); len(missing) > 0 {
		return &HostError{
			Reason: fmt.Sprintf("it was saved on a CPU with %s, which this one (%s) lacks", strings.Join(missing, ", "), p.host.cpu.Model),
			Advice: "restore on a machine with these features; the image is untouched",
		}
	}
	return nil
}

// compareUser refuses to run the program with other rights than it had.
func (p *preparation) compareUser(m *member) error {
	c, own := m.process.Credentials, p.host.status
	if c.UID == own.Uid && c.GID == own.Gid {
		return nil
	}
	if own.CapEff&capSetuid == 0 || own.CapEff&capSetgid == 0 {
		return &HostError{
			Reason: fmt.Sprintf("the program ran as uid %d gid %d, and you are uid %d gid %d", c.UID[1], c.GID[1], own.Uid[1], own.Gid[1]),
			Advice: "restore it as that user or as root",
		}
	}
	return nil
}

// usable are the processor features, as /proc/cpuinfo names them, that
// programs can use after asking CPUID. What else is listed there concerns the
// kernel.
var usable = strings.Fields(`
	fpu cx8 cmov mmx fxsr sse sse2 ssse3 sse4_1 sse4_2 sse4a pni popcnt cx16 lahf_lm movbe
	abm bmi1 bmi2 tbm lzcnt adx aes vaes pclmulqdq vpclmulqdq sha_ni gfni rdrand rdseed rdtscp rdpid
	avx avx2 fma fma4 xop f16c avx512f avx512dq avx512ifma avx512pf avx512er avx512cd avx512bw avx512vl
	avx512vbmi avx512_vbmi2 avx512_vnni avx512_bitalg avx512_vpopcntdq avx512_vp2intersect avx512_bf16
	avx512_fp16 avx512_4vnniw avx512_4fmaps avx_vnni avx_vnni_int8 avx_ifma avx_ne_convert
	amx_tile amx_int8 amx_bf16 amx_fp16 amx_complex
	xsave xsaveopt xsavec fsgsbase rtm hle clflushopt clwb cldemote movdiri movdir64b serialize
	prefetchwt1 3dnow 3dnowext 3dnowprefetch waitpkg clzero pku ospke erms fsrm`)

// missingFeatures lists the usable features that were there and are not here.
func missingFeatures(saved, here []string) []string {
	var missing []string
	for _, f := range saved {
		if slices.Contains(usable, f) && !slices.Contains(here, f) {
			missing = append(missing, f)
		}
	}
	return missing
}

// kernelAreas are the vDSO and the data pages that belong to it, by address.
func kernelAreas(vmas []proc.VMA) []image.Area {
	var out []image.Area
	for _, v := range vmas {
		kind := image.VVar
		switch {
		case v.Path == "[vdso]":
			kind = image.VDSO
		case !strings.HasPrefix(v.Path, "[vvar"):
			continue
		}
		out = append(out, image.Area{Start: image.Addr(v.Start), End: image.Addr(v.End), Kind: kind, Name: v.Path})
	}
	return out
}
