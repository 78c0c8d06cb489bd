package store

import (
	"context"
	"encoding/json"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
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
	text, err := textOf(value)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), d.to)
}

// Issuers returns every trusted issuer in the order of their names.
func (s *Store) Issuers(ctx context.Context) ([]records.Issuer, error) {
	return query(ctx, s, func(scan scanner) (i records.Issuer, err error) {
		return i, scan(definition{&i})
	}, selectIssuers)
}

// IssuerOf returns the trusted issuer whose JWTs have that iss.
func (s *Store) IssuerOf(ctx context.Context, iss string) (i records.Issuer, err error) {
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		return orNotFound(c.row(ctx, selectIssuer, []any{iss}, definition{&i}), "no such issuer")
	})
	return i, err
}

// carryOutOnClient does the operations on clients and trusted issuers; done reports whether
// it is one.
func carryOutOnClient(ctx context.Context, c conn, o op.Op) (done bool, err error) {
	switch o := o.(type) {
	case op.CreateClient:
		cl := o.Client
		return true, taken("id", unlessConflict(ctx, c, "a client of that id exists already", insertClient, cl.ID, bytesOf(cl.SecretDigest),
			listOf(&cl.Grants), listOf(&cl.Scopes), listOf(&cl.Audiences), listOf(&cl.ExchangeFrom), cl.Owner, cl.Name, listOf(&cl.RedirectURIs),
			cl.Keys.JWKS, cl.Keys.URI))
	case op.UpdateClient:
		cl := o.Client
		err := change(ctx, c, "no such client", updateClientRow, cl.ID,
			listOf(&cl.Grants), listOf(&cl.Scopes), listOf(&cl.Audiences), listOf(&cl.ExchangeFrom), cl.Name, listOf(&cl.RedirectURIs),
			cl.Keys.JWKS, cl.Keys.URI)
		if err != nil || !cl.HasSecret() && !cl.Keys.Any() {
			return true, err
		}
		return true, c.post(ctx, setClientSecret, cl.ID, bytesOf(cl.SecretDigest), []byte{})
	case op.RotateSecret:
		return true, change(ctx, c, "no such client", rotateSecret, o.ID, o.SecretDigest, micros(o.OldUntil), []byte{})
	case op.RemoveClient:
		return true, change(ctx, c, "no such client", deleteClient, o.ID)
	case op.AddIssuer:
		return true, addIssuer(ctx, c, o.Issuer)
	case op.RemoveIssuer:
		return true, removeIssuer(ctx, c, o)
	}
	return false, nil
}

func addIssuer(ctx context.Context, c conn, i records.Issuer) error {
	text, err := json.Marshal(i)
	if err != nil {
		return err
	}
	return unlessConflict(ctx, c, "an issuer of that name or iss exists already", insertIssuer, i.Name, i.Issuer, i.Version, string(text))
}

// removeIssuer removes an issuer if it is still as it was read: somebody else may have
// changed it since.
func removeIssuer(ctx context.Context, c conn, o op.RemoveIssuer) error {
	return mustChange(ctx, c, fault.New(fault.Conflict, "the issuer was changed meanwhile: try again"), deleteIssuer, o.Name, o.Version)
}
