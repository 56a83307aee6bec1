package kind

import (
	"encoding/json"
	"fmt"

	"ckpt/internal/image"
)

// setDetail stores what only the kind of f understands.
func setDetail(f *image.OpenFile, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("file %d (%s): %w", f.ID, f.Kind, err)
	}
	f.Detail = b
	return nil
}

// detail reads what setDetail stored. It does not trust it: the image may be
// anybody's.
func detail[T any](f *image.OpenFile) (T, error) {
	var v T
	if err := json.Unmarshal(f.Detail, &v); err != nil {
		return v, fmt.Errorf("%w: details of file %d (%s): %w", image.ErrCorrupt, f.ID, f.Kind, err)
	}
	return v, nil
}
