package plan

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"ckpt/internal/abi"
)

// Line is an op in words, as ckpt plan --json gives it.
type Line struct {
	Walker int      `json:"walker,omitempty"` // who makes it; 0 is the one that was executed
	Name   string   `json:"name,omitempty"`   // of the walker: "process 4711"
	Op     int      `json:"op"`               // index in the plan
	Call   string   `json:"call"`             // "mmap", "copy", ...
	Args   []string `json:"args"`             // in the notation of strace(1)
	Want   string   `json:"want,omitempty"`   // the only result accepted
	Until  bool     `json:"until,omitempty"`  // it is repeated until the result is that
	Any    bool     `json:"any,omitempty"`    // every result is accepted
	Store  string   `json:"store,omitempty"`  // "$4": the slot for the result
	Spawn  int      `json:"spawn,omitempty"`  // the walker that the call starts
	What   string   `json:"what"`             // what the op is for
}

// Lines are the ops of a plan in words.
func Lines(p *Plan) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		for walker := range len(p.Others) + 1 {
			from, to := p.list(walker)
			for i := from; i < to; i++ {
				if !yield(p.line(walker, i)) {
					return
				}
			}
		}
	}
}

// Format prints a plan as strace would print its execution. Slots are $0, $1
// and so on; those of fixed meaning are $base, $vdso and $size. A result is
// printed only if the plan insists on it; = ? means that any will do:
//
//	12  mmap(0x1000, 8192, PROT_READ, MAP_PRIVATE|MAP_FIXED, $4, 0) = 0x1000  # map /bin/true
//
// = ... until is a call that is repeated until it gives that. A call that starts
// another walker ends with "=> walker 1", whose list follows behind that of the
// first one, under its name: "walker 1 (process 4711):".
func Format(w io.Writer, p *Plan) error {
	out := bufio.NewWriter(w)
	width := len(strconv.Itoa(len(p.Ops)))
	walker := 0
	for l := range Lines(p) {
		if l.Walker != walker {
			walker = l.Walker
			fmt.Fprintf(out, "walker %d", walker)
			if l.Name != "" {
				fmt.Fprintf(out, " (%s)", oneLine(l.Name))
			}
			fmt.Fprintln(out, ":")
		}
		fmt.Fprintf(out, "%*d  %s\n", width, l.Op, l)
	}
	return out.Flush()
}

// String is the line without its number.
func (l Line) String() string {
	var s strings.Builder
	s.WriteString(l.Call + "(" + strings.Join(l.Args, ", ") + ")")
	if l.Want != "" {
		s.WriteString(" = " + l.Want)
	}
	if l.Until {
		s.WriteString(" until")
	}
	if l.Any {
		s.WriteString(" = ?")
	}
	if l.Store != "" {
		s.WriteString(" -> " + l.Store)
	}
	if l.Spawn != 0 {
		fmt.Fprintf(&s, " => walker %d", l.Spawn)
	}
	s.WriteString("  # " + oneLine(l.What))
	return s.String()
}

// oneLine keeps names with line breaks or escape sequences from ruining the
// listing or the terminal.
func oneLine(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

func (p *Plan) line(walker, i int) Line {
	op := &p.Ops[i]
	about := ""
	if walker < len(p.Names) {
		about = p.Names[walker]
	}
	l := Line{Walker: walker, Name: strings.TrimSuffix(about, ": "), Op: i, What: strings.TrimPrefix(op.What, about), Any: op.Check == Whatever, Until: op.Check == Until, Spawn: op.Walker}
	l.Call, l.Args = p.call(op)
	if op.wants() {
		l.Want = op.Want.notation()
	}
	if op.Store != Zero {
		l.Store = op.Store.String()
	}
	return l
}

// call is the name of an op and its arguments.
func (p *Plan) call(op *Op) (string, []string) {
	switch op.Code {
	case Copy:
		return "copy", p.args(op, []argKind{address, address, number})
	case Poke32If:
		return "poke32_if", p.args(op, []argKind{address, number, number})
	case Await:
		return "await", p.args(op, []argKind{address, number})
	case Add:
		return "add", p.args(op, []argKind{address, number})
	case Sums:
		return "xxh3_64", p.args(op, []argKind{address, address, address})
	case Depart:
		return "depart", p.args(op, []argKind{address, address, address, address, address})
	case Leave:
		if op.Args[5] == (Arg{}) {
			return "leave", p.args(op, []argKind{address, address, address, address})
		}
		return "leave", p.args(op, []argKind{address, address, address, address, address, number})
	}
	name := abi.SyscallName(op.Nr)
	if name == "" {
		name = fmt.Sprintf("syscall_%d", op.Nr)
	}
	kinds, ok := notations()[op.Nr]
	if !ok {
		// Whatever it takes, the last argument that is set is one of them.
		n := len(op.Args)
		for n > 0 && op.Args[n-1] == (Arg{}) {
			n--
		}
		kinds = []argKind{hex, hex, hex, hex, hex, hex}[:n]
	}
	return name, p.args(op, kinds)
}

func (p *Plan) args(op *Op, kinds []argKind) []string {
	args := make([]string, len(kinds))
	for i, kind := range kinds {
		args[i] = p.arg(op, i, kind)
	}
	return args
}

// arg is argument i of op in the notation of its kind.
func (p *Plan) arg(op *Op, i int, kind argKind) string {
	a := op.Args[i]
	if data := p.dataAt(a); data != nil {
		switch {
		case kind.size != nil:
			if n := kind.size(op, i); n > 0 && n <= uint64(len(data)) {
				return quote(data[:n])
			}
		case kind.cstring:
			if s, _, ok := strings.Cut(string(data), "\x00"); ok {
				return quote([]byte(s))
			}
		}
	}
	if a.Slot != Zero || kind.constant == nil {
		return a.notation()
	}
	return kind.constant(a.Imm)
}

// dataAt is the plan's data from a on, nil if that is not in the data.
func (p *Plan) dataAt(a Arg) []byte {
	if a.Slot != Base || a.Imm < DataOffset || a.Imm-DataOffset >= uint64(len(p.Data)) {
		return nil
	}
	return p.Data[a.Imm-DataOffset:]
}

// quoteLimit is how much of a string or buffer is printed, as in strace(1).
const quoteLimit = 32

func quote(b []byte) string {
	dots := ""
	if len(b) > quoteLimit {
		b, dots = b[:quoteLimit], "..."
	}
	for _, c := range b {
		if c >= 0x7f || c < ' ' && c != '\n' && c != '\t' {
			return fmt.Sprintf("<%x%s>", b, dots)
		}
	}
	return strconv.Quote(string(b)) + dots
}

// notation is an argument of no particular kind.
func (a Arg) notation() string {
	switch {
	case a.Slot == Zero:
		return hexNumber(a.Imm)
	case a.Imm == 0:
		return a.Slot.String()
	case int64(a.Imm) < 0:
		return a.Slot.String() + "-" + hexNumber(-a.Imm)
	default:
		return a.Slot.String() + "+" + hexNumber(a.Imm)
	}
}

// String is the slot as a listing has it.
func (s Slot) String() string {
	switch s {
	case Base:
		return "$base"
	case VDSO:
		return "$vdso"
	case Size:
		return "$size"
	}
	return "$" + strconv.Itoa(int(s))
}
