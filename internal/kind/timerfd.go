package kind

import (
	"encoding/binary"
	"fmt"
	"os"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// timerfd is a timer that is read, timerfd_create(2). It is made in Go and
// armed in the final process, as late as can be, so that the time that the
// restore takes is not taken from it.
//
// What is saved is the time left, which is right also where the clock has
// jumped (another boot, another host). Only an absolute time of the wall clock
// stays what it is: an alarm for eight o'clock.
type timerfd struct{}

type timerfdDetail struct {
	Clock    int    `json:"clock"`
	Ticks    uint64 `json:"ticks,omitempty"`    // expirations not read yet
	Left     int64  `json:"left,omitempty"`     // ns; 0: disarmed
	Interval int64  `json:"interval,omitempty"` // ns

	// Deadline, if not 0, is when it expires next in ns since the epoch, for a
	// timer set with TFD_TIMER_ABSTIME on a clock of the wall.
	Deadline    int64 `json:"deadline,omitempty"`
	CancelOnSet bool  `json:"cancel_on_set,omitempty"` // TFD_TIMER_CANCEL_ON_SET
}

func (timerfd) Name() string { return "timerfd" }

func (timerfd) Match(d *Desc) bool { return d.Link == "anon_inode:[timerfd]" }

func (timerfd) Save(c *SaveContext, d *Desc, f *image.OpenFile) error {
	t := d.Info.TimerFD
	if t == nil {
		return &UnsupportedError{d.object(), "the kernel does not tell its time", ""}
	}
	if c.Frozen && t.Value == 0 && t.Interval > 0 && t.Ticks > 0 {
		updated, err := updateTimer(c, d)
		if err != nil {
			return fmt.Errorf("%s: %w", d.object(), err)
		}
		t = updated
	}
	det := timerfdDetail{Clock: t.Clock, Ticks: t.Ticks, Left: t.Value, Interval: t.Interval}
	wall := t.Clock == sys.ClockRealtime || t.Clock == sys.ClockRealtimeAlarm
	if wall && t.SettimeFlags&sys.TimerfdAbstime != 0 && t.Value > 0 {
		now, err := sys.ClockNow(sys.ClockRealtime)
		if err != nil {
			return err
		}
		det.Deadline = now + t.Value
		det.CancelOnSet = t.SettimeFlags&sys.TimerfdCancelOnSet != 0
	}
	return setDetail(f, det)
}

// updateTimer asks once more about a periodic timer that has expired and stands
// still: its phase is known only after it was asked for its time. All that the
// program can see of that is one more edge in an epoll set with EPOLLET.
func updateTimer(c *SaveContext, d *Desc) (*proc.TimerFD, error) {
	local, err := c.Local(d)
	if err != nil {
		return nil, err
	}
	fd := int(local.Fd())
	if err := sys.UpdateTimerfd(fd); err != nil {
		return nil, err
	}
	info, err := proc.Host().Process(os.Getpid()).FDInfo(fd)
	if err != nil {
		return nil, err
	}
	if info.TimerFD == nil {
		return nil, fmt.Errorf("the kernel does not tell its time")
	}
	return info.TimerFD, nil
}

func (timerfd) Remake(r *RestoreContext, f *image.OpenFile) error {
	det, err := detail[timerfdDetail](f)
	if err != nil {
		return err
	}
	object := r.object(f)
	if det.Left < 0 || det.Interval < 0 || det.Deadline < 0 {
		return fmt.Errorf("%s: %w: negative time", object, image.ErrCorrupt)
	}
	file, err := sys.CreateTimerfd(det.Clock)
	if err != nil {
		return fmt.Errorf("%s: clock %d: %w", object, det.Clock, err)
	}
	settable := sys.TimerfdTicksSettable(int(file.Fd()))
	r.Made(f, file)
	r.finally(f, func(b *plan.Builder, fds []int) error {
		armTimer(b, fds[0], object, det, settable)
		return nil
	})
	return nil
}

// armTimer adds the setting of the timer at fd. Where the kernel can not set
// the ticks (no CONFIG_CHECKPOINT_RESTORE), a timer that has some expires at
// once: the program finds it readable, as it was, with one tick.
func armTimer(b *plan.Builder, fd int, object string, det timerfdDetail, settable bool) {
	flags, value := 0, det.Left
	if det.Deadline > 0 {
		flags, value = sys.TimerfdAbstime, det.Deadline
		if det.CancelOnSet {
			flags |= sys.TimerfdCancelOnSet
		}
	}
	if det.Ticks > 0 && !settable {
		flags, value = 0, 1
	}
	arg := plan.Imm(uint64(fd))
	if value > 0 {
		b.Call("arm the timer "+object, abi.SysTimerfdSettime, arg, plan.Imm(uint64(flags)),
			b.Data(sys.ItimerSpecBytes(det.Interval, value)))
	}
	if det.Ticks > 0 && settable {
		b.Call("set the ticks of the timer "+object, abi.SysIoctl, arg, plan.Imm(sys.TimerfdSetTicksIoctl),
			b.Data(binary.NativeEndian.AppendUint64(nil, det.Ticks)))
	}
}
