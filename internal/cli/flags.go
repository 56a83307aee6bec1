package cli

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// choice is a flag that takes one of a few words; the first is the default.
type choice struct {
	words []string
	value string
}

// oneOf adds a choice to a command.
func oneOf(cmd *cobra.Command, name, usage string, words ...string) *choice {
	c := &choice{words, words[0]}
	cmd.Flags().Var(c, name, usage)
	complete := cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc(name, complete); err != nil {
		panic(err) // a flag of that name was added a line above
	}
	return c
}

func (c *choice) String() string { return c.value }

// Type is what --help shows for the value.
func (c *choice) Type() string { return strings.Join(c.words, "|") }

func (c *choice) Set(s string) error {
	if !slices.Contains(c.words, s) {
		return fmt.Errorf("must be one of %s", strings.Join(c.words, ", "))
	}
	c.value = s
	return nil
}

// exactly demands so many arguments and names what is missing.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		hint := "see " + cmd.CommandPath() + " --help"
		switch {
		case len(args) < len(names):
			return &usageError{fmt.Errorf("%s: %s is missing", cmd.CommandPath(), names[len(args)]), hint}
		case len(args) > len(names):
			return &usageError{fmt.Errorf("%s: unexpected argument %q", cmd.CommandPath(), args[len(names)]), hint}
		}
		return nil
	}
}

// parsePID understands a process id.
func parsePID(s string) (int, error) {
	n, err := strconv.ParseInt(s, 10, 32)
	if err == nil && n > 0 {
		return int(n), nil
	}
	return 0, &usageError{fmt.Errorf("not a process id: %q", s), "a positive number, as ps and pgrep tell"}
}

// jsonFlag adds --json.
func jsonFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("json", false, "print one JSON document")
}

// givenFlag adds --fd of save and check.
func givenFlag(cmd *cobra.Command) *[]int {
	var fds descriptors
	cmd.Flags().Var(&fds, "fd", "a socket, pipe or terminal that can not be saved: restore is handed over another one (descriptor `N`)")
	return (*[]int)(&fds)
}

// descriptors is --fd of save and check: numbers, with commas between them.
type descriptors []int

// String is what Set understands.
func (d descriptors) String() string {
	var all []string
	for _, n := range d {
		all = append(all, strconv.Itoa(n))
	}
	return strings.Join(all, ",")
}

func (d descriptors) Type() string { return "N" }

func (d *descriptors) Set(s string) error {
	for number := range strings.SplitSeq(s, ",") {
		n, err := strconv.ParseUint(number, 10, 31)
		if err != nil {
			return errors.New("must be the number of a descriptor, or some with commas between them")
		}
		*d = append(*d, int(n))
	}
	return nil
}

// handOver is --fd of restore: the caller's descriptors by the program's numbers.
type handOver map[int]int

// String is what Set understands.
func (h handOver) String() string {
	var pairs []string
	for _, n := range slices.Sorted(maps.Keys(h)) {
		pairs = append(pairs, fmt.Sprintf("%d=%d", n, h[n]))
	}
	return strings.Join(pairs, ",")
}

func (h handOver) Type() string { return "N=M" }

func (h handOver) Set(s string) error {
	for pair := range strings.SplitSeq(s, ",") {
		number, own, found := strings.Cut(pair, "=")
		n, err := strconv.ParseUint(number, 10, 31)
		m, err2 := strconv.ParseUint(own, 10, 31)
		if !found || err != nil || err2 != nil {
			return errors.New("must be N=M: the program's descriptor, and yours")
		}
		h[int(n)] = int(m)
	}
	return nil
}

// noEmpty refuses an empty file name, which would be the current directory's.
func noEmpty(what, s string) error {
	if s == "" {
		return &usageError{errors.New(what + " is empty"), "name a file"}
	}
	return nil
}
