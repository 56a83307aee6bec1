package tests

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// restores is how often a real program is saved, killed and restored in a row.
const restores = 3

// TestRealPrograms: the result of a program that was saved in the middle, went
// on past that, was killed and restored, three times in a row, is that of an
// undisturbed run. Each says what it proved.
func TestRealPrograms(t *testing.T) {
	users := []int{os.Geteuid()}
	if isRoot() {
		users = append(users, nobody)
	}
	realProgramsSaved(t, realPrograms, users)
}

// realProgramsSaved saves programs of these users in the way the arguments say.
func realProgramsSaved(t *testing.T, programs []realProgram, users []int, args ...string) {
	t.Parallel()
	for _, r := range programs {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			if r.big && os.Getenv("CKPT_ALL") == "" {
				t.Skip("in make check-all")
			}
			straight := r.start(t, os.Geteuid())
			if code := straight.wait(); code != r.status {
				t.Fatalf("a straight run ended with status %d\n%s", code, text(straight.dir, "err"))
			}
			want := r.sum(t, straight.dir)
			for _, uid := range users {
				if r.ids && uid != 0 {
					needNamespaces(t)
				}
				dir, n := r.saved(t, uid, straight, args...)
				if got := r.sum(t, dir); got != want {
					t.Errorf("as user %d the result differs: %s, want %s\n%.600s\nwant\n%.600s", uid, got, want, text(dir, r.result), text(straight.dir, r.result))
					continue
				}
				t.Logf("as user %d saved, killed and restored %d times: %s as in a straight run", uid, n, want)
			}
		})
	}
}

// saved runs the program with saves, kills and restores in the middle, and
// returns its directory and how often it was restored.
func (r *realProgram) saved(t *testing.T, uid int, straight *process, args ...string) (string, int) {
	t.Helper()
	state := straight.cmd.ProcessState
	first := (state.UserTime() + state.SystemTime()) / 5
	p := r.begun(t, uid, &first)
	comm := p.comm()
	n := 0
	for n < restores && !p.ended() {
		members := p.family()
		if r.alone {
			p.save(uid, append(args, "--then", "kill")...)
			p.wait()
			p.buryFamily(members)
		} else {
			save := ckpt(t, p.dir, uid, append([]string{"save", strconv.Itoa(p.pid())}, args...)...)
			if n > 0 && save.code == exitNotFound {
				break // it was at its end
			}
			if save.code == exitNotFound && first > time.Millisecond {
				p.wait()
				first /= 2
				p = r.begun(t, uid, &first)
				continue
			}
			save.want(t, exitOK)
			time.Sleep(200 * time.Millisecond) // it writes past the image
			p.kill()
		}
		p = restore(t, "myrestart", p.dir, uid, comm)
		n++
		eventually(t, "the end of the restore", func() bool { return p.ended() || !p.restoring() })
		time.Sleep(50 * time.Millisecond)
	}
	if code := p.wait(); code != r.status {
		t.Fatalf("restored %d times, it ended with status %d\n%s%s", n, code, text(p.dir, "restore.err"), text(p.dir, "err"))
	}
	return p.dir, n
}

// begun starts the program and waits until it has done the first part of its work, of
// so much processor time. Less is waited for if it has ended by then: some programs run
// for so many seconds, and get less of the processors than in the straight run.
func (r *realProgram) begun(t *testing.T, uid int, first *time.Duration) *process {
	t.Helper()
	for {
		p := r.start(t, uid)
		eventually(t, "the first part of the work", func() bool {
			return p.ended() || r.mute && p.processorTime() >= *first || !r.mute && text(p.dir, r.result) != ""
		})
		if !p.ended() {
			return p
		}
		if code := p.wait(); !r.mute || *first < time.Millisecond {
			t.Fatalf("it ended with status %d before it could be saved\n%s", code, text(p.dir, "err"))
		}
		*first /= 2
	}
}

// start starts the program in a new directory.
func (r *realProgram) start(t *testing.T, uid int) *process {
	t.Helper()
	dir := workDir(t, uid)
	if r.script != "" {
		if err := copyFile(filepath.Join(dir, r.script), filepath.Join("realprograms", r.script)); err != nil {
			t.Fatal(err)
		}
	}
	if r.make != nil {
		r.make(t, dir)
	}
	argv := append([]string{r.path(t)}, r.argv[1:]...)
	return start(t, command{argv: argv, dir: dir, uid: uid})
}

// sum is the result as a checksum.
func (r *realProgram) sum(t *testing.T, dir string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, r.result))
	if err != nil {
		t.Fatal(err)
	}
	if r.normal != nil {
		data = r.normal(data)
	}
	return fmt.Sprintf("%d bytes, sha256 %x", len(data), sha256.Sum256(data))
}
