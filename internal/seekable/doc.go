// Package seekable is a file in the seekable zstd format: what it holds is cut
// into frames, each compressed by itself, so that any part can be read without
// the ones in front of it, and several processors compress and decompress at the
// same time. Every zstd decompressor gives the whole content back.
//
// From the front: frames of FrameSize or less, in the order of the content;
// an index, which is a skippable frame of ours; and the seek table that the
// format wants (contrib/seekable_format/zstd_seekable_compression_format.md of
// zstd), a skippable frame as well, which has the sizes of all frames. The index
// has a checksum of each frame as it stands in the file, and one of itself and
// the seek table, so that a flipped bit anywhere is found: zstd's own checksums
// leave some bits of a frame's header out.
//
// A Writer makes one, in the order of the content but for a part in front whose
// length is known before its bytes are. A Reader is an io.ReaderAt of the content,
// and takes only frames that a Writer would have made.
package seekable
