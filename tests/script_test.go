package tests

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the scenarios of testdata/. They call the real binaries;
// besides testscript's own commands they have:
//
//	target NAME         $NAME is the path of a program of targets/
//	start [ENV...] PROG ARGS   starts a program; $PID is its pid, its output
//	                    the files out and err
//	await FILE TEXT     waits until the file has the text
//	signal NAME         sends $PID a signal
//	ended [STATUS]      waits until the program has ended, with that status
//	runs                the program is there and neither stopped nor traced
func TestScripts(t *testing.T) {
	t.Parallel()
	if _, err := binaries(); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"target": scriptTarget, "start": scriptStart, "await": scriptAwait,
			"signal": scriptSignal, "ended": scriptEnded, "runs": scriptRuns,
		},
		Setup: func(env *testscript.Env) error {
			bin, err := binaries()
			if err != nil {
				return err
			}
			env.Setenv("BIN", bin)
			env.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
			env.Setenv("SELF", strconv.Itoa(os.Getpid()))
			env.Values[scriptKey{}] = &scriptState{}
			return nil
		},
	})
}
