package ptrace

// SetAfterRequest sets what is called after every step that changes a target.
func SetAfterRequest(f func()) { afterRequest = f }

// ScratchRange is where scratch memory is mapped.
var ScratchRange = scratchRange

// Interrupt asks a thread to stop, and does not wait for it.
func Interrupt(t *Thread) error { return interrupt([]*Thread{t}) }
