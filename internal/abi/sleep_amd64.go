package abi

// Sleep looks at registers that are about to make a system call. If it is a
// sleep for some time, by nanosleep(2) or clock_nanosleep(2), request is the
// register that points to the time, and remainder points to where the kernel
// leaves what is left of it, 0 for nowhere. Otherwise request is nil. Sleeping
// until a point in time leaves nothing.
func (r *Regs) Sleep() (request *uint64, remainder uint64) {
	const timerAbstime = 1 // TIMER_ABSTIME, include/uapi/linux/time.h
	switch {
	case r.Rax == SysNanosleep:
		return &r.Rdi, r.Rsi
	case r.Rax == SysClockNanosleep && r.Rsi&timerAbstime == 0:
		return &r.Rdx, r.R10
	}
	return nil, 0
}
