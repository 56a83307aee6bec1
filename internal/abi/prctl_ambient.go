package abi

// PrCapAmbient of prctl(2) and its operations, see capabilities(7).
const (
	PrCapAmbient         = 47
	PrCapAmbientRaise    = 2
	PrCapAmbientClearAll = 4
)
