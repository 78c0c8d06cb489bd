package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bearerd/bearerd/internal/pgtest"
)

// moving is a database into which tokens are imported beside a running server.
type moving struct {
	*bench

	server    *process
	ask       func(string) int // asks the database for a number, or changes it, behind bearerd's back
	published int              // how many tokens of files are accepted
	files     int
}

// onBothEngines runs a test with SQLite and with PostgreSQL.
func onBothEngines(t *testing.T, test func(*moving)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "bearerd.db")+"?_pragma=busy_timeout(10000)")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		test(newMoving(t, dir, "bearerd.db", func(text string) (n int) {
			if err := db.QueryRowContext(t.Context(), text).Scan(&n); err != nil && !errors.Is(err, sql.ErrNoRows) {
				t.Fatal(err)
			}
			return n
		}))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		dsn := pgtest.New(t)
		test(newMoving(t, t.TempDir(), dsn, func(text string) (n int) {
			c, err := pgx.Connect(t.Context(), dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close(context.WithoutCancel(t.Context())) }()
			if err := c.QueryRow(t.Context(), text).Scan(&n); err != nil && !errors.Is(err, pgx.ErrNoRows) {
				t.Fatal(err)
			}
			return n
		}))
	})
}

func newMoving(t *testing.T, dir, database string, ask func(string) int) *moving {
	t.Helper()
	m := &moving{bench: &bench{TB: t, dir: dir, client: &http.Client{Timeout: 10 * time.Second}}, ask: ask}
	m.write("bearerd.yaml", "foreign_tokens: [{name: old, pattern: \"[0-9a-f]{64}\"}]\nmaster_key_file: master.key\ndatabase: "+strconv.Quote(database)+"\n")
	m.write("access.yaml", benchAccess)
	m.run("keys", "master", "master.key")
	m.run("apply", "-f", "access.yaml")
	m.server = m.serve()
	return m
}

// file is one that is imported: its number, and how many lines it has.
type file struct{ number, lines int }

func (f file) name() string { return fmt.Sprintf("tokens%d.csv", f.number) }

func (f file) value(n int) string {
	return fmt.Sprintf("%032x%032x", f.number, uint64(n+1)*0x9E3779B97F4A7C15)
}

// newFile writes a file of tokens that no other has.
func (m *moving) newFile(lines int) file {
	m.Helper()
	m.files++
	f := file{m.files, lines}
	var text strings.Builder
	text.WriteString("value,owner,scope\n")
	for n := range lines {
		fmt.Fprintf(&text, "%s,ada,read\n", f.value(n))
	}
	m.write(f.name(), text.String())
	return f
}

// exported returns how many tokens are seen, those of files alone: there are no others.
func (m *moving) exported() int { return len(strings.Fields(m.run("token", "export", "--csv"))) - 1 }

// wantAll asks the server about some tokens of a file, from one line on, and wants it to accept
// all, or none. What was refused once may be refused for some seconds more: each is asked for once.
func (m *moving) wantAll(accepted bool, f file, from int) {
	m.Helper()
	want := map[bool]int{true: http.StatusOK, false: http.StatusUnauthorized}[accepted]
	for _, n := range []int{from, from + 1, from + rand.N(f.lines/4), from + f.lines/2 - 1} {
		if a, err := m.verify(m.server, f.value(n)); err != nil || a.status != want {
			m.Errorf("%s, line %d: %v, %+v, want %d", f.name(), n+2, err, a, want)
		}
	}
}

// again imports a file to its end after an attempt that ended within, and wants each of its
// tokens to be there once, and nothing of the attempt.
func (m *moving) again(f file) {
	m.Helper()
	m.ask("UPDATE imports SET active_at = 1 RETURNING 1") // the minute after which it may be tried again is over
	m.run("token", "import", f.name())
	m.published += f.lines
	m.wantAll(true, f, f.lines/2)
	if n := m.exported(); n != m.published {
		m.Errorf("after the import of %s %d tokens are published, want %d", f.name(), n, m.published)
	}
	if n := m.ask("SELECT count(*) FROM tokens WHERE import_id > 0"); n != m.published {
		m.Errorf("after the import of %s %d tokens are stored, want %d", f.name(), n, m.published)
	}
	if n := m.ask("SELECT count(*) FROM imports"); n != 0 {
		m.Errorf("an import is still under way")
	}
}

// beside verifies a token all the time until the returned function is called: the server
// accepts it, whatever happens to imports.
func (m *moving) beside() (stop func()) {
	m.Helper()
	control := m.token(m.server)
	done, ended := make(chan struct{}), make(chan struct{})
	var count atomic.Int64
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
			if a, err := m.verify(m.server, control); err != nil || a.status != http.StatusOK {
				m.Errorf("the server beside an import: %v, %+v", err, a)
				return
			}
			count.Add(1)
		}
	}()
	return func() {
		close(done)
		<-ended
		m.Logf("the server answered %d times beside", count.Load())
	}
}

// TestAnImportKilledAtAnyMoment kills imports while a server runs beside. Either all of a
// file's tokens are accepted or none is, and another attempt finishes it without doubling
// anything.
func TestAnImportKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	onBothEngines(t, func(m *moving) {
		const rounds, lines = 8, 5000
		stop := m.beside()
		longest, whole := 400*time.Millisecond, 0
		for round := range rounds {
			f := m.newFile(lines)
			cmd := m.command("token", "import", f.name())
			began := time.Now()
			if err := cmd.Start(); err != nil {
				m.Fatal(err)
			}
			killer := time.AfterFunc(time.Duration(round)*longest/(rounds-2)+rand.N(longest/rounds), func() {
				if round%2 == 1 { // it is deleting what it has stored
					_ = cmd.Process.Signal(syscall.SIGINT)
					time.Sleep(rand.N(30 * time.Millisecond))
				}
				_ = cmd.Process.Kill()
			})
			finished := cmd.Wait() == nil
			killer.Stop()
			staged := m.ask("SELECT count(*) FROM tokens WHERE import_id > 0") - m.published
			n := m.exported() - m.published
			m.Logf("after %s: finished %t, %d of %d rows, %d published", time.Since(began).Round(time.Millisecond), finished, staged, lines, n)
			if n != 0 && n != lines || finished && n != lines {
				m.Fatalf("%d of %d tokens are published", n, lines)
			}
			m.wantAll(n == lines, f, 0)
			if n == lines {
				m.published += lines
				m.wantAll(true, f, lines/2)
				whole++
				continue
			}
			longest = max(longest, time.Since(began)*5/4)
			m.again(f)
		}
		stop()
		m.Logf("%d of %d were published", whole, rounds)
	})
}

// TestAnInterruptedImport ends imports in order, as Ctrl-C does: nothing is left.
func TestAnInterruptedImport(t *testing.T) {
	t.Parallel()
	onBothEngines(t, func(m *moving) {
		const lines = 20_000
		f := m.newFile(lines)
		cmd := m.command("token", "import", f.name())
		var told bytes.Buffer
		cmd.Stderr = &told
		if err := cmd.Start(); err != nil {
			m.Fatal(err)
		}
		for m.ask("SELECT count(*) FROM tokens") == 0 { // until a part is stored
			time.Sleep(5 * time.Millisecond)
		}
		// Meanwhile another is refused.
		other := m.command("token", "import", f.name())
		if out, err := other.CombinedOutput(); err == nil || !strings.Contains(string(out), "another import is under way") {
			m.Errorf("a second import beside the first: %v\n%s", err, out)
		}
		_ = cmd.Process.Signal(syscall.SIGINT)
		if err := cmd.Wait(); err == nil || !strings.Contains(told.String(), "nothing was imported") {
			m.Errorf("interrupted, it ends with %v and says %s", err, &told)
		}
		if n, left := m.ask("SELECT count(*) FROM tokens"), m.ask("SELECT count(*) FROM imports"); n != 0 || left != 0 {
			m.Errorf("%d tokens and %d imports are left", n, left)
		}
		m.wantAll(false, f, 0)
		m.again(f)
	})
}
