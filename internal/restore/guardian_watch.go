package restore

import (
	"os"
	"os/signal"
	"syscall"

	"ckpt/internal/sys"
)

// terminalSignals are sent by a terminal to all of its foreground group: the
// program gets them itself if it is in our group.
var terminalSignals = map[os.Signal]bool{
	syscall.SIGINT: true, syscall.SIGQUIT: true, syscall.SIGTSTP: true, syscall.SIGHUP: true, syscall.SIGWINCH: true,
	syscall.SIGTTIN: true, syscall.SIGTTOU: true, syscall.SIGCONT: true,
}

// guard hands on signals until the program has ended.
func (g *guardian) guard() error {
	signal.Notify(g.signals)
	ended := make(chan error, 1)
	go func() { ended <- g.watch() }()
	for {
		select {
		case err := <-ended:
			g.takeTerminal(sys.ProcessGroup())
			return err
		case s := <-g.signals:
			switch {
			case s == syscall.SIGCHLD || s == syscall.SIGURG || s == syscall.SIGPIPE:
				// The Go runtime's, and ours.
			case s == syscall.SIGTTOU || s == syscall.SIGTTIN:
			case s == syscall.SIGCONT && g.own:
				g.proceed()
			case !g.own && terminalSignals[s]:
			default:
				_ = syscall.Kill(g.pid, s.(syscall.Signal)) // it may have ended
			}
		}
	}
}

// watch waits for the end of the program, and stops whenever it stops.
func (g *guardian) watch() error {
	for {
		status, err := g.next()
		if err != nil {
			return err
		}
		if !status.Stopped() {
			return &EndedError{status}
		}
		if g.own {
			// Our own parent, a shell, sees us stop and takes the terminal.
			_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		}
	}
}
