package tokens

import (
	"context"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

const (
	insertSpent = `INSERT INTO spent (digest, until) VALUES ($1, $2) ON CONFLICT DO NOTHING`
	markSpent   = `INSERT INTO spent (digest, until) VALUES ($1, $2)
ON CONFLICT (digest) DO UPDATE SET until = CASE WHEN excluded.until > spent.until THEN excluded.until ELSE spent.until END`
	isSpent      = `SELECT 1 FROM spent WHERE digest = $1`
	isSpentSince = `SELECT 1 FROM spent WHERE digest = $1 AND until >= $2`
	purgeSpent   = `DELETE FROM spent
WHERE digest IN (SELECT digest FROM spent WHERE until <= $1 ORDER BY until LIMIT 500)`
)

// spend uses up something that can be used once. Of two requests that present it at the
// same time one waits for the other's transaction, and is refused.
func spend(ctx context.Context, c engine.Conn, o op.Spend) error {
	err := query.UnlessConflict(ctx, c, "it has been used already", insertSpent, o.Once[:], column.Micros(o.Until))
	if o.Else != nil && fault.Is(err, fault.Conflict) {
		return o.Else
	}
	return err
}

// endSourced remembers that a source has ended something. Its batch holds the lock that
// keeps tokens from being added: a session that begins from it is stored either before
// the batch, and found by whatever reads after it, or as revoked.
func endSourced(ctx context.Context, c engine.Conn, o op.EndSourced) error {
	ended := records.SourceLogout(o.Source, o.Session)
	if o.Session == "" {
		ended = records.PersonLogout(o.Source, o.Person)
	}
	return c.Post(ctx, markSpent, ended[:], column.Micros(o.At.Add(records.LogoutKept)))
}

// endedAtSource reports whether the source has ended what a session began from.
func endedAtSource(ctx context.Context, c engine.Conn, from records.SignIn) (bool, error) {
	if from.Session != "" {
		session := records.SourceLogout(from.Source, from.Session)
		if ended, err := query.Exists(ctx, c, isSpent, session[:]); ended || err != nil {
			return ended, err
		}
	}
	if from.Person == "" || from.SaidAt.IsZero() {
		return false, nil
	}
	person := records.PersonLogout(from.Source, from.Person)
	return query.Exists(ctx, c, isSpentSince, person[:], column.Micros(from.SaidAt.Add(records.LogoutKept)))
}
