package image

import (
	"encoding/json"
	"runtime"
	"strings"
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

// TestSmallText has the worst manifests that are decoded without a look at their outlines.
// It is not parallel: others allocate, too.
func TestSmallText(t *testing.T) {
	for name, field := range map[string]string{"processes": "", "areas": "areas", "threads": "threads", "descriptors": "descriptors"} {
		before, after := `{"version":3,"processes":[`, `]}`
		if field != "" {
			before, after = before+`{"`+field+`":[`, `]}`+after
		}
		list := strings.Repeat("{},", (smallText-len(before)-len(after))/3)
		text := before + strings.TrimSuffix(list, ",") + after
		var start, end runtime.MemStats
		runtime.ReadMemStats(&start)
		_, err := decodeManifest([]byte(text))
		runtime.ReadMemStats(&end)
		if !isFound(err) {
			t.Errorf("%s: %.200v", name, err)
		}
		if used := end.TotalAlloc - start.TotalAlloc; used > 40<<20 {
			t.Errorf("%s: %d bytes for a manifest of %d", name, used, len(text))
		}
	}
}
