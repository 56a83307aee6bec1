package save

import (
	"fmt"
	"slices"

	"ckpt/internal/kind"
	"ckpt/internal/sys"
)

// identity is equal for all descriptors that share an open file description,
// and for some others: the kernel is asked about those only.
type identity struct {
	dev, ino uint64
	link     string
}

// add returns the number of the open file behind the descriptor d, which is new
// or known by another descriptor, of whatever process. Those with the same
// identity are kept in the order that kcmp(2) gives them, so that it takes a
// dozen questions to find one among thousands.
func (f *files) add(d *kind.Desc) (int, error) {
	id := identity{d.Stat.Dev, d.Stat.Ino, d.Link}
	known := f.seen[id] // numbers of open files
	var failed error
	at, found := slices.BinarySearchFunc(known, d, func(file int, d *kind.Desc) int {
		order, err := kcmp(f.descs[file], d)
		if err != nil {
			failed = err
		}
		return order
	})
	if failed != nil {
		return 0, fmt.Errorf("find out which descriptors share an open file: %w", failed)
	}
	if found {
		file := known[at]
		f.descs[file].AddHolder(d)
		return file, nil
	}
	d.AddHolder(d)
	f.descs = append(f.descs, d)
	f.seen[id] = slices.Insert(known, at, len(f.descs)-1)
	return len(f.descs) - 1, nil
}

// kcmp compares open files: -1, 0 or 1.
func kcmp(a, b *kind.Desc) (int, error) {
	order, err := sys.KcmpFile(a.PID, a.FD, b.PID, b.FD)
	if order == 2 {
		return 1, err
	}
	return -order, err
}
