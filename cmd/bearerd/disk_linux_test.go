package main

import (
	"database/sql"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// disk is one that can be full.
type disk struct {
	dir     string
	fill    func(*process)
	free    func(*process)
	confine func(*exec.Cmd) // makes a process start when there is no room
	message string          // what the log says when it is full
}

// newDisk is a small file system of its own where the test may mount one, and else
// a limit on the size of files.
func newDisk(t *testing.T) *disk {
	t.Helper()
	d := &disk{dir: t.TempDir(), message: "the store's disk is full: database "}
	if err := unix.Mount("tmpfs", d.dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Logf("no file system of its own (%v), so a limit must do", err)
		return limited(t, d)
	}
	t.Cleanup(func() { _ = unix.Unmount(d.dir, unix.MNT_DETACH) })
	ballast := filepath.Join(d.dir, "ballast")
	d.fill = func(*process) {
		f, err := os.Create(ballast)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		for size := 64 << 10; size > 0; {
			if _, err := f.Write(make([]byte, size)); err != nil {
				size /= 2
			}
		}
	}
	d.free = func(*process) { _ = os.Remove(ballast) }
	d.confine = func(*exec.Cmd) { d.fill(nil) }
	return d
}

// limited lets no file of the process grow beyond what is there now.
func limited(t *testing.T, d *disk) *disk {
	t.Helper()
	limit := func(p *process, bytes uint64) {
		rlimit := unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}
		if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &rlimit, nil); err != nil {
			t.Fatal(err)
		}
	}
	d.message = "the store can't be used now: database "
	d.fill = func(p *process) { limit(p, 1) }
	d.free = func(p *process) { limit(p, unix.RLIM_INFINITY) }
	d.confine = func(cmd *exec.Cmd) {
		cmd.Args = append([]string{"sh", "-c", `ulimit -f 1; exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
	}
	return d
}

func TestAFullDiskStopsWritesAndNothingElse(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	b := newBench(t, d.dir, "")
	p := b.serve()
	good := b.token(p)

	d.fill(p)
	b.untilNoMoreFits(p)
	// What can't be stored is not acknowledged, and has not happened.
	a, err := b.post(p.base+"/oauth2/revoke", url.Values{"token": {good}})
	if err != nil || a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("revoking: %v, %+v", err, a)
	}
	if a, err := b.verify(p, good); err != nil || a.status != http.StatusOK {
		t.Errorf("verifying goes on: %v, %+v", err, a)
	}

	// It goes on by itself when there is room again.
	d.free(p)
	b.token(p)
	a, err = b.post(p.base+"/oauth2/revoke", url.Values{"token": {good}})
	if err != nil || a.status != http.StatusOK || a.body["revoked"] != true {
		t.Errorf("revoking when there is room again: %v, %+v", err, a)
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	file := filepath.Join(d.dir, "bearerd.db")
	if !regexp.MustCompile(`"status":503.*` + regexp.QuoteMeta(d.message+file)).Match(p.log.Bytes()) {
		t.Errorf("the log doesn't name the disk:\n%s", p.log)
	}
}

// untilNoMoreFits issues tokens until one is refused because it can't be recorded.
// Files may have had room inside.
func (b *bench) untilNoMoreFits(p *process) {
	b.Helper()
	for range 10_000 {
		a, err := b.post(p.base+"/oauth2/token", url.Values{"grant_type": {"client_credentials"}})
		if err != nil {
			b.Fatal(err)
		}
		if a.status == http.StatusOK {
			continue
		}
		if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
			b.Errorf("issuing on a full disk: %+v", a)
		}
		return
	}
	b.Fatal("the disk is never full")
}

func TestAServerThatFindsNoRoomSaysSo(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	b := &bench{TB: t, dir: d.dir}
	b.write("bearerd.yaml", "")
	cmd := b.command("serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
	d.confine(cmd)
	p, err := start(cmd)
	if err == nil {
		_ = p.stop()
		t.Fatal("it started")
	}
	wantDiskNamed(t, p, err)
}

// A server that was killed leaves a write-ahead log behind, which the next one must apply.
func TestAServerOnADiskThatIsFullAfterACrashServesOrSaysSo(t *testing.T) {
	t.Parallel()
	for _, tokens := range []int{1, 30, 90} { // that the write-ahead log holds
		t.Run(strconv.Itoa(tokens), func(t *testing.T) {
			t.Parallel()
			d := newDisk(t)
			b := newBench(t, d.dir, "")
			p := b.serve()
			good := ""
			for range tokens {
				good = b.token(p)
			}
			_ = p.cmd.Process.Kill()
			<-p.done

			cmd := b.command("serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
			d.confine(cmd)
			p, err := start(cmd)
			if err != nil {
				wantDiskNamed(t, p, err)
				return
			}
			if a, err := b.verify(p, good); err != nil || a.status != http.StatusOK {
				t.Errorf("verifying needs no write: %v, %+v", err, a)
			}
			b.untilNoMoreFits(p)
			if err := p.stop(); err != nil {
				t.Error(err)
			}
			if !strings.Contains(p.log.String(), d.message+filepath.Join(d.dir, "bearerd.db")) {
				t.Errorf("the log doesn't name the disk:\n%s", p.log)
			}
		})
	}
}

// wantDiskNamed fails unless a server that doesn't listen has ended and named its
// database.
func wantDiskNamed(t *testing.T, p *process, err error) {
	t.Helper()
	if !errors.Is(err, errNotListening) {
		t.Fatalf("%v\n%s", err, p.log)
	}
	<-p.done
	if code := p.cmd.ProcessState.ExitCode(); code != 1 || !regexp.MustCompile(`(?m)^bearerd: .*bearerd\.db.*(full|no space|I/O|locked)`).Match(p.log.Bytes()) {
		t.Errorf("exit code %d:\n%s", code, p.log)
	}
}

// A database that stays locked must not make a server wait for ever in silence.
func TestAServerWhoseDatabaseStaysLockedEndsAndSaysSo(t *testing.T) {
	t.Parallel()
	b := newBench(t, t.TempDir(), "")
	holder, err := sql.Open("sqlite", "file:"+filepath.Join(b.dir, "bearerd.db")+"?_pragma=locking_mode(EXCLUSIVE)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = holder.Close() })
	holder.SetMaxOpenConns(1)
	if _, err := holder.ExecContext(t.Context(), "UPDATE meta SET value = value"); err != nil {
		t.Fatal(err)
	}
	p, err := start(b.command("serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"))
	if err == nil {
		_ = p.stop()
		t.Fatal("it started")
	}
	wantDiskNamed(t, p, err)
	if !strings.Contains(p.log.String(), "another process holds it") {
		t.Errorf("it doesn't say what to look for:\n%s", p.log)
	}
}
