package ptrace

import (
	"bytes"
	"encoding/binary"
	"testing"

	"ckpt/internal/abi"
)

func TestRseqRip(t *testing.T) {
	t.Parallel()
	const area, cs = 0x40, 0x80
	mem := make([]byte, 0x100)
	binary.LittleEndian.PutUint64(mem[cs+8:], 0x1000)  // start
	binary.LittleEndian.PutUint64(mem[cs+16:], 0x10)   // length
	binary.LittleEndian.PutUint64(mem[cs+24:], 0x2000) // abort
	conf := abi.RseqConfig{Area: area, Size: 32}
	for _, c := range []struct {
		conf    abi.RseqConfig
		active  uint64
		rip     uint64
		want    uint64
		invalid bool
	}{
		{conf, cs, 0x1000, 0x2000, false},
		{conf, cs, 0x100f, 0x2000, false},
		{conf, cs, 0x1010, 0x1010, false},
		{conf, cs, 0x0fff, 0x0fff, false},
		{conf, 0, 0x1000, 0x1000, false},
		{abi.RseqConfig{}, cs, 0x1000, 0x1000, false},
		{conf, 0xf8, 0x1000, 0, true},
		{conf, 1 << 63, 0x1000, 0, true},
		{abi.RseqConfig{Area: 1 << 20}, cs, 0x1000, 0, true},
	} {
		m := bytes.Clone(mem)
		binary.LittleEndian.PutUint64(m[area+8:], c.active)
		got, err := RseqRip(bytes.NewReader(m), c.conf, c.rip)
		if got != c.want || (err != nil) != c.invalid {
			t.Errorf("%+v active %#x rip %#x: %#x, %v; want %#x", c.conf, c.active, c.rip, got, err, c.want)
		}
	}
}
