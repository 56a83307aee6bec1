package sys

import "golang.org/x/sys/unix"

// retry calls f again for as long as a signal interrupts it. Only for calls
// that do not wait for anybody: those end soon.
func retry(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}
