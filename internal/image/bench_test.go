package image

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"ckpt/internal/sys"
)

// The size of what the benchmarks write and of one write, in bytes.
const (
	benchSize  = 1 << 30
	benchPiece = 512 << 10
)

// BenchmarkWriteMemory is to be compared with BenchmarkPlainWrite: what
// chunks, checksums and the search for zeros cost. The latter is fastest with
// one goroutine: writes to one file exclude each other.
func BenchmarkWriteMemory(b *testing.B) {
	src := randomBytes(64<<20, 1)
	path := filepath.Join(b.TempDir(), "image")
	m := sample()
	m.Processes[0].Areas = []Area{{Start: 1 << 30, End: 1<<30 + benchSize, Kind: Anonymous, File: -1}}
	b.SetBytes(benchSize)
	for b.Loop() {
		w, err := Create(b.Context(), path)
		if err != nil {
			b.Fatal(err)
		}
		if err := w.Layout(one(m.Processes[0].Areas, []Run{{1 << 30, benchSize}})); err != nil {
			b.Fatal(err)
		}
		inPieces(b, 2, func(off int) error {
			at := off % len(src)
			return w.Process(0).WriteMemory(1<<30+uint64(off), src[at:at+benchPiece])
		})
		if _, err := w.Commit(m, CommitOptions{}); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		os.Remove(path)
		b.StartTimer()
	}
}

func BenchmarkPlainWrite(b *testing.B) {
	src := randomBytes(64<<20, 1)
	path := filepath.Join(b.TempDir(), "plain")
	b.SetBytes(benchSize)
	for b.Loop() {
		f, err := os.Create(path)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := sys.Preallocate(f, 0, benchSize); err != nil {
			b.Fatal(err)
		}
		inPieces(b, 1, func(off int) error {
			at := off % len(src)
			_, err := f.WriteAt(src[at:at+benchPiece], int64(off))
			return err
		})
		f.Close()
		b.StopTimer()
		os.Remove(path)
		b.StartTimer()
	}
}

// inPieces calls write for each piece, from so many goroutines.
func inPieces(b *testing.B, workers int, write func(off int) error) {
	var next atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for {
				off := int(next.Add(benchPiece) - benchPiece)
				if off >= benchSize {
					return
				}
				if err := write(off); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}
