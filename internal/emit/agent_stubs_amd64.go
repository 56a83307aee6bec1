package emit

//lint:file-ignore U1000 agent_amd64.s uses what Go does not

// The functions of agent_amd64.s that Go may call.
func agentSymbols(addr *[len(agentFuncNames) + 1]uintptr)
func agentText(dst []byte) int

// The functions of the block, which only run in the library.
func agentInit()
func agentEnviron()
func agentTake()
func agentPrefix()
func agentSignal()
func agentHandler()
func agentAgain()
func agentBeside()
func agentPtracer()
func agentRestore()
func agentMiddle()
func agentGrow()
func agentExec()
func agentSelf()
func agentHex()
func agentByte()
func agentCopy()
func agentSay()
func agentEnd()
