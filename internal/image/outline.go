package image

import "encoding/json"

// smallText is the longest manifest, in bytes, that is decoded without a look at its
// outline: that takes as long as decoding it does, and even of the shortest elements
// so little text makes no more than 30 MB.
const smallText = 32 << 10

// outline is what is looked at of a manifest before it is decoded: how many there
// are of what. Elements without fields take no memory, so that a manifest of
// "{},{},{}" is found out before it becomes hundreds of times as large.
type outline struct {
	Processes json.RawMessage `json:"processes"`
	Files     []struct{}      `json:"files"`
}

// checkOutline checks that the counts are such that a writer could have said so much
// in the text's length.
func checkOutline(text []byte) error {
	var o outline
	if err := json.Unmarshal(text, &o); err != nil {
		return corrupt("manifest: %w", err)
	}
	least := &leastSizes
	n := len(o.Files) * least.file
	if o.Processes != nil {
		var count []struct{}
		if err := json.Unmarshal(o.Processes, &count); err != nil {
			return corrupt("manifest: %w", err)
		}
		if n += len(count) * least.process; n > len(text) {
			return corrupt("manifest: it has %d bytes, and counts for %d", len(text), n)
		}
		var processes []struct {
			Areas       []struct{} `json:"areas"`
			Threads     []struct{} `json:"threads"`
			Descriptors []struct{} `json:"descriptors"`
		}
		if err := json.Unmarshal(o.Processes, &processes); err != nil {
			return corrupt("manifest: %w", err)
		}
		for _, p := range processes {
			n += len(p.Areas)*least.area + len(p.Threads)*least.thread + len(p.Descriptors)*least.descriptor
		}
	}
	if n > len(text) {
		return corrupt("manifest: it has %d bytes, and counts for %d", len(text), n)
	}
	return nil
}

type sizes struct{ process, area, thread, descriptor, file int }

// leastSizes are half the lengths of empty elements: values make them longer,
// but for some that are null here and [] in what is written. They are written down,
// and compared by a test, since finding them out takes a third of the time in which a
// manifest is decoded.
var leastSizes = sizes{process: 337, area: 36, thread: 108, descriptor: 8, file: 23}
