package restore

import "testing"

func TestGapAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		used []int
		want int
	}{
		{nil, 300},
		{[]int{7, 40}, 300},
		{[]int{20000}, 300},
		{[]int{10000, 9000, 10001}, 10001},
		{[]int{32767}, 300},
	} {
		if got := gapAfter(c.used, 32767); got != c.want {
			t.Errorf("after %v: %d, want %d", c.used, got, c.want)
		}
	}
}
