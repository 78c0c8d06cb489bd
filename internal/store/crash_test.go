//go:build unix

package store_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/storekit"
	"github.com/bearerd/bearerd/internal/token"
)

// These name what this binary does when it is run as a victim, and on which database.
const (
	victimRole = "BEARERD_TEST_VICTIM"
	victimFile = "BEARERD_TEST_VICTIM_FILE"
	victimDisk = "BEARERD_TEST_VICTIM_DISK" // how many bytes a file may have; none: all
)

func TestMain(m *testing.M) {
	roles := map[string]func(context.Context, *store.Store) error{"commit": commitForEver, "fill": fillTheDisk, "start": func(context.Context, *store.Store) error { return nil }}
	role := roles[os.Getenv(victimRole)]
	if role == nil {
		os.Exit(m.Run())
	}
	ctx := context.Background()
	if size, err := strconv.ParseUint(os.Getenv(victimDisk), 10, 64); err == nil {
		signal.Ignore(syscall.SIGXFSZ)
		_ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: size})
	}
	s, err := store.Open(ctx, os.Getenv(victimFile), store.Options{Now: time.Now})
	if err == nil {
		err = role(ctx, s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// runVictim starts this binary in that role.
func runVictim(t *testing.T, role, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), victimRole+"="+role, victimFile+"="+path)
	cmd.Stderr = os.Stderr
	return cmd
}

// commitOne commits a client, a token and a log entry of one name, all new, and returns
// when that is acknowledged.
func commitOne(ctx context.Context, s *store.Store) error {
	id := fmt.Sprintf("%016x", rand.Uint64())
	b := kill(id)
	b.Ops = []op.Op{
		op.CreateClient{Client: identity.Client{ID: id}},
		op.AddToken{Token: records.StoredToken{ID: id, Kind: token.KindAPIToken, CreatedAt: time.Now()}},
	}
	seq, err := s.Commit(ctx, b)
	if err == nil {
		fmt.Printf("%d %s\n", seq, id)
	}
	return err
}

func commitForEver(ctx context.Context, s *store.Store) error {
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				_ = commitOne(ctx, s) // the other victim may have the lock for too long
			}
		})
	}
	all.Wait()
	return nil
}

// fillTheDisk commits until no file may grow any more, makes sure that reading goes
// on, and commits again when they may.
func fillTheDisk(ctx context.Context, s *store.Store) error {
	signal.Ignore(syscall.SIGXFSZ)
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		return err
	}
	full := before
	full.Cur = 2 << 20 // the empty schema takes almost half of it
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
		return err
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for failures := 0; failures < 3; {
				if err := commitOne(ctx, s); err != nil {
					failures++
					if !fault.Is(err, fault.Unavailable) || fault.RetryAfter(err) <= 0 {
						fmt.Println("refused with", err)
					}
				}
			}
		})
	}
	all.Wait()
	if _, err := s.Entries(ctx, 0, 10); err != nil {
		return fmt.Errorf("reading from a full disk: %w", err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		return err
	}
	if err := commitOne(ctx, s); err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	return nil
}

// acknowledged runs a victim for a random time and returns what it acknowledged before it
// was killed.
func acknowledged(t *testing.T, path string) map[revocation.Seq]string {
	t.Helper()
	cmd := runVictim(t, "commit", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	told := map[revocation.Seq]string{}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		seq, id, ok := acknowledgement(lines.Text())
		if !ok {
			break // the last line, cut short
		}
		if len(told) == 0 {
			time.AfterFunc(rand.N(30*time.Millisecond), func() { _ = cmd.Process.Kill() })
		}
		told[seq] = id
	}
	_ = cmd.Wait() // it was killed
	return told
}

// acknowledgement reads a line of commitOne.
func acknowledgement(line string) (seq revocation.Seq, id string, ok bool) {
	n, _ := fmt.Sscan(line, &seq, &id)
	return seq, id, n == 2 && len(id) == 16
}

// TestKilledAtAnyMoment kills two processes that write to one database, again and
// again. What was acknowledged is there, nothing is there by half, and the next
// process needs no repair.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	const rounds = 50
	told := map[revocation.Seq]string{}
	for range rounds {
		var victims [2]map[revocation.Seq]string
		var both sync.WaitGroup
		for i := range victims {
			both.Go(func() { victims[i] = acknowledged(t, path) })
		}
		both.Wait()
		for _, v := range victims {
			for seq, id := range v {
				if told[seq] != "" {
					t.Fatalf("sequence %d was given out twice", seq)
				}
				told[seq] = id
			}
		}
	}
	t.Logf("%d acknowledged in %d lives", len(told), 2*rounds)
	wantAllOf(t, path, told)
}

// wantAllOf wants everything that was acknowledged to be in the database, and
// nothing to be there by half.
func wantAllOf(t *testing.T, path string, told map[revocation.Seq]string) {
	t.Helper()
	s := storekit.Open(t, path, store.Options{})
	found := 0
	for after := revocation.Seq(0); ; {
		p, err := s.Entries(t.Context(), after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range p.Entries {
			if e.Seq != after+1 {
				t.Fatalf("entry %d follows %d", e.Seq, after)
			}
			after = e.Seq
			if told[e.Seq] == e.ID {
				found++
			}
			_, _, noToken := s.TokenByID(t.Context(), e.ID)
			_, noClient := s.Principal(t.Context(), records.Who{ClientID: e.ID})
			if noToken != nil || noClient != nil {
				t.Fatalf("entry %d is there by half: %v, %v", e.Seq, noToken, noClient)
			}
		}
		if p.Complete(after) {
			break
		}
	}
	if found != len(told) || found == 0 {
		t.Errorf("%d were acknowledged, %d of them are there", len(told), found)
	}
	counts := storekit.Values(t, storekit.Raw(t, path), "SELECT (SELECT count(*) FROM clients) || ' ' || (SELECT count(*) FROM tokens) || ' ' || (SELECT seq FROM log_head)")
	if want := fmt.Sprint(head(t, s)); counts[0] != want+" "+want+" "+want {
		t.Errorf("clients, tokens, head: %s", counts[0])
	}
}

// TestKilledWhileStarting kills a process that may be making the database.
func TestKilledWhileStarting(t *testing.T) {
	t.Parallel()
	for range 20 {
		path := filepath.Join(t.TempDir(), "bearerd.db")
		cmd := runVictim(t, "commit", path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rand.N(25 * time.Millisecond))
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		s := storekit.Open(t, path, store.Options{})
		if _, err := s.Commit(t.Context(), kill("x")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNoFileMayGrow has every write to the disk fail at some point, the one of a
// COMMIT too.
func TestNoFileMayGrow(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	out, err := runVictim(t, "fill", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	told := map[revocation.Seq]string{}
	for line := range strings.Lines(string(out)) {
		seq, id, ok := acknowledgement(line)
		if !ok {
			t.Errorf("the victim says %q", line)
		}
		told[seq] = id
	}
	wantAllOf(t, path, told)
	if len(told) < 10 {
		t.Errorf("only %d were acknowledged", len(told))
	}
}

// A start on a full disk ends, and says what is the matter: on an empty one, with a
// log that another process left, and with that log's index gone.
func TestAStartOnAFullDiskNamesTheDisk(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T, path string){
		"a new database": func(*testing.T, string) {},
		"one that was killed": func(t *testing.T, path string) {
			acknowledged(t, path)
			if err := os.Remove(path + "-shm"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "bearerd.db")
			prepare(t, path)
			cmd := runVictim(t, "start", path)
			var told strings.Builder
			cmd.Env, cmd.Stderr = append(cmd.Env, victimDisk+"=1000"), &told
			begun := time.Now()
			err := cmd.Run()
			if took := time.Since(begun); err == nil || took > 10*time.Second || !strings.Contains(told.String(), "its disk is full") {
				t.Errorf("after %s: %v, %s", took, err, told.String())
			}
			if err := runVictim(t, "start", path).Run(); err != nil {
				t.Errorf("with room again: %v", err)
			}
		})
	}
}
