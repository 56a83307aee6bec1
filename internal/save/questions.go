package save

import (
	"bytes"
	"encoding/binary"
	"slices"

	"ckpt/internal/ptrace"
)

// questions are what a thread is asked at one time: each question more costs hardly
// anything, another time two switches of processes.
type questions struct {
	in      *ptrace.Injector
	scratch uint64 // memory of the process for answers
	words   int    // of it, those that are taken
	queries []ptrace.Query
	answers []answer
}

// answer is what is done with words of scratch memory.
type answer struct {
	first, words int
	take         func(w []uint64) error
}

func newQuestions(in *ptrace.Injector) *questions {
	scratch, _ := in.Scratch()
	return &questions{in: in, scratch: scratch}
}

// room gives the address of so many words for answers, of which take is told. Words
// that nobody answered are unanswered.
func (q *questions) room(words int, take func(w []uint64) error) (at uint64) {
	at = q.scratch + 8*uint64(q.words)
	q.answers = append(q.answers, answer{q.words, words, take})
	q.words += words
	return at
}

// ask adds a query. See ptrace.Query.
func (q *questions) ask(nr uint64, args ...uint64) {
	query := ptrace.Query{Nr: nr}
	copy(query.Args[:], args)
	q.queries = append(q.queries, query)
}

// askAll asks several threads at the same time, and takes their answers, one thread
// after the other.
func askAll(all []*questions) error {
	ins := make([]*ptrace.Injector, len(all))
	for i, q := range all {
		ins[i] = q.in
		if err := q.in.WriteScratch(0, blank(q.words)); err != nil {
			return err
		}
	}
	err := ptrace.Ask(ins, func(in *ptrace.Injector) []ptrace.Query { return all[slices.Index(ins, in)].queries })
	if err != nil {
		return err
	}
	for _, q := range all {
		b := make([]byte, 8*q.words)
		if err := q.in.ReadScratch(0, b); err != nil {
			return err
		}
		w := make([]uint64, q.words)
		for i := range w {
			w[i] = binary.LittleEndian.Uint64(b[8*i:])
		}
		for _, a := range q.answers {
			if err := a.take(w[a.first : a.first+a.words]); err != nil {
				return err
			}
		}
	}
	return nil
}

// unanswered is what is in scratch memory before queries: none answers that.
const unanswered = ^uint64(0)

// blank is scratch memory of so many words without answers.
func blank(words int) []byte { return bytes.Repeat([]byte{0xff}, 8*words) }
