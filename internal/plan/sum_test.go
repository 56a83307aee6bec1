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
	sum := func(from, n int) {
		at := data
		at.Imm += uint64(from)
		b.Sum(fmt.Sprintf("%d bytes at %d", n, from), at, plan.Int(n), xxh3.Hash(text[from:from+n]))
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
	b.Call("exit", abi.SysExitGroup, imm(0))
	executeBoth(t, b, func(interpreter string, o outcome) {
		if o.status != "exit status 0" || o.stderr != "" {
			t.Errorf("%s: %v", interpreter, o)
		}
	})
}

// TestSumDiffers flips single bits: both interpreters say so in the same words.
func TestSumDiffers(t *testing.T) {
	t.Parallel()
	text := []byte(strings.Repeat("0123456789abcdef", pg/16))
	for _, bit := range []int{0, 8*1023 + 5, 8*1024 + 1, 8*(pg-64) - 1, 8*pg - 1} {
		flipped := slices.Clone(text)
		flipped[bit/8] ^= 1 << (bit % 8)
		b := plan.NewBuilder()
		b.Sum("page of something", b.Data(flipped), plan.Int(pg), xxh3.Hash(text))
		b.Call("exit", abi.SysExitGroup, imm(0))
		want := fmt.Sprintf("ckpt: page of something: unexpected result %#x\n", xxh3.Hash(flipped))
		executeBoth(t, b, func(interpreter string, o outcome) {
			if o.status != fmt.Sprintf("exit status %d", plan.ExitStatus) || o.stderr != want {
				t.Errorf("%s, bit %d: %v, want %q", interpreter, bit, o, want)
			}
		})
	}
}
