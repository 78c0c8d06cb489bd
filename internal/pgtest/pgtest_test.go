package pgtest_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bearerd/bearerd/internal/pgtest"
)

// number asks for one.
func number(t *testing.T, dsn, sql string) (n int) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(t.Context()) }()
	if err := c.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNewDatabasesAreEmptyAndApart(t *testing.T) {
	t.Parallel()
	a, b := pgtest.New(t), pgtest.New(t)
	pgtest.Exec(t, a, "CREATE TABLE things (n int)")
	if n := number(t, b, "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"); n != 0 {
		t.Errorf("the other database has %d tables", n)
	}
}

func TestDatabasesAreDroppedWithTheirTest(t *testing.T) {
	t.Parallel()
	var dsn string
	t.Run("user", func(t *testing.T) {
		dsn = pgtest.New(t)
		if _, err := pgx.Connect(t.Context(), dsn); err != nil { // and left open
			t.Fatal(err)
		}
	})
	if _, err := pgx.Connect(t.Context(), dsn); err == nil || !strings.Contains(err.Error(), "3D000") {
		t.Errorf("connecting to a dropped database: %v", err)
	}
}

func TestClusterKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t)
	pgtest.Exec(t, c.DSN(), "CREATE TABLE things (n int)")
	for _, end := range []func(testing.TB){c.Kill, c.Stop, c.Restart, c.Kill} {
		pgtest.Exec(t, c.DSN(), "INSERT INTO things VALUES (1)")
		end(t)
		c.Restart(t)
	}
	if n := number(t, c.DSN(), "SELECT count(*) FROM things"); n != 4 {
		t.Errorf("%d rows of 4 are there", n)
	}
	if n := number(t, c.DSN(), "SELECT count(*) FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes') AND setting = 'on'"); n != 3 {
		t.Error("the settings for durability are not PostgreSQL's own")
	}
}

// TestAKilledTestLeavesNoServer runs itself as the test process that is killed.
func TestAKilledTestLeavesNoServer(t *testing.T) {
	t.Parallel()
	const asVictim = "BEARERD_PGTEST_VICTIM"
	if how := os.Getenv(asVictim); how != "" {
		c := pgtest.Start(t)
		if how == "paused" {
			if err := c.Pause(); err != nil {
				t.Fatal(err)
			}
		}
		_, _ = os.Stdout.WriteString("at " + c.Addr() + "\n")
		select {}
	}
	pgtest.Server(t) // skips where there is none
	for _, how := range []string{"running", "paused"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAKilledTestLeavesNoServer$")
			leavesNoServer(t, cmd, asVictim+"="+how)
		})
	}
}

// leavesNoServer runs a test that starts one server, kills it, and fails unless the
// server ends and its directory is removed.
func leavesNoServer(t *testing.T, cmd *exec.Cmd, variable string) {
	t.Helper()
	tmp := t.TempDir()
	if err := os.Chmod(filepath.Dir(tmp), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(tmp, 0o777); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), variable, "TMPDIR="+tmp)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(tmp, "bearerd-pg-*", "data", "postmaster.pid"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q: servers %v: %v", line, files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		left, _ := filepath.Glob(filepath.Join(tmp, "*"))
		if syscall.Kill(pid, 0) != nil && len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the server is still there, or its directory: %v", left)
		}
	}
}
