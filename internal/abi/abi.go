// Package abi holds what the kernel fixes: numbers, bit masks and the layout
// of the structures that cross the system call boundary. It contains no
// behaviour; the calls themselves are in package sys.
//
// Each declaration names its source (a man page or a kernel file). What
// depends on the processor sits in files ending in _amd64.go.
package abi
