package postgres

import (
	"context"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/store/engine"
)

const (
	// timeline is the server's timeline. A failover and a recovery to a point in time
	// begin a new one: by it a primary differs from the standby that took its place.
	timeline = `substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)`

	// What differs in every copy of the database except one of the server's whole disk:
	// the server, the database, the table; and the server's timeline, which changes with
	// a recovery to a point in time and with a failover.
	currentOrigin = `(SELECT s.system_identifier || '/' || d.oid || '/' || 'log_head'::regclass::oid || '/' ||
    ` + timeline + ` FROM pg_control_system() s, pg_database d WHERE d.datname = current_database())`

	selectOrigin = `SELECT value <> ` + currentOrigin + ` FROM meta WHERE name = 'origin'`
	insertOrigin = `INSERT INTO meta (name, value) VALUES ('origin', ` + currentOrigin + `) ON CONFLICT (name) DO NOTHING`
	selectMoved  = `SELECT EXISTS (SELECT 1 FROM meta WHERE name = 'origin' AND value <> ` + currentOrigin + `)`
	updateOrigin = `UPDATE meta SET value = ` + currentOrigin + ` WHERE name = 'origin'`
)

// Restored implements engine.DB. A database that was never used before records its present
// place as its own.
func (*DB) Restored(ctx context.Context, c engine.Conn) (bool, error) {
	differs, known := false, false
	err := c.Each(ctx, selectOrigin, nil, func(scan engine.Scanner) error {
		known = true
		return scan(&differs)
	})
	if err == nil && !known {
		_, err = c.Exec(ctx, insertOrigin)
	}
	return differs, err
}

// Adopt implements engine.DB. Nodes stay on the list, because some may be running: the
// server may be the same, after a failover.
func (*DB) Adopt(ctx context.Context, c engine.Conn) error {
	_, err := c.Exec(ctx, updateOrigin)
	return err
}

// Backup implements engine.DB: the error is fault.Invalid.
func (*DB) Backup(context.Context, string) error {
	return fault.New(fault.Invalid, "the database is PostgreSQL's: make the backup with pg_dump, or with what its server offers")
}

// Moved reports whether a database was restored, or failed over, and nobody has opened it since.
func Moved(ctx context.Context, c engine.Conn) (moved bool, err error) {
	err = c.Row(ctx, selectMoved, nil, &moved)
	return moved, err
}
