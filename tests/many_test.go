package tests

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestMany: five hundred processes, and five thousand descriptors. It runs before
// the tests that run in parallel: an ordinary user has so many pipes only once, and
// beyond that makes but small ones (pipe(7), pipe-user-pages-soft).
func TestMany(t *testing.T) {
	users := []int{os.Geteuid()}
	if isRoot() {
		users = append(users, nobody)
	}
	for _, uid := range users {
		for _, args := range [][]string{{"500", "0"}, {"0", "5000"}} {
			t.Run(fmt.Sprintf("%s processes %s descriptors user %d", args[0], args[1], uid), func(t *testing.T) {
				if uid != 0 && args[0] != "0" {
					needNamespaces(t)
				}
				dir := workDir(t, uid)
				p := start(t, command{argv: append([]string{target(t, "many")}, args...), dir: dir, uid: uid})
				p.awaitOutput("ready\n")
				members := p.family()
				p.save(uid, "--then", "kill")
				p.wait()
				p.buryFamily(members)
				p = restore(t, "myrestart", dir, uid, "many")
				writeFile(t, dir, "go", "")
				if code := p.wait(); code != 0 || !strings.HasSuffix(text(dir, "out"), "ready\n0 differences\n") {
					t.Errorf("status %d, %q\n%s", code, text(dir, "out"), text(dir, "restore.err"))
				}
			})
		}
	}
}
