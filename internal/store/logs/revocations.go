package logs

import (
	"context"
	"fmt"
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

const (
	// One statement, so that it is of one snapshot: the head on every row, with one
	// that has nothing else where there are no entries.
	selectEntries = `SELECT h.seq, h.purged, h.purged_until, coalesce(e.seq, 0), coalesce(e.what, ''), coalesce(e.id, ''), coalesce(e.until, 0), coalesce(e.at, 0)
FROM log_head h LEFT JOIN (
    SELECT seq, what, id, until, at FROM log_entries WHERE seq > $1 ORDER BY seq LIMIT $2
) e ON 1 = 1 WHERE h.one = 1 ORDER BY e.seq`
	newestEntry = `SELECT seq, what, id, until, at FROM log_entries
WHERE what = $1 AND id = $2 AND (until = 0 OR until > $3) ORDER BY seq DESC LIMIT 1`

	countSettled = `UPDATE log_settled SET n = n + 1 WHERE one = 1`
	seqOfHead    = `SELECT seq FROM log_head WHERE one = 1`

	purgeEntries = `DELETE FROM log_entries
WHERE seq IN (SELECT seq FROM log_entries WHERE until > 0 AND until <= $1 ORDER BY until LIMIT 500) RETURNING seq, until`
	raisePurged = `UPDATE log_head SET purged = CASE WHEN purged < $1 THEN $1 ELSE purged END,
    purged_until = CASE WHEN purged_until < $2 THEN $2 ELSE purged_until END WHERE one = 1`

	upsertNode = `INSERT INTO nodes (node, seq, lease, seen_at, edges, edges_behind, edges_seq, verifiers, verifiers_behind, verifiers_seq)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (node) DO UPDATE SET seq = excluded.seq, lease = excluded.lease, seen_at = excluded.seen_at,
    edges = excluded.edges, edges_behind = excluded.edges_behind, edges_seq = excluded.edges_seq,
    verifiers = excluded.verifiers, verifiers_behind = excluded.verifiers_behind, verifiers_seq = excluded.verifiers_seq`
	deleteNode  = `DELETE FROM nodes WHERE node = $1`
	dropNode    = `DELETE FROM nodes WHERE node = $1 AND seq = $2 AND seen_at = $3`
	selectNodes = `SELECT node, seq, lease, seen_at, edges, edges_behind, edges_seq, verifiers, verifiers_behind, verifiers_seq
FROM nodes ORDER BY node`
)

// CheckEntries returns an error for entries that no node could read.
func CheckEntries(entries []revocation.Entry) error {
	for _, e := range entries {
		if !e.What.Known() || e.ID == "" {
			return fmt.Errorf("an entry (what: %q) that would stop every node", e.What)
		}
	}
	return nil
}

// Entries returns up to limit entries after that sequence, oldest first, with the log's
// head and purge mark of the same snapshot. Any server may answer, even one that Follow
// doesn't name.
func (r *Revocations) Entries(ctx context.Context, after revocation.Seq, limit int) (p revocation.Page, err error) {
	err = r.db.Read(engine.AnyServer(engine.First(ctx)), func(ctx context.Context, c engine.Conn) error {
		p = revocation.Page{Origin: c.Origin()}
		return c.Each(ctx, selectEntries, []any{after, limit}, func(scan engine.Scanner) error {
			e, err := scanEntry(func(dest ...any) error {
				return scan(append([]any{&p.Head, &p.Purged, column.Time(&p.PurgedUntil)}, dest...)...)
			})
			if e.Seq > 0 {
				p.Entries = append(p.Entries, e)
			}
			return err
		})
	})
	if err != nil {
		return revocation.Page{}, err
	}
	return p, nil
}

func scanEntry(scan engine.Scanner) (e revocation.Entry, err error) {
	var what string
	var until, at int64
	err = scan(&e.Seq, &what, &e.ID, &until, &at)
	e.What, e.Until, e.At = revocation.What(what), column.Instant(until), column.Instant(at)
	return e, err
}

// Settle commits a counter and returns the head of the log. An entry may be visible that
// no standby has: the server shows it when the wait for the standby was cut off. This
// commit waits for the standby too, which then has everything before it.
func (r *Revocations) Settle(ctx context.Context) (head revocation.Seq, err error) {
	err = r.db.Write(engine.First(ctx), func(ctx context.Context, c engine.Conn) error {
		if err := c.Post(ctx, countSettled); err != nil {
			return err
		}
		return c.Each(ctx, seqOfHead, nil, func(scan engine.Scanner) error { return scan(&head) })
	})
	if err != nil {
		return 0, err
	}
	return head, nil
}

// LogEntry finds the newest entry about an id that has not run out, and reports
// whether there is one.
func (r *Revocations) LogEntry(ctx context.Context, what revocation.What, id string) (e revocation.Entry, found bool, err error) {
	err = r.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		found = false
		rows, err := query.List(ctx, c, scanEntry, newestEntry, string(what), id, column.Micros(r.now()))
		if len(rows) > 0 {
			e, found = rows[0], true
		}
		return err
	})
	return e, found, err
}

// Confirm puts a node on the list or replaces its entry; a node without a lease is
// removed. It is committed when Confirm returns, on the server that the confirmation's
// origin names: the error is Unavailable where another one is reached.
func (r *Revocations) Confirm(ctx context.Context, n revocation.Confirmation) error {
	return r.db.Write(engine.First(ctx), func(ctx context.Context, c engine.Conn) error {
		if err := engine.SameServer(c, n.Origin); err != nil {
			return err
		}
		if n.Lease <= 0 {
			return c.Post(ctx, deleteNode, n.Node)
		}
		return c.Post(ctx, upsertNode, n.Node, n.Seq, n.Lease.Microseconds(), column.Micros(r.now()),
			n.Edges.Count, n.Edges.Behind, n.Edges.Seq, n.Verifiers.Count, n.Verifiers.Behind, n.Verifiers.Seq)
	})
}

// DropNode removes a node from the list if its entry is still this one.
func (r *Revocations) DropNode(ctx context.Context, said revocation.Confirmation) error {
	return r.db.Write(ctx, func(ctx context.Context, c engine.Conn) error {
		return c.Post(ctx, dropNode, said.Node, said.Seq, column.Micros(said.SeenAt))
	})
}

// Nodes returns the nodes on the list of the server that the origin names, in the order
// of their names. The error is Unavailable where another one is reached.
func (r *Revocations) Nodes(ctx context.Context, origin string) (nodes []revocation.Confirmation, err error) {
	err = r.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		if err := engine.SameServer(c, origin); err != nil {
			return err
		}
		nodes, err = ReadNodes(ctx, c)
		return err
	})
	return nodes, err
}

// ReadNodes returns the nodes on the list, in the order of their names.
func ReadNodes(ctx context.Context, c engine.Conn) ([]revocation.Confirmation, error) {
	return query.List(ctx, c, scanNode, selectNodes)
}

func scanNode(scan engine.Scanner) (n revocation.Confirmation, err error) {
	var lease int64
	e, v := &n.Edges, &n.Verifiers
	err = scan(&n.Node, &n.Seq, &lease, column.Time(&n.SeenAt), &e.Count, &e.Behind, &e.Seq, &v.Count, &v.Behind, &v.Seq)
	n.Lease = time.Duration(lease) * time.Microsecond
	return n, err
}

// purgeLog deletes a chunk of entries. It records up to where there are gaps now, and the
// latest time until which a deleted entry mattered: a token that had expired by then may
// have been revoked, and a clock that is behind must not make it unexpired.
func purgeLog(ctx context.Context, c engine.Conn, end int64) (purged int64, err error) {
	var last, until int64
	err = c.Each(ctx, purgeEntries, []any{end}, func(scan engine.Scanner) error {
		var seq revocation.Seq
		var one int64
		err := scan(&seq, &one)
		last, until = max(last, seq), max(until, one)
		purged++
		return err
	})
	if err != nil || purged == 0 {
		return 0, err
	}
	return purged, c.Post(ctx, raisePurged, last, until)
}
