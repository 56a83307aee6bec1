package plan

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Options say how a plan is going to be executed.
type Options struct {
	// Park is the address at which the block puts itself before the first op,
	// page aligned. Nothing may be mapped in [Park, Park+Size) then, and the
	// plan must not touch it.
	Park uint64
	// ErrFD is the descriptor to which a failing op's message is written.
	ErrFD int
}

// layout says where the parts of a block are.
type layout struct {
	ops, walkers, texts, errors, size uint64
}

func (p *Plan) layout() layout {
	var l layout
	l.ops = align(DataOffset+uint64(len(p.Data)), 8)
	l.walkers = l.ops + uint64(len(p.Ops))*recordSize
	l.texts = l.walkers + uint64(len(p.Others))*walkerSize
	end := l.texts
	known := map[string]bool{}
	for i := range p.Ops {
		if i > 0 && p.Ops[i].What == p.Ops[i-1].What || known[p.Ops[i].What] {
			continue
		}
		known[p.Ops[i].What] = true
		end += uint64(len(p.Ops[i].What))
	}
	end += uint64(len(parkText))
	for n := range numTexts {
		end += uint64(len(errorText(n)))
	}
	l.errors = align(end, 8)
	l.size = align(l.errors+numTexts*textRefSize, pageSize)
	return l
}

func align(n, to uint64) uint64 { return (n + to - 1) &^ (to - 1) }

// Encode makes a plan's block: position independent bytes that execute the
// plan when the kernel's execve enters them at Entry. (See package emit for
// the executable around it.)
func Encode(p *Plan, o Options) ([]byte, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if o.Park%pageSize != 0 || o.Park == 0 {
		return nil, fmt.Errorf("plan: cannot be parked at %#x", o.Park)
	}
	if o.ErrFD < 0 || o.ErrFD > math.MaxInt32 {
		return nil, fmt.Errorf("plan: no such descriptor for messages: %d", o.ErrFD)
	}
	l := p.layout()
	if l.size > math.MaxUint32 {
		return nil, fmt.Errorf("plan: %d ops and %d bytes of data are too large for a block", len(p.Ops), len(p.Data))
	}
	block := make([]byte, l.size)
	copy(block, code())
	for i := range p.Sleeps {
		at := uint64(sleepOff + i*sleepStride)
		copy(block[at:], p.Sleeps[i].code(at))
	}
	copy(block[DataOffset:], p.Data)

	texts := textWriter{block, l.texts}
	known := map[string]textRef{}
	var ref textRef
	for i := range p.Ops {
		op := &p.Ops[i]
		if i == 0 || op.What != p.Ops[i-1].What {
			var ok bool
			if ref, ok = known[op.What]; !ok {
				ref = texts.add(op.What)
				known[op.What] = ref
			}
		}
		putRecord(block[l.ops+uint64(i)*recordSize:][:recordSize], op, ref)
	}
	for n := range numTexts {
		putRef(block[l.errors+uint64(n)*textRefSize:], texts.add(errorText(n)))
	}
	putRef(block[hdrParkText:], texts.add(parkText))

	le := binary.LittleEndian
	_, first := p.list(0)
	for i := range p.Others {
		from, to := p.list(i + 1)
		entry := block[l.walkers+uint64(i)*walkerSize:][:walkerSize]
		le.PutUint64(entry[wlkOps:], l.ops+uint64(from)*recordSize)
		le.PutUint64(entry[wlkOpCount:], uint64(to-from))
	}
	le.PutUint64(block[hdrMagic:], magicVersion)
	le.PutUint64(block[hdrPark:], o.Park)
	le.PutUint64(block[hdrSize:], l.size)
	le.PutUint64(block[hdrDataLen:], uint64(len(p.Data)))
	le.PutUint64(block[hdrOps:], l.ops)
	le.PutUint64(block[hdrOpCount:], uint64(first))
	le.PutUint64(block[hdrWalkers:], l.walkers)
	le.PutUint64(block[hdrWalkCount:], uint64(len(p.Others)))
	le.PutUint64(block[hdrErrors:], l.errors)
	le.PutUint64(block[hdrErrCount:], numErrors)
	le.PutUint64(block[hdrErrFD:], uint64(o.ErrFD))
	le.PutUint64(block[hdrKept:], p.kept())
	return block, nil
}

// putRecord writes an op as the interpreter reads it.
func putRecord(rec []byte, op *Op, text textRef) {
	le := binary.LittleEndian
	rec[recCode] = byte(op.Code)
	rec[recCheck] = byte(op.Check)
	rec[recStore] = byte(op.Store)
	rec[recWantSlot] = byte(op.Want.Slot)
	le.PutUint32(rec[recNr:], op.Nr)
	le.PutUint64(rec[recWant:], op.Want.Imm)
	for i, a := range op.Args {
		rec[recArgSlots+i] = byte(a.Slot)
		le.PutUint64(rec[recImms+8*i:], a.Imm)
	}
	le.PutUint16(rec[recWalker:], uint16(op.Walker))
	putRef(rec[recText:], text)
}

// textRef says where in a block a text is.
type textRef struct{ off, len uint32 }

func putRef(at []byte, ref textRef) {
	binary.LittleEndian.PutUint32(at[textOff:], ref.off)
	binary.LittleEndian.PutUint32(at[textLen:], ref.len)
}

// textWriter puts texts into a block one after the other.
type textWriter struct {
	block []byte
	next  uint64
}

func (w *textWriter) add(s string) textRef {
	ref := textRef{uint32(w.next), uint32(len(s))}
	w.next += uint64(copy(w.block[w.next:], s))
	return ref
}
