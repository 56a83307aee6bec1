package kind

// Table lists every kind. The order matters: a descriptor belongs to the first
// kind that matches it.
var Table = []Kind{
	// Kinds that say how something is referred to, whatever it is.
	procself{}, path{},

	// Kinds that are recognised by the name of an anonymous inode or by their
	// file type, which nothing else can have.
	eventfd{}, timerfd{}, signalfd{}, epoll{}, inotify{}, pidfd{}, pipe{}, fifo{},
	unixSocket{},  // before stdio
	ptmx{}, pts{}, // before tty
	stdio{}, tty{}, // before device
	given{}, // what the others refuse

	// Files. A deleted memfd looks like a deleted file.
	memfd{}, deleted{}, regular{}, directory{}, device{},
}
