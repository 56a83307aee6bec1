package cli

import (
	"encoding/binary"

	"ckpt/internal/abi"
	"ckpt/internal/emit"
)

// What the probe says before and after its byte.
const (
	waitingSays  = "ready\n"
	waitingLives = "alive\n"
)

// waitingProgram is a program that says ready, waits for a byte, says alive and
// ends. Doctor makes it of machine code, since there may be no compiler here,
// nor any other program that would keep still.
func waitingProgram() ([]byte, error) {
	var c code
	c.print(waitingSays)
	c.readByte()
	c.print(waitingLives)
	c.exit()
	return c.program()
}

// exitProgram is a program that ends with code 0.
func exitProgram() ([]byte, error) {
	var c code
	c.exit()
	return c.program()
}

// code is a program being written: instructions in front, texts behind them.
type code struct {
	text []byte
	data []byte
}

const (
	codePage = 4096
	dataAt   = 1024 // more than the instructions need
)

func (c *code) emit(b ...byte) { c.text = append(c.text, b...) }

func (c *code) imm32(n uint32) { c.text = binary.LittleEndian.AppendUint32(c.text, n) }

// call makes a system call with up to three arguments; rsi is set already.
func (c *code) call(nr, rdi, rdx uint32) {
	c.emit(0xb8) // mov eax, nr
	c.imm32(nr)
	c.emit(0xbf) // mov edi, rdi
	c.imm32(rdi)
	c.emit(0xba) // mov edx, rdx
	c.imm32(rdx)
	c.emit(0x0f, 0x05) // syscall
}

// print writes s to standard output.
func (c *code) print(s string) {
	const length = 7
	at := uint32(dataAt + len(c.data))
	c.emit(0x48, 0x8d, 0x35) // lea rsi, [rip+...]
	c.imm32(at - uint32(len(c.text)-3+length))
	c.data = append(c.data, s...)
	c.call(abi.SysWrite, 1, uint32(len(s)))
}

// readByte reads a byte from standard input to below the stack pointer.
func (c *code) readByte() {
	c.emit(0x48, 0x8d, 0x74, 0x24, 0xc0) // lea rsi, [rsp-64]
	c.call(abi.SysRead, 0, 1)
}

func (c *code) exit() { c.call(abi.SysExitGroup, 0, 0) }

// program is the executable. The package that makes restorers makes it, too: a
// restorer is a page of code without anything around it.
func (c *code) program() ([]byte, error) {
	page := make([]byte, codePage)
	copy(page, c.text)
	copy(page[dataAt:], c.data)
	const load = 0x1000_0000 // far from where the kernel puts anything itself
	return emit.Restorer(page, 0, load)
}
