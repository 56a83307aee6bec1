package kind

import (
	"io"

	"ckpt/internal/image"
)

// payloadReader reads what addPayload stored, at the offsets that it had.
type payloadReader struct {
	stored []byte
	ref    image.PayloadRef
}

func (r payloadReader) ReadAt(b []byte, off int64) (int, error) {
	n := copy(b, make([]byte, max(0, min(int64(len(b)), r.ref.Size-off))))
	for _, e := range r.ref.Extents {
		from, to := max(e.Off, off), min(e.Off+e.Len, off+int64(n))
		if from < to {
			copy(b[from-off:to-off], r.stored[e.Pos+from-e.Off:])
		}
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}
