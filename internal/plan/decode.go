package plan

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrBlock is the error of Decode for bytes that are no block.
var ErrBlock = errors.New("not a plan's block")

// Decode takes a block apart again. It accepts only what Encode of this very
// program writes, so that Encode gives the same block back.
func Decode(block []byte) (*Plan, Options, error) {
	p, o, err := parse(block)
	if err != nil {
		return nil, Options{}, fmt.Errorf("%w: %w", ErrBlock, err)
	}
	again, err := Encode(p, o)
	if err != nil {
		return nil, Options{}, fmt.Errorf("%w: %w", ErrBlock, err)
	}
	if !bytes.Equal(again, block) {
		return nil, Options{}, fmt.Errorf("%w: not written by this version of ckpt", ErrBlock)
	}
	return p, o, nil
}

// parse reads what a block says without asking whether it had to say it that
// way. It looks at nothing outside of the block and allocates no more than a
// small multiple of the block's size.
func parse(block []byte) (*Plan, Options, error) {
	size := uint64(len(block))
	if size < DataOffset {
		return nil, Options{}, fmt.Errorf("%d bytes are too few", size)
	}
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(block[at:]) }
	if u64(hdrMagic) != magicVersion {
		return nil, Options{}, errors.New("wrong magic number")
	}
	dataLen := u64(hdrDataLen)
	if dataLen > size-DataOffset {
		return nil, Options{}, fmt.Errorf("%d bytes of data do not fit", dataLen)
	}
	at, count := u64(hdrOps), u64(hdrOpCount)
	if at > size || count > (size-at)/recordSize {
		return nil, Options{}, fmt.Errorf("%d ops do not fit", count)
	}
	p := &Plan{
		Ops:   make([]Op, count),
		Data:  bytes.Clone(block[DataOffset:][:dataLen]),
		Sleep: parseSleep(block),
	}
	for i := range p.Ops {
		rec := block[at+uint64(i)*recordSize:][:recordSize]
		p.Ops[i] = parseRecord(rec)
		what, err := parseText(block, rec[recText:])
		if err != nil {
			return nil, Options{}, fmt.Errorf("op %d: %w", i, err)
		}
		if i > 0 && p.Ops[i-1].What == what {
			what = p.Ops[i-1].What // the same memory
		}
		p.Ops[i].What = what
	}
	return p, Options{Park: u64(hdrPark), ErrFD: int(u64(hdrErrFD))}, nil
}

func parseRecord(rec []byte) Op {
	le := binary.LittleEndian
	op := Op{
		Code:  Code(rec[recCode]),
		Nr:    le.Uint32(rec[recNr:]),
		Check: Check(rec[recCheck]),
		Want:  Arg{Slot(rec[recWantSlot]), le.Uint64(rec[recWant:])},
		Store: Slot(rec[recStore]),
	}
	for i := range op.Args {
		op.Args[i] = Arg{Slot(rec[recArgSlots+i]), le.Uint64(rec[recImms+8*i:])}
	}
	return op
}

func parseText(block, ref []byte) (string, error) {
	off := binary.LittleEndian.Uint32(ref[textOff:])
	n := binary.LittleEndian.Uint32(ref[textLen:])
	if n > MaxWhat || uint64(off)+uint64(n) > uint64(len(block)) {
		return "", fmt.Errorf("no text of %d bytes at %#x", n, off)
	}
	return string(block[off:][:n]), nil
}
