package save

import (
	"bytes"
	"io"
	"reflect"
	"testing"

	"ckpt/internal/image"
)

// TestFindObjects: every byte of an object that any process shows is read once.
func TestFindObjects(t *testing.T) {
	t.Parallel()
	area := func(id, offset, length, at uint64) image.Area {
		return image.Area{Start: image.Addr(at), End: image.Addr(at + length), Kind: image.SharedAnonymous, Offset: offset, Object: id}
	}
	private := image.Area{Start: 0x500, End: 0x600, Kind: image.Anonymous}
	all := findObjects([][]image.Area{
		{area(7, 0x10, 0x10, 0x100), private, area(9, 0, 0x20, 0x1000)},
		{area(7, 0x18, 0x18, 0x200), area(7, 0x10, 0x4, 0x300)},
		nil, // a zombie
		{area(7, 0x40, 0x10, 0x400)},
	})
	want := []object{
		{image.Object{ID: 7, Size: 0x50}, []window{{0x10, 0x10, 0, 0x100}, {0x20, 0x10, 1, 0x208}, {0x40, 0x10, 3, 0x400}}},
		{image.Object{ID: 9, Size: 0x20}, []window{{0, 0x20, 0, 0x1000}}},
	}
	if !reflect.DeepEqual(all, want) {
		t.Errorf("found %+v", all)
	}
	if runs := all[0].runs(); !reflect.DeepEqual(runs, []image.Run{{Start: 0x10, Len: 0x20}, {Start: 0x40, Len: 0x10}}) {
		t.Errorf("runs %+v", runs)
	}
	memory := func(fill byte) io.ReaderAt { return bytes.NewReader(bytes.Repeat([]byte{fill}, 0x1100)) }
	m := &objectMemory{all[0].windows, []io.ReaderAt{memory('a'), memory('b'), nil, memory('d')}}
	b := make([]byte, 0x20)
	if n, err := m.ReadAt(b, 0x10); n != 0x20 || err != nil || string(b) != "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb" {
		t.Errorf("%q, error %v", b[:n], err)
	}
	if n, err := m.ReadAt(b, 0x2e); n != 2 || err != io.EOF {
		t.Errorf("beyond what is shown: %d, error %v", n, err)
	}
}
