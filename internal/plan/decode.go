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
	others, count, err := parseWalkers(block, at, count)
	if err != nil {
		return nil, Options{}, err
	}
	p := &Plan{
		Ops:    make([]Op, count),
		Others: others,
		Data:   bytes.Clone(block[DataOffset:][:dataLen]),
		Sleeps: parseSleeps(block),
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

// parseWalkers gives the beginnings of the lists of all walkers but the first,
// which has the ops [0, count), and the number of all ops. ops is the offset of
// the first op.
func parseWalkers(block []byte, ops, count uint64) (others []int, all uint64, err error) {
	size := uint64(len(block))
	at, walkers := binary.LittleEndian.Uint64(block[hdrWalkers:]), binary.LittleEndian.Uint64(block[hdrWalkCount:])
	if at > size || walkers > (size-at)/walkerSize || walkers > maxWalkers {
		return nil, 0, fmt.Errorf("%d walkers do not fit", walkers)
	}
	for i := range walkers {
		others = append(others, int(count))
		n := binary.LittleEndian.Uint64(block[at+i*walkerSize+wlkOpCount:])
		if n > (size-ops)/recordSize-count {
			return nil, 0, fmt.Errorf("%d ops of walker %d do not fit", n, i+1)
		}
		count += n
	}
	return others, count, nil
}

func parseRecord(rec []byte) Op {
	le := binary.LittleEndian
	op := Op{
		Code:  Code(rec[recCode]),
		Nr:    le.Uint32(rec[recNr:]),
		Check: Check(rec[recCheck]),
		Want:  Arg{Slot(rec[recWantSlot]), le.Uint64(rec[recWant:])},
		Store: Slot(rec[recStore]),

		Walker: int(le.Uint16(rec[recWalker:])),
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
