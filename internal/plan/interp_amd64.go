package plan

//lint:file-ignore U1000 the functions of the interpreter are used by assembly

// The interpreter, see interp_amd64.s. It is never called, only copied into
// blocks.
func interp()
func parked()
func fail()
func sigreturn()
func endThread()
func secret()
func interpEnd()

// code is the interpreter as bytes, from interp to interpEnd.
func code() []byte

// sigreturnOffset is the offset of sigreturn in code.
func sigreturnOffset() uint64

// endThreadOffset is the offset of endThread in code.
func endThreadOffset() uint64

// EndThread is for Landing.PC: instead of leaving, the thread ends.
func EndThread() Arg { return Arg{Base, endThreadOffset()} }

// Sigreturn is the address of a rt_sigreturn(2) system call in the plan's
// block, for Landing.PC: with Landing.SP at a struct rt_sigframe's uc it gives
// the thread all its registers at once.
func Sigreturn() Arg { return Arg{Base, sigreturnOffset()} }
