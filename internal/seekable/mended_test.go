package seekable

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// mended gives a copy of the file whose checksums are right, so that what is
// behind them is tried, too. Where the tables make no sense it is as it was.
func mended(b []byte) []byte {
	b = append([]byte(nil), b...)
	if len(b) < footerSize {
		return b
	}
	all := int64(binary.LittleEndian.Uint32(b[len(b)-footerSize:]))
	if all < 1 || all > 1000 || tableSize(int(all))+indexSize(int(all)-1) > int64(len(b)) {
		return b
	}
	table := b[int64(len(b))-tableSize(int(all)):]
	rest := b[:len(b)-len(table)]
	index := rest[int64(len(rest))-indexSize(int(all)-1):]
	place := 0
	for i := range int(all) - 1 {
		size := int(binary.LittleEndian.Uint32(table[skipHeader+tableEntry*i:]))
		if size > len(rest)-len(index)-place {
			return b
		}
		sum := xxh3.Hash(rest[place : place+size])
		binary.LittleEndian.PutUint64(index[skipHeader+len(indexMark)+indexEntry*i:], sum)
		place += size
	}
	at := len(index) - sealSize
	binary.LittleEndian.PutUint64(index[at:], seal(index[:at], table))
	return b
}
