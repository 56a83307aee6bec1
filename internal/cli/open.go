package cli

import (
	"errors"
	"fmt"
	"io/fs"

	"ckpt/internal/image"
	"ckpt/internal/restore"
)

// openImage opens an image to be read; errors name the file once.
func openImage(path string) (*image.Image, error) {
	if err := noEmpty("the name of the image", path); err != nil {
		return nil, err
	}
	im, err := image.Open(path)
	if err == nil {
		return im, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s: %w", path, restore.ErrNoImage)
	}
	return nil, err // it names the file
}
