package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestIncrementTable(t *testing.T) {
	t.Parallel()
	i := increment{4 << 30, []incrementRun{
		{Full: 1e9, Next: 4e7, Pause: 9e6, FullBytes: 1e9, NextBytes: 2e7, Restore: 3e8},
		{Full: 1e9, Next: 6e7, Pause: 9e6, FullBytes: 1e9, NextBytes: 2e7, Restore: 3e8},
		{Full: 2e9, Next: 6e7, Pause: 7e6, FullBytes: 1e9, NextBytes: 8e7, Restore: 3e8},
	}}
	r := &report{Bars: i.bars()}
	var table bytes.Buffer
	i.writeRows(&table)
	r.writeBars(&table)
	for _, want := range []string{
		"4 GB, incremental, 1 % written since, 3 runs", "4.00 % of the first\n", "2.00 % of the first\n",
		"pass  4 GB, incremental, save: 4.00 %", "pass  4 GB, incremental, image: 2.00 %", "FAIL  4 GB, incremental, pause: 9.00 ms",
	} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in\n%s", want, &table)
		}
	}
}
