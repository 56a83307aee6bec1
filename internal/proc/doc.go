// Package proc reads what the kernel says about processes as text in /proc,
// exactly: a name with a space, a parenthesis or a newline comes out as it is,
// a number that does not fit is an error, and a line that is not in the format
// the kernel writes is a *ParseError with file and line. Keys that a newer
// kernel added to status, smaps or fdinfo are no error.
//
// Everything hangs on an FS, the directory where proc is mounted, so that tests
// feed captured trees. A Process is a name only and holds nothing open: where a
// pid may be reused between two calls, the caller holds a pidfd or a stop.
//
// What a call costs differs by orders of magnitude; where it is not just the
// reading of a few hundred bytes, the method says so.
//
// Text is read in pieces while the process runs. Only a process that is
// stopped, all threads of it, gives one consistent picture.
package proc
