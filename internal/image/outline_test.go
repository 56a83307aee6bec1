package image

import (
	"encoding/json"
	"testing"
)

func TestLeastSizes(t *testing.T) {
	half := func(v any) int {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return len(b) / 2
	}
	want := sizes{
		process: half(Process{}), area: half(Area{}), thread: half(Thread{}),
		descriptor: half(Descriptor{}), file: half(OpenFile{}),
	}
	if leastSizes != want {
		t.Errorf("%+v, want %+v", leastSizes, want)
	}
}
