package plan

import (
	"encoding/binary"
	"errors"
	"sync"
	"syscall"
	"time"
)

// walkers is what the walkers of a plan that Run executes have in common.
type walkers struct {
	plan    *Plan
	running sync.WaitGroup // all but the first

	mu  sync.Mutex // also held while a word of memory is changed
	err error      // the first failure
}

// failed notes a failure, if err is one, and reports whether there was any.
func (w *walkers) failed(err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	return w.err != nil
}

// end waits for all walkers.
func (w *walkers) end() error {
	w.running.Wait()
	return w.err
}

// errNoSpawn is the error of a Machine that can not start walkers.
var errNoSpawn = errors.New("there is nothing that starts walkers")

func (m *Machine) spawn(op *Op, args [6]uint64) (uint64, error) {
	if m.Spawn == nil {
		return 0, errNoSpawn
	}
	for tries := 1; ; tries++ {
		child := *m
		m.all.running.Add(1)
		result := m.Spawn(op.Nr, args, func() {
			defer m.all.running.Done()
			child.walk(op.Walker)
		})
		if !isError(result) {
			return result, nil
		}
		m.all.running.Done()
		if -result != uint64(syscall.EEXIST) || tries == spawnTries {
			return result, nil
		}
		time.Sleep(spawnPause * time.Millisecond)
	}
}

// await looks again and again until the word has the value: whoever changes it
// may be another process.
func (m *Machine) await(addr uint64, want uint32) error {
	const pause = 50 * time.Microsecond
	for !m.all.failed(nil) {
		var word [4]byte
		if _, err := m.Memory.ReadAt(word[:], int64(addr)); err != nil {
			return err
		}
		if binary.LittleEndian.Uint32(word[:]) == want {
			return nil
		}
		time.Sleep(pause)
	}
	return nil
}

func (m *Machine) add32(addr uint64, n uint32) (uint64, error) {
	m.all.mu.Lock()
	defer m.all.mu.Unlock()
	var word [4]byte
	if _, err := m.Memory.ReadAt(word[:], int64(addr)); err != nil {
		return 0, err
	}
	n += binary.LittleEndian.Uint32(word[:])
	binary.LittleEndian.PutUint32(word[:], n)
	_, err := m.Memory.WriteAt(word[:], int64(addr))
	return uint64(n), err
}
