package restore

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"testing"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// TestReaderSums: the plan compares each chunk that one walker reads as a whole;
// what is left, above all the one where their halves meet, is verified in front.
func TestReaderSums(t *testing.T) {
	t.Parallel()
	const size = 24<<20 + 3*pageSize
	m := sample(t)
	m.Processes[0].Areas = []image.Area{{Start: 0x401000, End: 0x401000 + size, Prot: rw, Kind: image.Anonymous, File: -1, Flags: []string{}}}
	p := prepared(t, m, content{0x401000, bytes.Repeat([]byte{1}, size)})
	p.sums, p.summed = true, map[*image.Image][]bool{}
	pl, _ := steps(t, p, 0, func(w *writer) {
		if err := w.memory(); err != nil {
			t.Fatal(err)
		}
	})
	var compared uint64
	for _, op := range pl.Ops {
		if op.Code != plan.Sums {
			continue
		}
		const entry, length = 32, 8 // size, and where the length is in one
		for at := op.Args[0].Imm; at < op.Args[1].Imm; at += entry {
			compared += binary.LittleEndian.Uint64(pl.Data[at-plan.DataOffset+length:])
		}
	}
	chunks, left := 0, 0
	for i, c := range p.image.Chunks(image.Piece{Len: 1 << 40}) {
		chunks++
		if p.summed[p.image][i] {
			compared -= uint64(c.Len)
		} else {
			left++
		}
	}
	if compared != 0 {
		t.Errorf("what is compared differs from what is said to be by %d bytes", int64(compared))
	}
	if left > 1 {
		t.Errorf("%d of %d chunks are not compared", left, chunks)
	}
	var verified int64
	if err := p.image.VerifyAs(context.Background(), image.Verification{Except: p.summed, Progress: func(done, total int64) { verified = done }}); err != nil || verified > image.MaxChunk+1<<10 {
		t.Errorf("%d bytes are verified in front: %v", verified, err)
	}
}

// TestGiveBack: of a compressed image, each piece is given back when it is read.
func TestGiveBack(t *testing.T) {
	t.Parallel()
	const size = 20 << 20
	m := sample(t)
	m.Processes[0].Areas = []image.Area{{Start: 0x401000, End: 0x401000 + size, Prot: rw, Kind: image.Anonymous, File: -1, Flags: []string{}}}
	p := prepared(t, m, content{0x401000, bytes.Repeat([]byte{1}, size)})
	p.unpacked = map[*image.Image]*os.File{p.image: p.image.File()}
	pl, _ := steps(t, p, 0, func(w *writer) {
		if err := w.memory(); err != nil {
			t.Fatal(err)
		}
	})
	read := 0
	for i, op := range pl.Ops {
		if op.Nr != abi.SysPread64 {
			continue
		}
		read += int(op.Args[2].Imm)
		next := pl.Ops[i+1]
		if next.Nr != abi.SysFallocate || next.Args[0] != op.Args[0] || next.Args[2] != op.Args[3] || next.Args[3] != op.Args[2] || next.Check != plan.Whatever {
			t.Errorf("%+v is followed by %+v", op, next)
		}
	}
	if read != size {
		t.Errorf("%d bytes are read", read)
	}
}
