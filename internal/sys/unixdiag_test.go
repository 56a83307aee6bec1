package sys

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func testSocket(t *testing.T, typ int) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

func diagOf(t *testing.T, fd int) *UnixSocket {
	t.Helper()
	st, err := StatFD(fd)
	if err != nil {
		t.Fatal(err)
	}
	all, err := UnixSockets()
	if err != nil {
		t.Fatal(err)
	}
	s := all[uint32(st.Ino)]
	if s == nil {
		t.Fatalf("socket %d is not among %d", st.Ino, len(all))
	}
	return s
}

func TestUnixSocketsTellsNamePeerAndWaiting(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	server, client := testSocket(t, unix.SOCK_STREAM), testSocket(t, unix.SOCK_STREAM)
	if err := unix.Bind(server, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(server, 7); err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(client, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	s, c := diagOf(t, server), diagOf(t, client)
	if !s.Listens || s.Backlog != 7 || s.Queue != 1 || !slices.Equal(s.Pending, []uint32{c.Ino}) {
		t.Errorf("server %+v, client %d", s, c.Ino)
	}
	if st, err := StatPath(path); err != nil || s.File == nil || s.File.Ino != uint32(st.Ino) ||
		s.File.Dev != st.DevMajor<<20|st.DevMinor {
		t.Errorf("file %+v, want that of %+v", s.File, st)
	}
	if string(bytes.TrimRight(s.Name, "\x00")) != path {
		t.Errorf("name %q, want %q", s.Name, path)
	}
	if !c.HasPeer || c.Peer != 0 || c.Name != nil || c.Listens {
		t.Errorf("client %+v", c)
	}
	if err := unix.Shutdown(client, unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	if c := diagOf(t, client); c.Shutdown != UnixShutWrite {
		t.Errorf("shutdown %d", c.Shutdown)
	}
	abstract := testSocket(t, unix.SOCK_DGRAM)
	if err := unix.Bind(abstract, &unix.SockaddrUnix{Name: fmt.Sprintf("@ckpt-diag-%d", os.Getpid())}); err != nil {
		t.Fatal(err)
	}
	if a := diagOf(t, abstract); a.Type != unix.SOCK_DGRAM || len(a.Name) == 0 || a.Name[0] != 0 || a.File != nil || a.HasPeer {
		t.Errorf("abstract %+v", a)
	}
}

func FuzzUnixDiag(f *testing.F) {
	f.Add(unixDiagRequest())
	f.Add([]byte{20, 0, 0, 0, unix.NLMSG_ERROR, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff})
	f.Add(append([]byte{41, 0, 0, 0, sockDiagByFamily, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		1, 1, 10, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 9, 0, 3, 0, 1, 2, 3, 4, 5))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := parseUnixDiag(b, func(s *UnixSocket) {
			if len(s.Name) > len(b) || len(s.Pending) > len(b)/4 {
				t.Errorf("%d bytes of answer became %+v", len(b), s)
			}
		})
		_ = err // any is good
	})
}
