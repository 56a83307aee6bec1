package kind

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

func TestOwnerComesBack(t *testing.T) {
	t.Parallel()
	for _, want := range []image.FileOwner{
		{Type: sys.FOwnerPID, PID: os.Getpid(), Signal: int(unix.SIGUSR1)},
		{Type: sys.FOwnerTID, PID: os.Getpid()},
		{Type: sys.FOwnerPGRP, PID: unix.Getpgrp()},
		{Type: sys.FOwnerTID, Signal: int(unix.SIGUSR1)},
	} {
		w := newWorld(t)
		fd := w.open(file(t, "x"), unix.O_RDONLY, 0)
		if want.PID != 0 {
			if err := sys.SetFileOwner(fd, want.Type, want.PID); err != nil {
				t.Fatal(err)
			}
		}
		if err := sys.SetFileSignal(fd, want.Signal); err != nil {
			t.Fatal(err)
		}
		w.save(fd)
		w.restore()
		got := image.FileOwner{}
		var err error
		if got.Type, got.PID, err = sys.FileOwner(fd); err != nil {
			t.Fatal(err)
		}
		if got.Signal, err = sys.FileSignal(fd); err != nil {
			t.Fatal(err)
		}
		if want.PID == 0 {
			got.Type = want.Type // means nothing without a pid
		}
		if got != want {
			t.Errorf("owner %+v, want %+v", got, want)
		}
	}
}

func TestOwnerThatIsNotSaved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fd := w.open(file(t, "x"), unix.O_RDONLY, 0)
	if err := sys.SetFileOwner(fd, sys.FOwnerPID, os.Getppid()); err != nil {
		t.Fatal(err)
	}
	w.save(fd)
	w.restore()
	w.wantWarning("fd ", "not part of the image")
	if _, pid, err := sys.FileOwner(fd); err != nil || pid != 0 {
		t.Errorf("owner %d, %v", pid, err)
	}
}
