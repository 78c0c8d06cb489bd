package registry

import (
	"context"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

const (
	scopeListed       = `SELECT 1 FROM client_scopes WHERE scope = $1 LIMIT 1`
	selectClient      = `SELECT c.id, c.secret_digest, c.grants, c.scopes, c.audiences, c.exchange_from, c.old_secret_digest, c.old_secret_until, c.owner, c.name, c.redirect_uris, c.jwks, c.jwks_uri`
	principalByClient = selectClient + `,
    (SELECT seq FROM log_head WHERE one = 1), EXISTS (SELECT 1 FROM collections WHERE id = $2)
FROM clients c WHERE c.id = $1`
	selectClients = selectClient + ` FROM clients c ORDER BY c.id`

	insertClient = `INSERT INTO clients (id, secret_digest, grants, scopes, audiences, exchange_from, owner, name, redirect_uris, jwks, jwks_uri)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`
	updateClientRow = `UPDATE clients SET grants = $2, scopes = $3, audiences = $4, exchange_from = $5, name = $6, redirect_uris = $7,
    jwks = $8, jwks_uri = $9 WHERE id = $1`
	setClientSecret = `UPDATE clients SET secret_digest = $2, old_secret_digest = $3, old_secret_until = 0 WHERE id = $1`
	// A public client has no previous secret to keep.
	rotateSecret = `UPDATE clients SET secret_digest = $2,
    old_secret_digest = CASE WHEN CAST($3 AS BIGINT) > 0 THEN secret_digest ELSE $4 END,
    old_secret_until = CASE WHEN length(secret_digest) > 0 THEN CAST($3 AS BIGINT) ELSE 0 END WHERE id = $1`
	deleteClient = `DELETE FROM clients WHERE id = $1`
)

func readClient(ctx context.Context, c engine.Conn, who records.Who, p *records.Principal) error {
	p.Client = &identity.Client{}
	err := c.Row(ctx, principalByClient, []any{who.ClientID, who.Collection},
		append(clientFields(p.Client), &p.Seq, &p.CollectionExists)...)
	return query.OrNotFound(err, "no such client")
}

// clientFields are where the columns of selectClient go.
func clientFields(c *identity.Client) []any {
	return []any{
		&c.ID,
		column.Bytes(&c.SecretDigest),
		column.List(&c.Grants), column.List(&c.Scopes), column.List(&c.Audiences), column.List(&c.ExchangeFrom),
		column.Bytes(&c.OldSecretDigest),
		column.Time(&c.OldSecretUntil),
		&c.Owner, &c.Name, column.List(&c.RedirectURIs), &c.Keys.JWKS, &c.Keys.URI,
	}
}

// Clients returns every client in the order of their ids.
func (r *Registry) Clients(ctx context.Context) ([]identity.Client, error) {
	return query.All(ctx, r.db, func(scan engine.Scanner) (c identity.Client, err error) {
		return c, scan(clientFields(&c)...)
	}, selectClients)
}

// ScopeListed reports whether a client lists a scope.
func (r *Registry) ScopeListed(ctx context.Context, name string) (listed bool, err error) {
	err = r.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		listed, err = query.Exists(ctx, c, scopeListed, name)
		return err
	})
	return listed, err
}

func createClient(ctx context.Context, c engine.Conn, cl identity.Client) error {
	return query.Taken("id", query.UnlessConflict(ctx, c, "a client of that id exists already", insertClient, cl.ID, column.NotNull(cl.SecretDigest),
		column.List(&cl.Grants), column.List(&cl.Scopes), column.List(&cl.Audiences), column.List(&cl.ExchangeFrom), cl.Owner, cl.Name, column.List(&cl.RedirectURIs),
		cl.Keys.JWKS, cl.Keys.URI))
}

func updateClient(ctx context.Context, c engine.Conn, cl identity.Client) error {
	err := query.Change(ctx, c, "no such client", updateClientRow, cl.ID,
		column.List(&cl.Grants), column.List(&cl.Scopes), column.List(&cl.Audiences), column.List(&cl.ExchangeFrom), cl.Name, column.List(&cl.RedirectURIs),
		cl.Keys.JWKS, cl.Keys.URI)
	if err != nil || !cl.HasSecret() && !cl.Keys.Any() {
		return err
	}
	return c.Post(ctx, setClientSecret, cl.ID, column.NotNull(cl.SecretDigest), []byte{})
}
