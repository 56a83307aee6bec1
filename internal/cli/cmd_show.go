package cli

import (
	"time"

	"github.com/spf13/cobra"

	"ckpt/internal/image"
)

func newShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "Show what is in an image",
		Long: `Show prints what an image says: which process it is, when and where it was
saved, its threads, signals, memory and files. Neighbouring mappings of one file
are one line. Of each, so much is saved in the image, comes from the mapped
file, or was never touched.

Checksums of memory are not looked at: that is ckpt verify.`,
		Example: `  ckpt show myckpt
  ckpt show --json myckpt`,
		Args: exactly("FILE"),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		im, err := openImage(args[0])
		if err != nil {
			return err
		}
		defer im.Close()
		d := describe(args[0], im)
		if *asJSON {
			return sayJSON(cmd, d)
		}
		return say(cmd, showText(d, time.Now(), width(cmd.OutOrStdout())))
	}
	return cmd
}

// showJSON is what show knows about an image, and what --json prints.
type showJSON struct {
	Schema  string    `json:"schema"`
	Image   string    `json:"image"`
	ID      string    `json:"id"`
	Format  int       `json:"format"`
	Size    int64     `json:"size"`
	Created time.Time `json:"created"`
	Engine  string    `json:"engine"`
	Trigger string    `json:"trigger"`
	Host    showHost  `json:"host"`

	PID     int              `json:"pid"`
	PPID    int              `json:"ppid"`
	Exe     string           `json:"exe"`
	Args    []string         `json:"args"`
	Cwd     string           `json:"cwd"`
	UID     int              `json:"uid"` // effective
	GID     int              `json:"gid"`
	Umask   int              `json:"umask"`
	Stopped bool             `json:"stopped"`
	Threads []showThread     `json:"threads"`
	Signals showSignals      `json:"signals"`
	Timers  int              `json:"timers"` // that are armed
	Areas   []showArea       `json:"areas"`
	Files   []showFile       `json:"files"`
	Payload int64            `json:"payload"` // bytes of files, pipes and the like in the image
	Memory  showMemory       `json:"memory"`
	Brk     image.Addr       `json:"brk"`
	Limits  []image.Rlimit   `json:"limits"`
	Attr    image.Attributes `json:"attributes"`
}

type showHost struct {
	Name   string `json:"name"`
	Kernel string `json:"kernel"`
	Arch   string `json:"arch"`
	CPU    string `json:"cpu"`
}

type showThread struct {
	TID  int        `json:"tid"`
	Comm string     `json:"comm"`
	Dead bool       `json:"dead"` // a leader that has ended; it has no registers
	PC   image.Addr `json:"pc"`
	SP   image.Addr `json:"sp"`
}

// showMemory says how many bytes of memory are where.
type showMemory struct {
	Mapped    uint64 `json:"mapped"`
	Saved     uint64 `json:"saved"`     // in the image
	FromFile  uint64 `json:"from_file"` // in the mapped file
	Untouched uint64 `json:"untouched"` // zero
}

func describe(path string, im *image.Image) *showJSON {
	m, p, s := im.Manifest(), im.Process(0), im.Stats()
	d := &showJSON{
		Schema: schema("show"), Image: path, ID: m.ID, Format: m.Version, Size: s.Size, Created: m.Created,
		Engine: m.Engine, Trigger: m.Trigger,
		Host: showHost{m.Host.Name, m.Host.Kernel, m.Host.Arch, m.Host.CPU.Model},
		PID:  p.PID, PPID: p.PPID, Exe: p.Exe, Args: p.Args, Cwd: p.Cwd,
		UID: p.Credentials.UID[1], GID: p.Credentials.GID[1], Umask: p.Umask, Stopped: p.Stopped,
		Signals: describeSignals(p), Timers: armedTimers(p), Areas: describeAreas(p.Areas, im.Space(0)),
		Files: describeFiles(m, p), Payload: s.Payload, Brk: p.Memory.Brk, Limits: p.Limits, Attr: p.Attributes,
	}
	for i := range p.Threads {
		t := &p.Threads[i]
		d.Threads = append(d.Threads, showThread{t.TID, t.Comm, t.Dead, image.Addr(t.Regs.Rip), image.Addr(t.Regs.Rsp)})
	}
	for _, a := range d.Areas {
		d.Memory.add(a.showMemory)
	}
	return d
}

func armedTimers(p *image.Process) int {
	n := 0
	for _, t := range p.Timers.Interval {
		if t.Value != 0 {
			n++
		}
	}
	for _, t := range p.Timers.POSIX {
		if t.Value != 0 {
			n++
		}
	}
	return n
}
