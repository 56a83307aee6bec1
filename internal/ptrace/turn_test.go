package ptrace_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ckpt/internal/ptrace"
)

// TestInterleave: no more tasks than may be are begun at once, each goes on until
// its end, and a panic of one is the caller's, when the others have ended.
func TestInterleave(t *testing.T) {
	t.Parallel()
	var order []string
	active, most := 0, 0
	task := func(i, passes int) func(*ptrace.Turn) {
		return func(turn *ptrace.Turn) {
			active++
			most = max(most, active)
			for range passes {
				if !turn.Pass() {
					t.Errorf("task %d is alone", i)
				}
			}
			active--
			order = append(order, fmt.Sprint(i))
		}
	}
	ptrace.Interleave(2, []func(*ptrace.Turn){task(0, 5), task(1, 1), task(2, 1), task(3, 0), task(4, 9)})
	if got := strings.Join(order, " "); got != "1 2 3 0 4" || most != 2 || active != 0 {
		t.Errorf("order %s, %d at once, %d left", got, most, active)
	}

	order = nil
	func() {
		defer func() {
			if p := recover(); p != "in a task" {
				t.Errorf("panic %v", p)
			}
		}()
		ptrace.Interleave(8, []func(*ptrace.Turn){
			func(turn *ptrace.Turn) {
				for turn.Pass() {
				}
				order = append(order, "alone")
			},
			func(turn *ptrace.Turn) { turn.Pass(); panic("in a task") },
		})
	}()
	if !slices.Equal(order, []string{"alone"}) {
		t.Errorf("the other task: %v", order)
	}
	var none *ptrace.Turn
	if none.Pass() {
		t.Error("nobody's turn was passed")
	}
}
