package ptrace

//lint:file-ignore U1000 the code is used by assembly

// What twins execute, see batch_amd64.s. It is never called, only copied.
func batch()
func batchEnd()

// batchCode is batch as bytes.
func batchCode() []byte
