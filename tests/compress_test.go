package tests

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestCompressed: a program that is restored from a compressed image notices
// nothing. The probes are those that care where bytes are in an image.
func TestCompressed(t *testing.T) {
	bytes := regexp.MustCompile("^mem_|^tree_|deleted|memfd|pipe|unix_pair")
	eachProbe(t, func(p *probe) bool { return bytes.MatchString(p.name) }, func(t *testing.T, p *probe) {
		saveKillRestore(t, p, os.Geteuid(), "--compress", "zstd")
	})
}

// TestRealProgramsCompressed is TestRealPrograms with compressed images: some, or
// all in make check-all.
func TestRealProgramsCompressed(t *testing.T) {
	some := []string{"python3", "sqlite3", "bank", "python3-threads", "bash-jobs", "tar-zstd"}
	programs := slices.DeleteFunc(slices.Clone(realPrograms), func(r realProgram) bool {
		return os.Getenv("CKPT_ALL") == "" && !slices.Contains(some, r.name)
	})
	realProgramsSaved(t, programs, []int{os.Geteuid()}, "--compress", "zstd")
}

// TestCompressedIsPlain: zstd makes of a compressed image a plain one, which the
// program is restored from.
func TestCompressedIsPlain(t *testing.T) {
	t.Parallel()
	users := []int{os.Geteuid()}
	if isRoot() {
		users = append(users, nobody)
	}
	for _, uid := range users {
		dir := workDir(t, uid)
		p := start(t, command{argv: []string{target(t, "counter"), "100000"}, dir: dir, uid: uid})
		p.awaitOutput("\n3 ")
		comm := p.comm()
		p.save(uid, "--compress", "zstd", "-o", "packed")
		p.kill()
		decompress(t, dir, uid, "packed", "plain")
		for _, name := range []string{"packed", "plain"} {
			ckpt(t, dir, uid, "verify", name).want(t, exitOK)
			ckpt(t, dir, uid, "core", name, "-o", name+".core").want(t, exitOK)
		}
		packed, plain := read(t, dir, "packed.core"), read(t, dir, "plain.core")
		if !bytes.Equal(packed, plain) {
			t.Error("the core files differ")
		}
		if a, b := len(read(t, dir, "packed")), len(read(t, dir, "plain")); a > b*3/4 {
			t.Errorf("%d bytes are compressed to %d", b, a)
		}
		onlyFiles(t, dir, "packed", "plain", "packed.core", "plain.core")
		if err := os.Rename(filepath.Join(dir, "plain"), filepath.Join(dir, "myckpt")); err != nil {
			t.Fatal(err)
		}
		seen := text(dir, "out")
		p = restore(t, "ckpt", dir, uid, comm)
		eventually(t, "the program counts on", func() bool { return len(text(dir, "out")) > len(seen) })
		p.kill()
	}
}

// decompress is zstd -d, which owns its result.
func decompress(t *testing.T, dir string, uid int, from, to string) {
	t.Helper()
	cmd := exec.Command("zstd", "-q", "-d", from, "-o", to)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("zstd: %v\n%s", err, out)
	}
	if err := os.Chown(filepath.Join(dir, to), uid, uid); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCompressBySignal: CKPT_COMPRESS is --compress for kill -12.
func TestCompressBySignal(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	env := append(withLibrary(t), "CKPT_COMPRESS=zstd")
	p := start(t, command{argv: []string{target(t, "counter"), "100000"}, dir: dir, uid: os.Geteuid(), env: env})
	p.awaitOutput("\n3 ")
	p.saveBySignal()
	show := ckpt(t, dir, os.Geteuid(), "show", "myckpt")
	if show.want(t, exitOK); !strings.Contains(show.stdout, "compressed from") {
		t.Error(show.stdout)
	}
	p.kill()
}

// TestCompressBadly: what is no way to compress is said before anything happens.
func TestCompressBadly(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"gzip", "zstd:", "zstd:0", "zstd:23", "zstd:x", "zstd:1:2", "9"} {
		ckpt(t, workDir(t, os.Geteuid()), os.Geteuid(), "save", "--compress", value, strconv.Itoa(os.Getpid())).
			want(t, exitUsage, "--compress", strconv.Quote(value), "zstd:LEVEL")
	}
}

// TestCompressKilled: an engine that is killed while it compresses leaves the
// program and the older image as they are, and the next save nothing of it.
func TestCompressKilled(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	p := start(t, command{argv: []string{target(t, "counter_large"), "100000"}, dir: dir, uid: os.Geteuid()})
	p.awaitOutput("\n3 ")
	p.save(os.Geteuid())
	older := read(t, dir, "myckpt")
	for killed := range 3 {
		// The slowest level, so that there is time.
		cmd := exec.Command(binary(t, "ckpt"), "save", "--compress", "zstd:22", strconv.Itoa(p.pid()))
		cmd.Dir = dir
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the image grows", func() bool {
			info, err := os.Stat(filepath.Join(dir, ".myckpt.tmp"))
			return err == nil && info.Size() > int64(100000*killed)
		})
		_ = cmd.Process.Kill()
		if err := cmd.Wait(); err == nil {
			t.Fatal("it was saved before the engine was killed")
		}
		p.mustRun()
		progress(t, p, "the engine died while it compressed")
		if !bytes.Equal(read(t, dir, "myckpt"), older) {
			t.Fatal("the older image is not as it was")
		}
	}
	p.save(os.Geteuid(), "--compress", "zstd")
	ckpt(t, dir, os.Geteuid(), "verify", "myckpt").want(t, exitOK)
	onlyFiles(t, dir, "myckpt")
}
