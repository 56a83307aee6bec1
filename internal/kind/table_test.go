package kind

import (
	"slices"
	"testing"
)

func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	var names []string
	for _, k := range Table {
		if slices.Contains(names, k.Name()) {
			t.Errorf("two kinds are called %q", k.Name())
		}
		names = append(names, k.Name())
	}
}
