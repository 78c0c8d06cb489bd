package store

import (
	"context"

	"github.com/bearerd/bearerd/internal/fault"
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
	updateOrigin = `UPDATE meta SET value = ` + currentOrigin + ` WHERE name = 'origin'`
)

// restored implements engine. A database that was never used before records its present
// place as its own.
func (*postgresDB) restored(ctx context.Context, c conn) (bool, error) {
	differs, known := false, false
	err := c.each(ctx, selectOrigin, nil, func(scan scanner) error {
		known = true
		return scan(&differs)
	})
	if err == nil && !known {
		_, err = c.exec(ctx, insertOrigin)
	}
	return differs, err
}

// adopt implements engine. Nodes stay on the list, because some may be running: the
// server may be the same, after a failover.
func (*postgresDB) adopt(ctx context.Context, c conn) error {
	_, err := c.exec(ctx, updateOrigin)
	return err
}

func (*postgresDB) backup(context.Context, string) error {
	return fault.New(fault.Invalid, "the database is PostgreSQL's: make the backup with pg_dump, or with what its server offers")
}
