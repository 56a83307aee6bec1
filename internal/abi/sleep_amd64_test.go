package abi

import "testing"

func TestSleep(t *testing.T) {
	t.Parallel()
	r := Regs{Rdi: 1, Rsi: 2, Rdx: 3, R10: 4}
	for _, c := range []struct {
		name          string
		nr, flags     uint64
		want          *uint64
		wantRemainder uint64
	}{
		{"nanosleep", SysNanosleep, 2, &r.Rdi, 2},
		{"clock_nanosleep", SysClockNanosleep, 0, &r.Rdx, 4},
		{"clock_nanosleep absolute", SysClockNanosleep, 1, nil, 0},
		{"poll", SysPoll, 2, nil, 0},
	} {
		r.Rax, r.Rsi = c.nr, c.flags
		if request, remainder := r.Sleep(); request != c.want || remainder != c.wantRemainder {
			t.Errorf("%s: %p and %d", c.name, request, remainder)
		}
	}
}
