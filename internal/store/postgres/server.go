package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// oldest is the first version of PostgreSQL that bearerd supports.
const oldest = 13

// errUnfit is the error for a server that is not used.
var errUnfit = errors.New("the server can't be used")

// unfit is errUnfit with its reason, in words for the operator.
type unfit string

func (u unfit) Error() string      { return string(u) }
func (unfit) Is(target error) bool { return target == errUnfit }

// server is what is known of the server of a connection.
type server struct {
	version           int // as in 150004
	encoding          string
	origin            string // the server, and since which failover or recovery
	standby, readOnly bool
	settings          map[string]string // of those that $1 names
}

const (
	selectServer = `SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),
    pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',
    (SELECT json_object_agg(name, setting) FROM pg_settings WHERE name = ANY ($1)),
    CASE WHEN pg_is_in_recovery() THEN '' ELSE (SELECT system_identifier FROM pg_control_system()) || '/' || ` + timeline + ` END`

	// PostgreSQL 17 can end a long transaction, even one that waits for its standby;
	// earlier versions have no such setting.
	noTransactionTimeout = `SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout' AND setting <> '0'`
)

// relied returns the settings without which a connection isn't used: without the first,
// acknowledged writes may be lost, and without the last three a disconnected or waiting
// node blocks the others. Those of TCP are not among them: a connection through a socket
// has none.
func relied() []string {
	return []string{
		"synchronous_commit", "default_transaction_isolation", "standard_conforming_strings", "client_encoding",
		"idle_in_transaction_session_timeout", "statement_timeout", "lock_timeout",
	}
}

const noPooler = "if a connection pooler such as PgBouncer stands between, name the PostgreSQL server itself"

// checkServer checks the server and which of the requested settings are in force, and
// records which server it is.
func checkServer(ctx context.Context, c *pgx.Conn, wanted map[string]string) error {
	var s server
	err := c.QueryRow(ctx, selectServer, relied()).Scan(&s.version, &s.encoding, &s.standby, &s.readOnly, &s.settings, &s.origin)
	if err != nil {
		return explain(&lost{err})
	}
	if err := s.check(wanted); err != nil {
		return err
	}
	lineOf(c).origin = s.origin // a primary keeps its timeline for as long as it runs
	if _, err := c.Exec(ctx, noTransactionTimeout); err != nil {
		return explain(&lost{err})
	}
	return nil
}

// check returns what is wrong with a server.
func (s server) check(wanted map[string]string) error {
	switch {
	case s.version < oldest*10000:
		return unfit(fmt.Sprintf("its server is PostgreSQL %d, and the oldest that bearerd supports is %d", s.version/10000, oldest))
	case s.encoding != "UTF8":
		return unfit(fmt.Sprintf("its encoding is %s: create it again with ENCODING 'UTF8'", s.encoding))
	case s.standby:
		return unfit("its server is a standby, which is read-only: name the primary")
	case s.readOnly:
		return unfit("it is read-only (default_transaction_read_only)")
	}
	for _, name := range relied() {
		if got, want := s.settings[name], wanted[name]; got != want {
			return unfit(fmt.Sprintf("the setting %s is %q on the server, and bearerd asked for %q: %s", name, got, want, noPooler))
		}
	}
	return nil
}
