package registry

import (
	"context"
	"encoding/json"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

const (
	selectIssuers = `SELECT definition FROM issuers ORDER BY name`
	selectIssuer  = `SELECT definition FROM issuers WHERE issuer = $1`
	insertIssuer  = `INSERT INTO issuers (name, issuer, version, definition) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`
	deleteIssuer  = `DELETE FROM issuers WHERE name = $1 AND version = $2`
)

// definition reads an issuer from its column.
type definition struct{ to *records.Issuer }

// Scan implements sql.Scanner.
func (d definition) Scan(value any) error {
	text, err := column.TextOf(value)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), d.to)
}

// Issuers returns every trusted issuer in the order of their names.
func (r *Registry) Issuers(ctx context.Context) ([]records.Issuer, error) {
	return query.All(ctx, r.db, func(scan engine.Scanner) (i records.Issuer, err error) {
		return i, scan(definition{&i})
	}, selectIssuers)
}

// IssuerOf returns the trusted issuer whose JWTs have that iss.
func (r *Registry) IssuerOf(ctx context.Context, iss string) (i records.Issuer, err error) {
	err = r.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		return query.OrNotFound(c.Row(ctx, selectIssuer, []any{iss}, definition{&i}), "no such issuer")
	})
	return i, err
}

func addIssuer(ctx context.Context, c engine.Conn, i records.Issuer) error {
	text, err := json.Marshal(i)
	if err != nil {
		return err
	}
	return query.UnlessConflict(ctx, c, "an issuer of that name or iss exists already", insertIssuer, i.Name, i.Issuer, i.Version, string(text))
}

// removeIssuer removes an issuer if it is still as it was read: somebody else may have
// changed it since.
func removeIssuer(ctx context.Context, c engine.Conn, o op.RemoveIssuer) error {
	return query.MustChange(ctx, c, fault.New(fault.Conflict, "the issuer was changed meanwhile: try again"), deleteIssuer, o.Name, o.Version)
}
