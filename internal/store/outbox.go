package store

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/records/upkeep"
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

// carryOutNotice does the operations on the outbox.
func carryOutNotice(ctx context.Context, c conn, o op.Op) (done bool, err error) {
	switch o := o.(type) {
	case op.AddNotice:
		return true, addNotice(ctx, c, o)
	case op.SeeNetwork:
		return true, see(ctx, c, o)
	}
	return false, nil
}

func addNotice(ctx context.Context, c conn, o op.AddNotice) error {
	n := o.Notice
	for _, due := range o.Due {
		if err := c.post(ctx, insertNotice, due.Receiver, n.ID, n.Event, n.Subject, string(n.Fact), micros(n.At), micros(due.At)); err != nil {
			return err
		}
	}
	return nil
}

// see remembers a network. Where it is new, and not the first one of the token, the notice
// is added.
func see(ctx context.Context, c conn, o op.SeeNetwork) error {
	id, network := o.Place.TokenID, o.Place.Network
	added, err := c.exec(ctx, seeNetwork, id, network, micros(o.At), token.KindAPIToken.String(), token.KindExchangeKey.String())
	if err != nil || added == 0 {
		return err
	}
	others, err := exists(ctx, c, otherNetwork, id, network)
	if err != nil || !others {
		return err
	}
	if err := c.post(ctx, trimNetworks, id, upkeep.NetworksKept); err != nil {
		return err
	}
	return addNotice(ctx, c, o.Notice)
}

// TakeTurn reports whether the node may send to the receiver until the turn ends.
func (s *Store) TakeTurn(ctx context.Context, t upkeep.Turn) (taken bool, err error) {
	err = s.write(ctx, func(ctx context.Context, c conn) error {
		n, err := c.exec(ctx, takeTurn, t.Receiver, t.Node, micros(t.Now), micros(t.Until))
		taken = n > 0
		return err
	})
	return taken, err
}

// DueNotices returns notices that are due.
func (s *Store) DueNotices(ctx context.Context, q upkeep.DueQuery) ([]upkeep.Outgoing, error) {
	return query(ctx, s, func(scan scanner) (o upkeep.Outgoing, err error) {
		var fact string
		err = scan(&o.Seq, &o.ID, &o.Event, &o.Subject, &fact, stamp{&o.At}, &o.Attempts)
		o.Fact = []byte(fact)
		return o, err
	}, dueNotices, q.Receiver, micros(q.Now), q.Limit)
}

// SettleNotices deletes notices that were sent or never will be, and puts off others.
func (s *Store) SettleNotices(ctx context.Context, done []int64, later []upkeep.Postponed) error {
	return s.write(ctx, func(ctx context.Context, c conn) error {
		for _, seq := range done {
			if err := c.post(ctx, deleteNotice, seq); err != nil {
				return err
			}
		}
		for _, p := range later {
			if err := c.post(ctx, postponeNotice, p.Seq, micros(p.At)); err != nil {
				return err
			}
		}
		return nil
	})
}

// TrimNotices deletes what is beyond the bounds, in small steps, and returns how many
// notices that were.
func (s *Store) TrimNotices(ctx context.Context, b upkeep.OutboxBounds) (dropped int64, err error) {
	for _, bound := range []struct {
		text string
		by   any
	}{{trimOld, micros(b.Before)}, {trimMany, b.Most}} {
		err := s.purgeBy(ctx, func(ctx context.Context, c conn) (int64, error) {
			n, err := c.exec(ctx, bound.text, b.Receiver, bound.by)
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
func (s *Store) PurgeNotices(ctx context.Context, before time.Time) error {
	return s.purgeBy(ctx, purging(purgeNotices, micros(before)))
}

// WaitingNotices counts what waits for a receiver.
func (s *Store) WaitingNotices(ctx context.Context, receiver string, limit int) (w upkeep.Waiting, err error) {
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		return c.row(ctx, waitingNotices, []any{receiver, limit}, &w.Count, stamp{&w.Oldest})
	})
	return w, err
}

// KnownNetworks returns those of the places that SeeNetwork has stored.
func (s *Store) KnownNetworks(ctx context.Context, places []upkeep.Place) (known []upkeep.Place, err error) {
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		known = nil
		for _, p := range places {
			found, err := exists(ctx, c, knownNetwork, p.TokenID, p.Network)
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
