package seekable

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// FrameSize is how many bytes of the content a frame has, at most, in bytes.
// Larger ones are smaller by a few hundredths only, but whoever wants one page
// has to decompress a frame: 0.2 ms for this much. Only a frame of zeros is
// longer.
const FrameSize = 256 << 10

// maxZeroFrame is the content of the longest frame of zeros. It takes 2 KB.
const maxZeroFrame = 64 << 20

// ErrFormat says that a file is not in this format at all.
var ErrFormat = errors.New("not in the seekable zstd format of ckpt")

// ErrCorrupt says that a file is in this format, but not as it was written.
var ErrCorrupt = errors.New("damaged compression")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// Numbers of the zstd format (RFC 8878) and of the seekable one.
const (
	frameMagic  = 0xfd2fb528
	tableMagic  = 0x184d2a5e // skippable frame: the seek table
	indexMagic  = 0x184d2a5c // skippable frame: ours
	footerMagic = 0x8f92eab1

	skipHeader = 8 // magic and length of a skippable frame
	tableEntry = 8 // compressed and decompressed size of a frame
	footerSize = 9 // number of frames, descriptor, magic

	maxBlock    = 128 << 10
	blockHeader = 3
	blockRaw    = 0 // as it is
	blockRLE    = 1 // one byte, many times

	// ownHeader is what our frames without compression begin with: the magic, a
	// descriptor that says that four bytes have the size and that there is no
	// checksum, a window of 256 KiB, and the size.
	ownHeader     = 10
	ownDescriptor = 2 << 6
	ownWindow     = 8 << 3
)

// The index: mark, a checksum for each frame in front of it, and a checksum of
// all that and of the seek table behind it.
const (
	indexMark  = "CKPTzst1"
	indexEntry = 8
	sealSize   = 8
)

func indexSize(frames int) int64 {
	return skipHeader + int64(len(indexMark)) + indexEntry*int64(frames) + sealSize
}

func tableSize(frames int) int64 { return skipHeader + tableEntry*int64(frames) + footerSize }

// blocks is how many blocks a frame without compression has.
func blocks(n int64) int64 { return (n + maxBlock - 1) / maxBlock }

// storedSize is the length of the frame that appendStored makes of n bytes, and
// more than that of any other that holds as many.
func storedSize(n int64) int64 { return ownHeader + blockHeader*blocks(n) + n }

// zeroSize is the length of the frame that appendZero makes of n bytes.
func zeroSize(n int64) int64 { return ownHeader + (blockHeader+1)*blocks(n) }

func appendHeader(b []byte, n int64) []byte {
	b = binary.LittleEndian.AppendUint32(b, frameMagic)
	b = append(b, ownDescriptor, ownWindow)
	return binary.LittleEndian.AppendUint32(b, uint32(n))
}

func appendBlock(b []byte, kind, n int64, last bool) []byte {
	v := uint32(kind<<1 | n<<3)
	if last {
		v |= 1
	}
	return append(b, byte(v), byte(v>>8), byte(v>>16))
}

// appendStored makes a frame of p as it is. Its length depends on that of p only.
func appendStored(b, p []byte) []byte {
	b = appendHeader(b, int64(len(p)))
	for {
		n := min(len(p), maxBlock)
		b = appendBlock(b, blockRaw, int64(n), n == len(p))
		b = append(b, p[:n]...)
		if p = p[n:]; len(p) == 0 {
			return b
		}
	}
}

// appendZero makes a frame of n zeros.
func appendZero(b []byte, n int64) []byte {
	b = appendHeader(b, n)
	for {
		m := min(n, maxBlock)
		b = append(appendBlock(b, blockRLE, m, m == n), 0)
		if n -= m; n == 0 {
			return b
		}
	}
}
