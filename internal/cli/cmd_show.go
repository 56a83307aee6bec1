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

With --tree, --threads or --fds it prints only these, of all processes or of the
one that --pid names: who is whose parent, how much memory of each is saved and
how much of that stands in the image once for several; where each thread is and
how it is scheduled; what each descriptor is and who shares it.

Checksums of memory are not looked at: that is ckpt verify.`,
		Example: `  ckpt show myckpt
  ckpt show --tree myckpt
  ckpt show --threads --fds --pid 4712 myckpt
  ckpt show --json myckpt`,
		Args: exactly("FILE"),
	}
	var parts showParts
	cmd.Flags().BoolVar(&parts.tree, "tree", false, "print the tree of processes")
	cmd.Flags().BoolVar(&parts.threads, "threads", false, "print the threads of each process")
	cmd.Flags().BoolVar(&parts.fds, "fds", false, "print the file descriptors of each process")
	pid := pidFlag(cmd, "show only this process (default the first, or all with --tree, --threads, --fds)")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		im, err := openImage(args[0])
		if err != nil {
			return err
		}
		defer im.Close()
		i, err := findProcess(im, args[0], *pid)
		if err != nil {
			return err
		}
		columns := width(cmd.OutOrStdout())
		if parts != (showParts{}) {
			all := describeProcesses(im)
			if *pid != 0 {
				all = all[i : i+1]
			}
			if *asJSON {
				return sayJSON(cmd, showPartsJSON{schema("show-parts"), args[0], im.Manifest().ID, selectParts(all, parts)})
			}
			return say(cmd, partsText(all, im.Stats(), parts, columns))
		}
		d := describe(args[0], im, i)
		if *asJSON {
			d.Processes = describeProcesses(im)
			return sayJSON(cmd, d)
		}
		return say(cmd, showText(d, time.Now(), columns))
	}
	return cmd
}

// showJSON is what show knows about an image, and what --json prints.
type showJSON struct {
	Schema  string    `json:"schema"`
	Image   string    `json:"image"`
	ID      string    `json:"id"`
	Format  int       `json:"format"`
	Size    int64     `json:"size"` // of the file
	Raw     int64     `json:"raw"`  // of the file if it is not compressed, or once it is no more
	Created time.Time `json:"created"`
	Engine  string    `json:"engine"`
	Trigger string    `json:"trigger"`
	Host    showHost  `json:"host"`
	// Parents are the images that it goes on from, the nearest first.
	Parents []showParent `json:"parents,omitempty"`

	Count     int           `json:"process_count"`
	Processes []showProcess `json:"processes"`

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

type showParent struct {
	Image   string    `json:"image"`
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Size    int64     `json:"size"`
	Memory  int64     `json:"memory"` // bytes of memory in it
}

type showHost struct {
	Name   string `json:"name"`
	Kernel string `json:"kernel"`
	Arch   string `json:"arch"`
	CPU    string `json:"cpu"`
}

// showMemory says how many bytes of memory are where.
type showMemory struct {
	Mapped    uint64 `json:"mapped"`
	Saved     uint64 `json:"saved"`     // in the image
	FromFile  uint64 `json:"from_file"` // in the mapped file
	Untouched uint64 `json:"untouched"` // zero
	Kept      uint64 `json:"kept"`      // in the images that it goes on from
}

// describe describes the process with that index.
func describe(path string, im *image.Image, i int) *showJSON {
	m, p, s := im.Manifest(), im.Process(i), im.Stats()
	d := &showJSON{
		Schema: schema("show"), Image: path, ID: m.ID, Format: m.Version, Size: s.Size, Raw: s.Raw, Created: m.Created,
		Engine: m.Engine, Trigger: m.Trigger,
		Host:  showHost{m.Host.Name, m.Host.Kernel, m.Host.Arch, m.Host.CPU.Model},
		Count: len(m.Processes),
		PID:   p.PID, PPID: p.PPID, Exe: p.Exe, Args: p.Args, Cwd: p.Cwd,
		UID: p.Credentials.UID[1], GID: p.Credentials.GID[1], Umask: p.Umask, Stopped: p.Stopped,
		Signals: describeSignals(p), Timers: armedTimers(p), Areas: describeAreas(p.Areas, im.Space(i), im),
		Files: describeFiles(m, p), Payload: s.Payload, Brk: p.Memory.Brk, Limits: p.Limits, Attr: p.Attributes,
	}
	d.Threads = describeThreads(p)
	for at := im.Parent(); at != nil; at = at.Parent() {
		s := at.Stats()
		d.Parents = append(d.Parents, showParent{at.Path(), at.Manifest().ID, at.Manifest().Created, s.Size, s.Memory})
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
