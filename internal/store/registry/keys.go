package registry

import (
	"context"

	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

const (
	selectKeys = `SELECT kid, algorithm, state, created_at, active_at, retired_at, gone_at, sealed
FROM signing_keys ORDER BY created_at, kid`
	upsertKey = `INSERT INTO signing_keys (kid, algorithm, state, created_at, active_at, retired_at, gone_at, sealed)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (kid) DO UPDATE SET algorithm = excluded.algorithm, state = excluded.state, created_at = excluded.created_at,
    active_at = excluded.active_at, retired_at = excluded.retired_at, gone_at = excluded.gone_at, sealed = excluded.sealed`
)

func scanKey(scan engine.Scanner) (k keyring.Key, err error) {
	err = scan(&k.KID, &k.Algorithm, &k.State, column.Time(&k.CreatedAt), column.Time(&k.ActiveAt), column.Time(&k.RetiredAt), column.Time(&k.GoneAt), column.Bytes(&k.Sealed))
	return k, err
}

// ReadKeys returns every signing key, oldest first.
func ReadKeys(ctx context.Context, c engine.Conn) ([]keyring.Key, error) {
	return query.List(ctx, c, scanKey, selectKeys)
}

// SigningKeys returns every key, oldest first.
func (r *Registry) SigningKeys(ctx context.Context) ([]keyring.Key, error) {
	return query.All(ctx, r.db, scanKey, selectKeys)
}

// ChangeSigningKeys runs a plan on the keys and writes the keys that it returns, in their
// order, in one transaction. A plan's error rolls it back and is returned. A plan may be
// run more than once.
func (r *Registry) ChangeSigningKeys(ctx context.Context, plan func(now []keyring.Key) ([]keyring.Key, error)) error {
	return r.db.Write(ctx, func(ctx context.Context, c engine.Conn) error {
		if err := c.Lock(ctx, engine.LockKeys); err != nil {
			return err
		}
		return changeKeys(ctx, c, plan)
	})
}

// changeKeys needs lockKeys.
func changeKeys(ctx context.Context, c engine.Conn, plan keyring.Plan) error {
	stored, err := ReadKeys(ctx, c)
	if err != nil {
		return err
	}
	changed, err := plan(stored)
	if err != nil {
		return err
	}
	for _, k := range changed {
		_, err := c.Exec(ctx, upsertKey, k.KID, string(k.Algorithm), string(k.State), column.Micros(k.CreatedAt), column.Micros(k.ActiveAt),
			column.Micros(k.RetiredAt), column.Micros(k.GoneAt), column.NotNull(k.Sealed))
		if err != nil {
			return err
		}
	}
	return nil
}
