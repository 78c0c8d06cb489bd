package store_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/pgtest"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

// relied returns the settings without which a connection isn't used.
func relied() []string {
	return []string{
		"synchronous_commit", "default_transaction_isolation", "standard_conforming_strings", "client_encoding",
		"idle_in_transaction_session_timeout", "statement_timeout", "lock_timeout",
	}
}

// A setting that bearerd relies on and that doesn't arrive stops the start.
func TestASettingThatIsLostStopsTheStart(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	for name, value := range map[string]string{ // where PostgreSQL's default would do
		"synchronous_commit": "off", "default_transaction_isolation": "serializable", "standard_conforming_strings": "off", "client_encoding": "latin1",
	} {
		pgtest.Exec(t, dsn, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET `+name+` = `+value+`', current_database()); END $$`)
	}
	for _, name := range relied() {
		t.Run(name, func(t *testing.T) {
			p, through := newProxy(t, dsn)
			p.stripSettings(name)
			got := refused(t, through)
			if !strings.Contains(got, "the setting "+name+" is ") || !strings.Contains(got, "PgBouncer") {
				t.Errorf("got %q", got)
			}
			if _, err := store.Pending(t.Context(), through, store.Options{}); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("pending: %v", err)
			}
		})
	}
	if left := tables(t, dsn); len(left) != 0 {
		t.Errorf("it left %v", left)
	}
}

// What isn't in force on a later connection either: that connection is not used.
func TestASettingThatIsLostLaterStopsTheWork(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	p, through := newProxy(t, dsn)
	s := storekit.Open(t, through, store.Options{})
	if _, err := s.Commit(t.Context(), kill("before")); err != nil {
		t.Fatal(err)
	}
	p.stripSettings("idle_in_transaction_session_timeout")
	p.cut()
	eventually(t, func() error { // until no old connection is left
		_, err := s.Commit(t.Context(), kill("after"))
		if err == nil || !strings.Contains(err.Error(), "idle_in_transaction_session_timeout") {
			return fmt.Errorf("got %w", err)
		}
		if !fault.Is(err, fault.Unavailable) || strings.Contains(fault.Message(err), "idle") {
			t.Errorf("the client is told %q", fault.Message(err))
		}
		return nil
	})
	p.stripSettings()
	eventually(t, func() error { return second(s.Commit(t.Context(), kill("again"))) })
}

// pooler starts a real PgBouncer before a server and returns the DSN through it.
func pooler(t *testing.T, dsn, more string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer"
	}
	if _, err := os.Stat(program); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("there is no PgBouncer here: install the package pgbouncer")
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "bearerd-pgbouncer-") //nolint:usetesting // PgBouncer's user can't enter those
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "pgbouncer.ini")
	text := fmt.Sprintf("[databases]\n* = host=%s port=%s user=%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %s\nauth_type = any\nunix_socket_dir =\npool_mode = session\n%s\n",
		u.Hostname(), u.Port(), u.User.Username(), port, more)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{conf}
	if os.Geteuid() == 0 {
		args = []string{"-u", "nobody", conf}
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, program, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait()
	})
	eventually(t, func() error {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err == nil {
			err = c.Close()
		}
		return err
	})
	u.Host = address
	return u.String()
}

// A real PgBouncer: by default it refuses the settings, and configured to ignore them it
// drops them. Both messages name it.
func TestPgBouncerIsNamed(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	as := pooler(t, dsn, "")
	if got := refused(t, as); !strings.Contains(got, "PgBouncer stands between") {
		t.Errorf("as it comes: %q", got)
	}
	ignored := strings.Join(append(relied(), "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout"), ", ")
	dropping := pooler(t, dsn, "ignore_startup_parameters = "+ignored)
	if got := refused(t, dropping); !strings.Contains(got, "the setting ") || !strings.Contains(got, "PgBouncer stands between") {
		t.Errorf("told to ignore the settings: %q", got)
	}
}
