package save

import (
	"context"
	"errors"

	"ckpt/internal/image"
)

// compress compresses the image. The memory of twins is compressed as it is
// read from them. All the rest was copied as it is while the processes stood
// still: they do not wait for a compression.
func (c *collector) compress(ctx context.Context) error {
	for _, m := range c.members {
		if len(m.later) == 0 {
			continue
		}
		if err := m.space().Later(m.later, m.readTwin(m.copier(m.laterMemory()))); err != nil {
			return err
		}
	}
	err := aside(ctx, &c.beat, stallLimit, func() error { return c.image.Compress(ctx, c.step) })
	var source *sourceError
	var stall *StallError
	switch {
	case err == nil || errors.As(err, &stall):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &source):
		return source.err
	}
	return &StoreError{c.o.Path, err}
}

// sourceError says that something could not be read, rather than written.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }

func (m *member) readTwin(from *copier) image.ReadMemory {
	return func(p []byte, addr uint64) (int, error) {
		n, err := from.read(p, addr)
		if err != nil {
			err = &sourceError{m.named(err)}
		}
		return n, err
	}
}
