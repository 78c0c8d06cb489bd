package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/logs"
	"github.com/bearerd/bearerd/internal/store/postgres"
	"github.com/bearerd/bearerd/internal/store/registry"
	"github.com/bearerd/bearerd/internal/store/schema"
	"github.com/bearerd/bearerd/internal/store/sqlite"
)

// Inspection describes a database. It is read without changing anything. A connection that
// doesn't have the settings that bearerd needs is an error of Inspect, not a part of it.
type Inspection struct {
	Engine  string                    // "SQLite 3.50.4", "PostgreSQL 17.2"
	Pending []string                  // the migrations that opening it would run
	New     bool                      // it has no schema yet
	Moved   bool                      // it was restored from a backup, or failed over, and nobody has opened it since
	Keys    []keyring.Key             // none while migrations of theirs are pending
	Nodes   []revocation.Confirmation // that registered and have not left
	Now     time.Time                 // by the database's own clock; zero where it has none

	SQLite   *SQLiteFacts   // of an SQLite database
	Postgres *PostgresFacts // of a PostgreSQL database
}

// SQLiteFacts are how an SQLite file is written.
type SQLiteFacts struct {
	Path        string
	Mode        os.FileMode // of the file
	JournalMode string      // wal once a server has opened it
	Synchronous string      // of bearerd's connections
}

// PostgresFacts are how a PostgreSQL server keeps what is committed.
type PostgresFacts struct {
	SynchronousCommit string // of bearerd's sessions
	SynchronousNames  string // synchronous_standby_names
	Standbys          int    // that are connected, as far as this role may see
	Fsync             bool
	FullPageWrites    bool
	Role              string
	MayCreate         bool // the role may create tables, as a migration does
	Encrypted         bool // the connection is
}

const (
	selectSQLite = `SELECT sqlite_version(), (SELECT journal_mode FROM pragma_journal_mode()), (SELECT synchronous FROM pragma_synchronous())`

	selectPostgres = `SELECT current_setting('server_version'), current_setting('synchronous_commit'), current_setting('synchronous_standby_names'),
    (SELECT count(*) FROM pg_stat_replication), current_setting('fsync') = 'on', current_setting('full_page_writes') = 'on',
    current_user::text, has_schema_privilege(current_schema(), 'CREATE'),
    coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)`
)

// Inspect describes a database. A database that doesn't exist is an error, which is
// fs.ErrNotExist for a file, as is one of another program or of a later version.
func Inspect(ctx context.Context, database string, o Options) (*Inspection, error) {
	in := &Inspection{}
	err := look(ctx, database, o, func(ctx context.Context, c engine.Conn, d engine.Dialect) error {
		todo, err := schema.Missing(ctx, c, d)
		if err != nil {
			return err
		}
		in.Pending = namesOf(todo)
		in.New = len(todo) > 0 && todo[0].Name == firstMigration
		if isPostgres(database) {
			err = in.readPostgres(ctx, c)
		} else {
			err = in.readSQLite(ctx, c, database)
		}
		if err != nil || in.New {
			return err
		}
		return in.readState(ctx, c)
	})
	if err != nil {
		return nil, fmt.Errorf("inspecting the database %s: %w", nameOf(database), err)
	}
	return in, nil
}

// firstMigration is pending where there is no schema yet.
const firstMigration = "0001_initial"

// readState reads what every schema since the first has.
func (in *Inspection) readState(ctx context.Context, c engine.Conn) (err error) {
	if in.Keys, err = registry.ReadKeys(ctx, c); err != nil {
		return err
	}
	in.Nodes, err = logs.ReadNodes(ctx, c)
	if err != nil {
		return err
	}
	if in.Postgres != nil {
		in.Moved, err = postgres.Moved(ctx, c)
		return err
	}
	in.Moved, err = sqlite.Moved(ctx, c)
	return err
}

func (in *Inspection) readSQLite(ctx context.Context, c engine.Conn, path string) error {
	f := &SQLiteFacts{}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if f.Path, err = filepath.Abs(path); err != nil {
		return err
	}
	f.Mode = info.Mode()
	version, synchronous := "", 0
	if err := c.Row(ctx, selectSQLite, nil, &version, &f.JournalMode, &synchronous); err != nil {
		return err
	}
	f.Synchronous = []string{"off", "normal", "full", "extra"}[min(max(synchronous, 0), 3)]
	in.Engine, in.SQLite = "SQLite "+version, f
	return nil
}

func (in *Inspection) readPostgres(ctx context.Context, c engine.Conn) error {
	f, version := &PostgresFacts{}, ""
	err := c.Row(ctx, selectPostgres, nil, &version, &f.SynchronousCommit, &f.SynchronousNames, &f.Standbys, &f.Fsync, &f.FullPageWrites,
		&f.Role, &f.MayCreate, &f.Encrypted)
	if err != nil {
		return err
	}
	in.Engine, in.Postgres = "PostgreSQL "+version, f
	in.Now, err = postgres.ReadClock(ctx, c)
	return err
}
