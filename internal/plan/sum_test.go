package plan_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/zeebo/xxh3"

	"ckpt/internal/abi"
	"ckpt/internal/emit"
	"ckpt/internal/plan"
)

// executeBoth has a plan executed by both interpreters.
func executeBoth(t *testing.T, b *plan.Builder, check func(interpreter string, o outcome)) {
	t.Helper()
	p, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	block, err := plan.Encode(p, plan.Options{Park: park, ErrFD: 2})
	if err != nil {
		t.Fatal(err)
	}
	file, err := emit.Restorer(block, plan.Entry, load)
	if err != nil {
		t.Fatal(err)
	}
	check("assembly", execute(t, execRestorer, file))
	check("Run", execute(t, runBlock, block))
}

// TestSum compares the interpreter's checksums with those of the library: of all
// whole pages up to a chunk, and of other lengths, wherever they begin.
func TestSum(t *testing.T) {
	t.Parallel()
	const most = 1 << 20
	random := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, most+64)
	for i := range text {
		text[i] = byte(random.Uint32())
	}
	b := plan.NewBuilder()
	data := b.AlignedData(text, 64)
	var sums []plan.Checksum
	sum := func(from, n int) {
		sums = append(sums, plan.Checksum{Addr: uint64(from), Len: uint64(n), Want: xxh3.Hash(text[from : from+n]), Name: uint64(n)<<32 | uint64(from)})
	}
	for n := pg; n <= most; n += pg {
		sum(0, n)
	}
	for n := 241; n <= 241+2*1024; n++ {
		sum(random.IntN(64), n)
	}
	for range 2000 {
		sum(random.IntN(64), 241+random.IntN(most-241))
	}
	b.Sums("length and place", data, sums)
	b.Sums("none", data, nil)
	b.Call("exit", abi.SysExitGroup, imm(0))
	executeBoth(t, b, func(interpreter string, o outcome) {
		if o.status != "exit status 0" || o.stderr != "" {
			t.Errorf("%s: %v", interpreter, o)
		}
	})
}

// TestSumDiffers flips single bits: both interpreters name what is wrong in the
// same words, whatever is around it.
func TestSumDiffers(t *testing.T) {
	t.Parallel()
	text := []byte(strings.Repeat("0123456789abcdef", pg/16))
	for _, bit := range []int{0, 8*1023 + 5, 8*1024 + 1, 8*(pg-64) - 1, 8*pg - 1} {
		flipped := slices.Clone(text)
		flipped[bit/8] ^= 1 << (bit % 8)
		b := plan.NewBuilder()
		right := plan.Checksum{Len: pg, Want: xxh3.Hash(text), Name: 0x1000}
		wrong := plan.Checksum{Addr: pg, Len: pg, Want: right.Want, Name: 0x2000}
		b.Sums("pages of something", b.Data(slices.Concat(text, flipped)), []plan.Checksum{right, right, wrong, right})
		b.Call("exit", abi.SysExitGroup, imm(0))
		const want = "ckpt: pages of something: wrong checksum at file offset 0x2000\n"
		executeBoth(t, b, func(interpreter string, o outcome) {
			if o.status != fmt.Sprintf("exit status %d", plan.ExitStatus) || o.stderr != want {
				t.Errorf("%s, bit %d: %v, want %q", interpreter, bit, o, want)
			}
		})
	}
}
