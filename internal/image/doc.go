// Package image is the checkpoint file: a valid ELF core that also holds what
// an ELF core has no words for. docs/image-format.md is its specification.
//
// From the front: the ELF header and program headers of the root of the process
// tree; the memory, page aligned; the payload area with bulk bytes that are not
// memory; the parts, which are headers and notes of the other processes; and one
// PT_NOTE segment at the end with the notes that every core file has, then our
// own: the registers as the kernel gave them, the manifest in JSON, the table of
// chunks and a seal. The file ends right behind the seal.
//
// There is one store of memory for all. Each process and each shared object is a
// space: its program headers say which bytes of the store stand for which of its
// addresses, so that what several of them share stands once.
//
// Every byte is accounted for. Memory and payload are covered by the checksums
// of their chunks, headers and notes by the seal and the parts' checksums, and
// whatever is left must be zero. A reader takes only what the writer would have written: it encodes
// what it understood once more and compares.
//
// A Writer makes an image under a temporary name and publishes it by a rename,
// so that others see the old file or the whole new one. An Image reads one.
package image
