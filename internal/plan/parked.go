package plan

import "encoding/binary"

// ParkedHeader is how many bytes of a parked block's second page Parked needs.
const ParkedHeader = 16

// Parked reports whether header, the first bytes of the page behind the one at
// park, is that of a block that parked itself there. What is left of a block
// after Leave is found by this in the next save.
func Parked(header []byte, park uint64) bool {
	return len(header) >= ParkedHeader &&
		binary.LittleEndian.Uint64(header) == magicVersion &&
		binary.LittleEndian.Uint64(header[hdrPark-headerOff:]) == park
}
