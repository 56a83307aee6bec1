//go:build cgo

package main

// #include <stdlib.h>
// static int twice(int n) { return n * 2; }
import "C"

func init() {
	if C.twice(21) != 42 {
		panic("cgo")
	}
}
