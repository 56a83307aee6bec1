package cli

import (
	"fmt"
	"strconv"
	"strings"
)

// maxLevel is the highest level of zstd.
const maxLevel = 22

// compression is the level that a value says, "zstd" or "zstd:LEVEL": 1 if it
// says none, and 0 for "none" and "". where is where the user has put it.
func compression(where, value string) (level int, err error) {
	name, text, given := strings.Cut(value, ":")
	switch {
	case value == "" || value == "none":
		return 0, nil
	case name == "zstd" && !given:
		return 1, nil
	case name == "zstd":
		if level, err = strconv.Atoi(text); err == nil && level >= 1 && level <= maxLevel {
			return level, nil
		}
	}
	return 0, &usageError{fmt.Errorf("%s %q", where, value), fmt.Sprintf("none, zstd, or zstd:LEVEL from zstd:1 (the fastest) to zstd:%d", maxLevel)}
}
