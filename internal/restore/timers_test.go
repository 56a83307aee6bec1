package restore

import (
	"encoding/binary"
	"slices"
	"testing"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

func timerPlan(t *testing.T, timers image.Timers) (*preparation, *plan.Plan) {
	t.Helper()
	p := prepared(t, sample(t))
	p.process.Timers = timers
	pl, _ := steps(t, p, 0, func(w *writer) {
		if err := w.makeTimers(); err != nil {
			t.Fatal(err)
		}
		w.startTimers()
	})
	return p, pl
}

func TestIntervalTimers(t *testing.T) {
	t.Parallel()
	_, pl := timerPlan(t, image.Timers{Interval: [3]image.IntervalTimer{
		{Interval: 2_500_000, Value: 1_000_001}, {}, {Interval: 7},
	}})
	ops := calls(pl, abi.SysSetitimer)
	if len(ops) != 2 || ops[0].Args[0].Imm != 0 || ops[1].Args[0].Imm != 2 {
		t.Fatalf("%+v", ops)
	}
	// struct itimerval: interval, then value, each seconds and microseconds.
	if w := wordsAt(t, pl, ops[0].Args[1], 4); !slices.Equal(w, []uint64{2, 500_000, 1, 1}) {
		t.Errorf("%d", w)
	}
	// One that has fired and not yet begun again.
	if w := wordsAt(t, pl, ops[1].Args[1], 4); !slices.Equal(w, []uint64{0, 7, 0, 1}) {
		t.Errorf("%d", w)
	}
}

// TestPOSIXTimers: struct sigevent and struct itimerspec; ids in order, as on
// kernels that give out only the next one.
func TestPOSIXTimers(t *testing.T) {
	t.Parallel()
	p, pl := timerPlan(t, image.Timers{POSIX: []image.POSIXTimer{
		{ID: 3, Clock: 1, Notify: 4, Signal: 34, SigValue: 0x1122334455667788, TID: 4711, Interval: 1_000_000_002, Value: 3_000_000_004},
		{ID: 1, Clock: 0, Notify: 1, Signal: 14},
	}})
	var events [][]byte
	for _, op := range calls(pl, abi.SysTimerCreate) {
		if e := data(t, pl, op.Args[1], 64); binary.LittleEndian.Uint64(e) != 0 || binary.LittleEndian.Uint32(e[8:]) != 0 {
			events = append(events, e)
		}
	}
	if len(events) != 2 {
		t.Fatalf("%d timers", len(events))
	}
	u32 := func(e []byte, at int) uint32 { return binary.LittleEndian.Uint32(e[at:]) }
	if e := events[0]; u32(e, 8) != 14 || u32(e, 12) != 1 || u32(e, 16) != 0 {
		t.Errorf("the timer with the lowest id is not the first: %x", e)
	}
	if e := events[1]; binary.LittleEndian.Uint64(e) != 0x1122334455667788 || u32(e, 8) != 34 || u32(e, 12) != 4 || u32(e, 16) != uint32(p.ownPID) {
		t.Errorf("%x", e)
	}
	ops := calls(pl, abi.SysTimerSettime)
	if len(ops) != 1 || ops[0].Args[0].Imm != 3 || ops[0].Args[1].Imm != 0 {
		t.Fatalf("%+v", ops)
	}
	if w := wordsAt(t, pl, ops[0].Args[2], 4); !slices.Equal(w, []uint64{1, 2, 3, 4}) {
		t.Errorf("%d", w)
	}
}
