// Bench measures saving and restoring, each beside what the same machine needs
// in the same minute for plain work of that size: writing so many bytes, reading
// them, one fork of that process. docs/performance.md says how to read it.
//
//	go run ./internal/tools/bench [-sizes 16M,256M,1G,4G] [-n 5] [-small 20] [-threads 200] [-processes 50] [-dir .] [-json]
//
// It uses the ckpt in the directory CKPT_BIN, else in ./bin. CRIU and DMTCP are
// measured beside it where they are installed and work.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	o := options{}
	sizes := flag.String("sizes", "16M,256M,1G,4G", "memory of the programs, separated by commas")
	flag.IntVar(&o.runs, "n", 5, "runs for each program but the small one")
	flag.IntVar(&o.threads, "threads", 200, "threads of the program with many; 1 leaves it out")
	flag.IntVar(&o.processes, "processes", 50, "processes of the tree; 1 leaves it out")
	flag.IntVar(&o.small, "small", 20, "runs of the program without memory")
	flag.StringVar(&o.dir, "dir", ".", "put images and other temporary files in a directory made here")
	flag.BoolVar(&o.json, "json", false, "print one JSON document")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if o.sizes, err = parseSizes(*sizes); err == nil {
		err = bench(ctx, o)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}
