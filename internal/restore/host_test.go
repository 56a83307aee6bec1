package restore

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"ckpt/internal/image"
	"ckpt/internal/proc"
)

func TestMissingFeatures(t *testing.T) {
	t.Parallel()
	saved := []string{"avx512f", "lm", "nopl", "sse2", "tsc_known_freq"}
	if got := missingFeatures(saved, []string{"sse2"}); !slices.Equal(got, []string{"avx512f"}) {
		t.Errorf("missing %q, want avx512f: what is the kernel's own does not matter", got)
	}
	if got := missingFeatures(saved, saved); got != nil {
		t.Errorf("missing %q on the same processor", got)
	}
}

// TestCompareHost changes one thing at a time of an image that fits.
func TestCompareHost(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(p *preparation)
		want   string // empty: nothing is in the way
	}{
		"same":         {func(*preparation) {}, ""},
		"architecture": {func(p *preparation) { p.m.Host.Arch = "arm64" }, "arm64"},
		"page size":    {func(p *preparation) { p.m.Host.PageSize = 65536 }, "pages of 65536"},
		"feature":      {func(p *preparation) { p.host.cpu.Flags = nil }, "lacks"},
		"user": {func(p *preparation) {
			p.process.Credentials.UID[1]++
			p.host.status.CapEff = 0
		}, "ran as uid"},
		"file system user": {func(p *preparation) {
			p.process.Credentials.UID[3]++
			p.host.status.CapEff = 0
		}, "ran as uid"},
		"group": {func(p *preparation) {
			p.process.Credentials.GID[2]++
			p.host.status.CapEff = capSetuid
		}, "ran as uid"},
		"user, allowed": {func(p *preparation) {
			p.process.Credentials.UID[1]++
			p.host.status.CapEff = capSetuid | capSetgid
		}, ""},
	} {
		m := sample(t)
		host, err := lookAtHost()
		if err != nil {
			t.Fatal(err)
		}
		p := &preparation{m: m, process: &m.Processes[0], host: host}
		test.change(p)
		if err = p.compareHost(); err == nil {
			err = p.compareUser(&member{process: p.process})
		}
		var refused *HostError
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case test.want != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v, want a HostError with %q", name, err, test.want)
		}
	}
}

func TestKernelAreas(t *testing.T) {
	t.Parallel()
	got := kernelAreas([]proc.VMA{
		{Start: 0x1000, End: 0x2000, Path: "/lib/[vdso].so"},
		{Start: 0x2000, End: 0x6000, Path: "[vvar]"},
		{Start: 0x6000, End: 0x8000, Path: "[vvar_vclock]"},
		{Start: 0x8000, End: 0xa000, Path: "[vdso]"},
		{Start: 0xa000, End: 0xb000, Path: "[stack]"},
	})
	var kinds []image.AreaKind
	for _, a := range got {
		kinds = append(kinds, a.Kind)
	}
	if !slices.Equal(kinds, []image.AreaKind{image.VVar, image.VVar, image.VDSO}) || extent(got) != 0x8000 {
		t.Errorf("%+v", got)
	}
}
