// Gowork is a program for the tests: goroutines, a ticker, garbage, a digest.
package main

import (
	"crypto/sha256"
	"fmt"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

func work(seed uint64, results chan<- [32]byte) {
	var last [32]byte
	for range 20 {
		words := make(map[uint64][]byte)
		for range 400 {
			seed = seed*6364136223846793005 + 1442695040888963407
			words[seed>>52] = append(words[seed>>52], byte(seed>>40))
		}
		for i := range uint64(4096) {
			last = sha256.Sum256(append(last[:], words[i]...))
		}
	}
	results <- last
}

func main() {
	signal.Ignore(syscall.SIGHUP)
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for round := range 8 {
		results := make(chan [32]byte, 16)
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() { work(uint64(round*16+i), results) })
		}
		<-ticker.C
		all.Wait()
		var sum [32]byte
		for range 16 {
			for i, b := range <-results {
				sum[i] ^= b
			}
		}
		fmt.Printf("%d %x\n", round, sum)
	}
}
