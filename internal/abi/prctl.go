package abi

// Operations of prctl(2) and arch_prctl(2) (include/uapi/linux/prctl.h,
// arch/x86/include/uapi/asm/prctl.h).
const (
	PrSetPDeathSig      = 1
	PrGetPDeathSig      = 2
	PrGetDumpable       = 3
	PrSetDumpable       = 4
	PrGetKeepCaps       = 7
	PrSetKeepCaps       = 8
	PrSetName           = 15
	PrCapBSetDrop       = 24
	PrSetTimerSlack     = 29
	PrGetTimerSlack     = 30
	PrSetMM             = 35
	PrSetMMMap          = 14 // an operation of PrSetMM
	PrSetChildSubreaper = 36
	PrGetChildSubreaper = 37
	PrSetNoNewPrivs     = 38
	PrGetTIDAddress     = 40
	PrSetTHPDisable     = 41
	PrGetTHPDisable     = 42
	PrSetVMA            = 0x53564d41
	PrSetVMAAnonName    = 0 // an operation of PrSetVMA
	PrTimerRestoreIDs   = 77
	PrTimerRestoreOn    = 1
	PrTimerRestoreOff   = 0

	ArchSetGS = 0x1001
	ArchSetFS = 0x1002
)

// Clocks of clock_gettime(2).
const (
	ClockMonotonic     = 1
	ClockThreadCPUTime = 3
)
