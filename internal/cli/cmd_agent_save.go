package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/save"
)

// agentTimeout bounds how long the program may take to stop.
const agentTimeout = 30 * time.Second

func newAgentSave() *cobra.Command {
	return &cobra.Command{
		Use:    save.AgentCommand + " PID",
		Short:  "Save the program that libckpt.so runs in (called by libckpt.so)",
		Hidden: true,
		Args:   exactly("PID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			pid, err := parsePID(args[0])
			if err != nil {
				return err
			}
			err = agentSave(pid)
			if err == nil {
				return nil
			}
			// The program's streams are not ours to write to, but for a
			// terminal, where somebody may be looking.
			report(explain(err), cmd.ErrOrStderr())
			return statusError(codeOf(err))
		},
	}
}

// agentSave saves the program whose signal handler has started us, to myckpt in
// its working directory, which is ours; or what CKPT_TREE says.
func agentSave(pid int) error {
	middle := os.Getppid()
	st, err := proc.Host().Process(middle).Stat()
	if err != nil {
		return fmt.Errorf("find out who asks for a save: %w", err)
	}
	if st.PPid != pid {
		if program, err := proc.Host().Process(pid).Stat(); err != nil || program.Zombie() {
			return fmt.Errorf("process %d ended before it was saved: %w", pid, save.ErrNoProcess)
		}
		return &usageError{fmt.Errorf("process %d did not ask for a save", pid), "use ckpt save"}
	}
	ctx, stop := interruptible()
	defer stop()
	o := save.Options{
		PID: pid, Then: save.ThenRun, Sync: true, Timeout: agentTimeout,
		Trigger: image.TriggerSignal, Version: version, Helpers: []int{middle, os.Getpid()},
		Released: func(m *image.Manifest) {
			for i := range m.Processes {
				if m.Processes[i].PID == pid {
					letGo(st, &m.Processes[i])
				}
			}
		},
	}
	if o.Compress, err = compression("CKPT_COMPRESS", os.Getenv("CKPT_COMPRESS")); err != nil {
		return err
	}
	switch incremental := os.Getenv("CKPT_INCREMENTAL"); incremental {
	case "", "0":
	case "1":
		o.Incremental = true
	default:
		return &usageError{fmt.Errorf("CKPT_INCREMENTAL is %q", incremental), "1 saves only what was written to since the last image"}
	}
	switch tree := os.Getenv("CKPT_TREE"); tree {
	case "":
	case "self":
		o.Self = true
	case "root":
		o.PID = preloadedRoot(pid)
	default:
		return &usageError{fmt.Errorf("CKPT_TREE is %q", tree), "self is the program alone, root the whole tree that libckpt.so was preloaded into; without it, it is the program and its descendants"}
	}
	from := proc.Host().Process(os.Getpid()) // where the program is, even if its first thread has ended
	if o.PID != pid {
		from = withDirectory(o.PID)
	}
	o.Path = filepath.Join(from.Path("cwd"), defaultImage)
	if wd, err := from.Cwd(); err == nil && !wd.Deleted {
		o.Path = filepath.Join(wd.Path, defaultImage) // says more in messages
	}
	_, err = save.Save(ctx, o)
	return err
}

// preloadedRoot is the topmost of the processes above one that have libckpt.so,
// without others in between; the process itself if its parent has not.
func preloadedRoot(pid int) int {
	for at := pid; ; {
		st, err := proc.Host().Process(at).Stat()
		if err != nil || st.PPid <= 1 || libraryIn(st.PPid).End == 0 {
			return at
		}
		at = st.PPid
	}
}

// withDirectory is a process, or a thread of it that has not ended.
func withDirectory(pid int) proc.Process {
	p := proc.Host().Process(pid)
	if _, err := p.Cwd(); err == nil {
		return p
	}
	tids, _ := p.Tasks() // without any it is the save that fails
	for _, tid := range tids {
		t := proc.Host().Thread(pid, tid)
		if _, err := t.Cwd(); err == nil {
			return t
		}
	}
	return p
}

// report appends lines to the log, and shows them if stderr is a terminal.
func report(lines []string, stderr io.Writer) {
	if isTerminal(stderr) {
		for _, line := range lines {
			fmt.Fprintf(stderr, "%s\r\n", line) // it may be in raw mode
		}
	}
	// There is nobody left to tell that the log can not be written.
	_ = appendLog(lines)
}

// appendLog appends lines to the file that CKPT_LOG names, or myckpt.log beside
// the image. The lines of one report stay together.
func appendLog(lines []string) error {
	// A pipe without a reader must not hold up the program.
	flags := os.O_WRONLY | os.O_APPEND | os.O_CREATE | syscall.O_NONBLOCK
	path := os.Getenv("CKPT_LOG")
	if path == "" {
		// Nobody has asked for this name: a link there is somebody's trap.
		path, flags = defaultImage+".log", flags|syscall.O_NOFOLLOW
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	now := time.Now().Format(time.RFC3339)
	var text []byte
	for _, line := range lines {
		text = fmt.Appendf(text, "%s %s\n", now, line)
	}
	_, err = f.Write(text)
	return err
}
