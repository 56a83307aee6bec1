package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"ckpt/internal/image"
)

// mostThreads is how many threads the overview lists.
const mostThreads = 8

// showText is what show prints for people, on so many columns; 0 is no
// terminal.
func showText(d *showJSON, now time.Time, columns int) string {
	var b strings.Builder
	row := func(name, format string, a ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", name, clean(fmt.Sprintf(format, a...)))
	}
	of := ""
	if d.Count > 1 {
		of = fmt.Sprintf(", one of %d (ckpt show --tree)", d.Count)
	}
	row("process", "%d, %s%s", d.PID, quoted(d.Args), of)
	row("program", "%s", d.Exe)
	row("directory", "%s", d.Cwd)
	row("user", "uid %d, gid %d, umask %03o", d.UID, d.GID, d.Umask)
	if d.Stopped {
		row("state", "stopped (SIGSTOP or Ctrl-Z): it will be stopped when it is restored")
	}
	trigger := "by ckpt save"
	if d.Trigger == image.TriggerSignal {
		trigger = "by a signal"
	}
	row("saved", "%s (%s) %s", d.Created.Local().Format("2006-01-02 15:04:05 -0700"),
		humanize.RelTime(d.Created, now, "ago", "from now"), trigger)
	row("where", "%s, Linux %s, %s, %s", d.Host.Name, d.Host.Kernel, d.Host.Arch, d.Host.CPU)
	packed := ""
	if d.Raw != d.Size {
		packed = ", compressed from " + size(uint64(d.Raw))
	}
	row("image", "%s%s, format %d, by ckpt %s, id %s", size(uint64(d.Size)), packed, d.Format, d.Engine, d.ID)
	for i, p := range d.Parents {
		name := ""
		if i == 0 {
			name = "goes on"
		}
		row(name, "from %s, %s with %s of memory, id %s", p.Image, size(uint64(p.Size)), size(uint64(p.Memory)), p.ID)
	}
	for i, t := range d.Threads {
		name := ""
		if i == 0 {
			name = "threads"
		}
		if i == mostThreads && len(d.Threads) > mostThreads+1 {
			row(name, "and %d more, see ckpt show --threads", len(d.Threads)-mostThreads)
			break
		}
		if t.Dead {
			row(name, "%d %s, has ended", t.TID, t.Comm)
			continue
		}
		row(name, "%d %s, at %s, stack pointer %s", t.TID, t.Comm, t.PC, t.SP)
	}
	row("signals", "handled: %s", signalList(d.Signals.Handled))
	row("", "ignored: %s", signalList(d.Signals.Ignored))
	row("", "blocked: %s", signalList(d.Signals.Blocked))
	row("", "pending: %s", signalList(d.Signals.Pending))
	if d.Timers > 0 {
		row("timers", "%d armed", d.Timers)
	}
	kept := ""
	if len(d.Parents) > 0 {
		kept = fmt.Sprintf("%s in the images it goes on from, ", size(d.Memory.Kept))
	}
	fmt.Fprintf(&b, "\nmemory: %s, %s mapped: %s saved, %s%s from files, %s untouched\n", plural(len(d.Areas), "area"),
		size(d.Memory.Mapped), size(d.Memory.Saved), kept, size(d.Memory.FromFile), size(d.Memory.Untouched))
	b.WriteString(memoryTable(d.Areas, columns))
	mapped := 0
	for _, f := range d.Files {
		if len(f.FDs) == 0 {
			mapped++
		}
	}
	fmt.Fprintf(&b, "\nfiles: %d open, %d only mapped, %s of their content saved\n", len(d.Files)-mapped, mapped, size(uint64(d.Payload)))
	b.WriteString(fileTable(d.Files))
	return b.String()
}
