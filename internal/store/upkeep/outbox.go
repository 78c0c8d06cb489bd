package upkeep

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
	"github.com/bearerd/bearerd/internal/token"
)

const (
	insertNotice = `INSERT INTO outbox (receiver, jti, event, subject, fact, at, due_at, attempts) VALUES ($1, $2, $3, $4, $5, $6, $7, 0)`
	dueNotices   = `SELECT seq, jti, event, subject, fact, at, attempts FROM outbox
WHERE receiver = $1 AND due_at <= $2 ORDER BY due_at, subject, seq LIMIT $3`
	deleteNotice   = `DELETE FROM outbox WHERE seq = $1`
	postponeNotice = `UPDATE outbox SET due_at = $2, attempts = attempts + 1 WHERE seq = $1`
	trimOld        = `DELETE FROM outbox
WHERE seq IN (SELECT seq FROM outbox WHERE receiver = $1 AND at <= $2 ORDER BY at LIMIT 500)`
	trimMany = `DELETE FROM outbox WHERE seq IN (
    SELECT seq FROM outbox WHERE receiver = $1
        AND seq <= (SELECT seq FROM outbox WHERE receiver = $1 ORDER BY seq DESC LIMIT 1 OFFSET $2)
    ORDER BY seq LIMIT 500)`
	purgeNotices   = `DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE at <= $1 ORDER BY at LIMIT 500)`
	waitingNotices = `SELECT count(*), coalesce(min(at), 0) FROM (SELECT at FROM outbox WHERE receiver = $1 ORDER BY seq LIMIT $2) AS part`

	takeTurn = `INSERT INTO outbox_turns (receiver, node, until) VALUES ($1, $2, $4)
ON CONFLICT (receiver) DO UPDATE SET node = $2, until = $4 WHERE outbox_turns.node = $2 OR outbox_turns.until <= $3`

	seeNetwork = `INSERT INTO token_networks (token_id, network, at)
SELECT t.id, $2, $3 FROM tokens t WHERE t.id = $1 AND t.kind IN ($4, $5) ON CONFLICT DO NOTHING`
	otherNetwork = `SELECT 1 FROM token_networks WHERE token_id = $1 AND network <> $2 LIMIT 1`
	trimNetworks = `DELETE FROM token_networks WHERE token_id = $1 AND network NOT IN (
    SELECT network FROM token_networks WHERE token_id = $1 ORDER BY at DESC, network LIMIT $2)`
	knownNetwork = `SELECT 1 FROM token_networks WHERE token_id = $1 AND network = $2`
)

func addNotice(ctx context.Context, c engine.Conn, o op.AddNotice) error {
	n := o.Notice
	for _, due := range o.Due {
		if err := c.Post(ctx, insertNotice, due.Receiver, n.ID, n.Event, n.Subject, string(n.Fact), column.Micros(n.At), column.Micros(due.At)); err != nil {
			return err
		}
	}
	return nil
}

// see remembers a network. Where it is new, and not the first one of the token, the notice
// is added.
func see(ctx context.Context, c engine.Conn, o op.SeeNetwork) error {
	id, network := o.Place.TokenID, o.Place.Network
	added, err := c.Exec(ctx, seeNetwork, id, network, column.Micros(o.At), token.KindAPIToken.String(), token.KindExchangeKey.String())
	if err != nil || added == 0 {
		return err
	}
	others, err := query.Exists(ctx, c, otherNetwork, id, network)
	if err != nil || !others {
		return err
	}
	if err := c.Post(ctx, trimNetworks, id, upkeep.NetworksKept); err != nil {
		return err
	}
	return addNotice(ctx, c, o.Notice)
}

// TakeTurn reports whether the node may send to the receiver until the turn ends.
func (x *Outbox) TakeTurn(ctx context.Context, t upkeep.Turn) (taken bool, err error) {
	err = x.db.Write(ctx, func(ctx context.Context, c engine.Conn) error {
		n, err := c.Exec(ctx, takeTurn, t.Receiver, t.Node, column.Micros(t.Now), column.Micros(t.Until))
		taken = n > 0
		return err
	})
	return taken, err
}

// DueNotices returns notices that are due.
func (x *Outbox) DueNotices(ctx context.Context, q upkeep.DueQuery) ([]upkeep.Outgoing, error) {
	return query.All(ctx, x.db, func(scan engine.Scanner) (o upkeep.Outgoing, err error) {
		var fact string
		err = scan(&o.Seq, &o.ID, &o.Event, &o.Subject, &fact, column.Time(&o.At), &o.Attempts)
		o.Fact = []byte(fact)
		return o, err
	}, dueNotices, q.Receiver, column.Micros(q.Now), q.Limit)
}

// SettleNotices deletes notices that were sent or never will be, and puts off others.
func (x *Outbox) SettleNotices(ctx context.Context, done []int64, later []upkeep.Postponed) error {
	return x.db.Write(ctx, func(ctx context.Context, c engine.Conn) error {
		for _, seq := range done {
			if err := c.Post(ctx, deleteNotice, seq); err != nil {
				return err
			}
		}
		for _, p := range later {
			if err := c.Post(ctx, postponeNotice, p.Seq, column.Micros(p.At)); err != nil {
				return err
			}
		}
		return nil
	})
}

// TrimNotices deletes what is beyond the bounds, in small steps, and returns how many
// notices that were.
func (x *Outbox) TrimNotices(ctx context.Context, b upkeep.OutboxBounds) (dropped int64, err error) {
	for _, bound := range []struct {
		text string
		by   any
	}{{trimOld, column.Micros(b.Before)}, {trimMany, b.Most}} {
		err := query.Purge(ctx, x.db, func(ctx context.Context, c engine.Conn) (int64, error) {
			n, err := c.Exec(ctx, bound.text, b.Receiver, bound.by)
			if err == nil {
				dropped += n
			}
			return n, err
		})
		if err != nil {
			return dropped, err
		}
	}
	return dropped, nil
}

// PurgeNotices deletes what has been waiting since before an instant, in small steps.
func (x *Outbox) PurgeNotices(ctx context.Context, before time.Time) error {
	return query.Purge(ctx, x.db, query.Purging(purgeNotices, column.Micros(before)))
}

// WaitingNotices counts what waits for a receiver.
func (x *Outbox) WaitingNotices(ctx context.Context, receiver string, limit int) (w upkeep.Waiting, err error) {
	err = x.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		return c.Row(ctx, waitingNotices, []any{receiver, limit}, &w.Count, column.Time(&w.Oldest))
	})
	return w, err
}

// KnownNetworks returns those of the places that SeeNetwork has stored.
func (x *Outbox) KnownNetworks(ctx context.Context, places []upkeep.Place) (known []upkeep.Place, err error) {
	err = x.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		known = nil
		for _, p := range places {
			found, err := query.Exists(ctx, c, knownNetwork, p.TokenID, p.Network)
			if err != nil {
				return err
			}
			if found {
				known = append(known, p)
			}
		}
		return nil
	})
	return known, err
}
