package restore

import (
	"strings"
	"testing"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// TestTakeLimits: limits within ours are taken as they are; higher ones are
// taken if we may, and else cut, with a word.
func TestTakeLimits(t *testing.T) {
	t.Parallel()
	m := sample(t)
	var warnings []string
	p := &preparation{m: m, process: &m.Processes[0]}
	one := &member{process: p.process}
	p.o.Warn = func(object, text string) { warnings = append(warnings, object+": "+text) }
	low := image.Rlimit{Cur: 1, Max: 2}
	p.process.Limits[sys.RlimitStack] = low
	const nice = 13 // RLIMIT_NICE: it disturbs nobody here
	_, own, err := sys.Limit(nice)
	if err != nil {
		t.Fatal(err)
	}
	high := image.Rlimit{Cur: 39, Max: 40}
	p.process.Limits[nice] = high
	if err := p.takeLimits(one); err != nil {
		t.Fatal(err)
	}
	if got := one.limits[sys.RlimitStack]; got != low || len(one.limits) != 16 {
		t.Errorf("stack %+v of %d limits, want %+v", got, len(one.limits), low)
	}
	switch got := one.limits[nice]; {
	case got == high && warnings == nil:
	case got.Max == own && got.Cur == min(high.Cur, own) && len(warnings) == 1 && strings.Contains(warnings[0], "nice value "):
	default:
		t.Errorf("%+v of %+v, ours is %d: %q", got, high, own, warnings)
	}
}

func TestLimitText(t *testing.T) {
	t.Parallel()
	if limitText(^uint64(0)) != "unlimited" || limitText(12) != "12" {
		t.Error(limitText(^uint64(0)), limitText(12))
	}
}
