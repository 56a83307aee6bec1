package kind

import (
	"os"

	"ckpt/internal/sys"
)

// findAll finds what is in flight, as package save does.
func (w *world) findAll() {
	w.t.Helper()
	w.frozen = w.saveContext(true)
	for i := 0; i < len(w.all); i++ {
		w.frozen.All = w.all
		if err := Find(w.frozen, w.all[i]); err != nil {
			w.t.Fatal(err)
		}
	}
}

// found is SaveContext.Found: one of those that are saved, or a new one.
func (w *world) found(local *os.File) (int, error) {
	base := len(w.Manifest.Files)
	for i, o := range w.all {
		order, err := sys.KcmpFile(os.Getpid(), int(local.Fd()), os.Getpid(), o.FD)
		if err != nil {
			return 0, err
		}
		if order == 0 {
			return base + i, local.Close()
		}
	}
	d := w.desc(int(local.Fd()))
	d.InFlight = local
	w.local = append(w.local, local)
	w.all = append(w.all, d)
	return base + len(w.all) - 1, nil
}

// describeInFlight adds what was found to the manifest.
func (w *world) describeInFlight() {
	w.t.Helper()
	for _, d := range w.all {
		if d.InFlight == nil {
			continue
		}
		w.frozen.All = w.all
		f, err := Describe(w.frozen, d)
		if err != nil {
			w.t.Fatal(err)
		}
		f.ID = len(w.Manifest.Files)
		w.Manifest.Files = append(w.Manifest.Files, *f)
	}
}
