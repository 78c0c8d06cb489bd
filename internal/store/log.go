package store

import (
	"context"
	"fmt"
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
)

const (
	advanceHead = `UPDATE log_head SET seq = seq + $1 WHERE one = 1 RETURNING seq`
	selectHead  = `SELECT seq, purged FROM log_head WHERE one = 1`
	insertEntry = `INSERT INTO log_entries (seq, what, id, until, at) VALUES ($1, $2, $3, $4, $5)`

	selectEntries = `SELECT seq, what, id, until, at FROM log_entries WHERE seq > $1 ORDER BY seq LIMIT $2`
	newestEntry   = `SELECT seq, what, id, until, at FROM log_entries
WHERE what = $1 AND id = $2 AND (until = 0 OR until > $3) ORDER BY seq DESC LIMIT 1`

	upsertNode = `INSERT INTO nodes (node, seq, lease, seen_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (node) DO UPDATE SET seq = excluded.seq, lease = excluded.lease, seen_at = excluded.seen_at`
	deleteNode  = `DELETE FROM nodes WHERE node = $1`
	dropNode    = `DELETE FROM nodes WHERE node = $1 AND seq = $2 AND seen_at = $3`
	selectNodes = `SELECT node, seq, lease, seen_at FROM nodes ORDER BY node`
)

// appendLog gives the entries their sequences and gives the last of them; 0 when
// there are none.
func appendLog(ctx context.Context, c *conn, entries []revocation.Entry) (revocation.Seq, error) {
	if len(entries) == 0 {
		return 0, nil
	}
	var head revocation.Seq
	if err := c.row(ctx, advanceHead, []any{len(entries)}, &head); err != nil {
		return 0, err
	}
	first := head - revocation.Seq(len(entries)) + 1
	for i, e := range entries {
		if !e.What.Known() || e.ID == "" {
			return 0, fmt.Errorf("an entry (what: %q) that would stop every node", e.What)
		}
		_, err := c.exec(ctx, insertEntry, first+revocation.Seq(i), string(e.What), e.ID, micros(e.Until), micros(e.At))
		if err != nil {
			return 0, err
		}
	}
	return head, nil
}

// Entries gives up to limit entries after that sequence, oldest first, with the
// log's head and purge mark of the same snapshot.
func (s *Store) Entries(ctx context.Context, after revocation.Seq, limit int) (p revocation.Page, err error) {
	err = s.snapshot(ctx, func(ctx context.Context, c *conn) error {
		err := c.row(ctx, selectHead, nil, &p.Head, &p.Purged)
		if err != nil || p.Head <= after {
			return err
		}
		p.Entries, err = list(ctx, c, scanEntry, selectEntries, after, limit)
		return err
	})
	if err != nil {
		return revocation.Page{}, err
	}
	return p, nil
}

func scanEntry(scan scanner) (e revocation.Entry, err error) {
	var what string
	var until, at int64
	err = scan(&e.Seq, &what, &e.ID, &until, &at)
	e.What, e.Until, e.At = revocation.What(what), instant(until), instant(at)
	return e, err
}

// LogEntry finds the newest entry about an id that has not run out, and reports
// whether there is one.
func (s *Store) LogEntry(ctx context.Context, what revocation.What, id string) (e revocation.Entry, found bool, err error) {
	err = s.read(ctx, func(ctx context.Context, c *conn) error {
		found = false
		rows, err := list(ctx, c, scanEntry, newestEntry, string(what), id, micros(s.now()))
		if len(rows) > 0 {
			e, found = rows[0], true
		}
		return err
	})
	return e, found, err
}

// Confirm puts a node on the list or replaces what the list says of it; one without
// a lease is taken off. It is committed when Confirm returns.
func (s *Store) Confirm(ctx context.Context, n revocation.Confirmation) error {
	return s.write(ctx, func(ctx context.Context, c *conn) error {
		if n.Lease <= 0 {
			_, err := c.exec(ctx, deleteNode, n.Node)
			return err
		}
		_, err := c.exec(ctx, upsertNode, n.Node, n.Seq, n.Lease.Microseconds(), micros(s.now()))
		return err
	})
}

// DropNode takes a node off the list if the list still says this of it.
func (s *Store) DropNode(ctx context.Context, said revocation.Confirmation) error {
	return s.write(ctx, func(ctx context.Context, c *conn) error {
		_, err := c.exec(ctx, dropNode, said.Node, said.Seq, micros(said.SeenAt))
		return err
	})
}

// Nodes gives the nodes on the list in the order of their names.
func (s *Store) Nodes(ctx context.Context) ([]revocation.Confirmation, error) {
	return query(ctx, s, func(scan scanner) (n revocation.Confirmation, err error) {
		var lease int64
		err = scan(&n.Node, &n.Seq, &lease, stamp{&n.SeenAt})
		n.Lease = time.Duration(lease) * time.Microsecond
		return n, err
	}, selectNodes)
}
