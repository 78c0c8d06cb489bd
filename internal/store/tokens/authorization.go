package tokens

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/people"
	"github.com/bearerd/bearerd/internal/store/query"
)

const (
	selectCode = `SELECT c.digest, c.grant_id, c.client_id, c.redirect_uri, c.challenge, c.used_at, c.expires_at FROM codes c WHERE c.digest = $1`
	insertCode = `INSERT INTO codes (digest, grant_id, client_id, redirect_uri, challenge, used_at, expires_at)
VALUES ($1, $2, $3, $4, $5, 0, $6) ON CONFLICT DO NOTHING`
	spendCode  = `UPDATE codes SET used_at = $2 WHERE digest = $1 AND used_at = 0 AND expires_at > $2`
	purgeCodes = `DELETE FROM codes
WHERE digest IN (SELECT digest FROM codes WHERE expires_at <= $1 ORDER BY expires_at LIMIT 500)`

	selectConsent = `SELECT user_id, client_id, audience, scope, collection, digest, at FROM consents
WHERE user_id = $1 AND client_id = $2 AND audience = $3`
	rememberConsent = `INSERT INTO consents (user_id, client_id, audience, scope, collection, digest, at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (user_id, client_id, audience) DO UPDATE SET scope = excluded.scope, collection = excluded.collection,
    digest = excluded.digest, at = excluded.at`
	selectDocumentKeys = `SELECT jwks, jwks_uri FROM document_keys WHERE client_id = $1`
	knowDocument       = `INSERT INTO document_keys (client_id, jwks, jwks_uri, until) VALUES ($1, $2, $3, $4)
ON CONFLICT (client_id) DO UPDATE SET jwks = excluded.jwks, jwks_uri = excluded.jwks_uri,
    until = CASE WHEN excluded.until > document_keys.until THEN excluded.until ELSE document_keys.until END`
	dropDocumentKeys = `UPDATE document_keys SET jwks = '', jwks_uri = '' WHERE client_id = $1`
	purgeDocuments   = `DELETE FROM document_keys
WHERE client_id IN (SELECT client_id FROM document_keys WHERE until <= $1 ORDER BY until LIMIT 500)`

	forgetConsent = `DELETE FROM consents WHERE user_id = $1 AND ($2 = '' OR client_id = $2)`
)

// keptCode is how long a code stays after it has expired: its second use still ends the
// grant.
const keptCode = time.Hour

// Code finds an authorization code by the SHA-256 of its value, and its grant, in one
// snapshot. If there is none, the error is fault.NotFound.
func (k *Codes) Code(ctx context.Context, by [32]byte) (code records.Code, grant records.StoredToken, seq revocation.Seq, err error) {
	err = k.db.Snapshot(ctx, func(ctx context.Context, c engine.Conn) error {
		err := c.Row(ctx, selectCode, []any{by[:]}, digest{&code.Digest}, &code.GrantID, &code.ClientID, &code.RedirectURI, &code.Challenge,
			column.Time(&code.UsedAt), column.Time(&code.ExpiresAt))
		if err != nil {
			return query.OrNotFound(err, "no such code")
		}
		err = c.Row(ctx, tokenByID, []any{code.GrantID}, append(tokenFields(&grant), &seq)...)
		return query.OrNotFound(err, "no such grant")
	})
	return code, grant, seq, err
}

// Consent returns what a user has allowed a client for an audience. If there is nothing,
// the error is fault.NotFound.
func (k *Codes) Consent(ctx context.Context, userID, clientID, audience string) (consent records.Consent, err error) {
	err = k.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		err := c.Row(ctx, selectConsent, []any{userID, clientID, audience}, &consent.UserID, &consent.ClientID, &consent.Audience,
			column.List(&consent.Scope), &consent.Collection, digest{&consent.Digest}, column.Time(&consent.At))
		return query.OrNotFound(err, "nothing was allowed")
	})
	return consent, err
}

func addCode(ctx context.Context, c engine.Conn, code records.Code) error {
	return query.UnlessConflict(ctx, c, "a code like this exists already", insertCode, code.Digest[:], code.GrantID, code.ClientID,
		code.RedirectURI, code.Challenge, column.Micros(code.ExpiresAt))
}

func useCode(ctx context.Context, c engine.Conn, o op.SpendCode) error {
	return query.MustChange(ctx, c, fault.New(fault.Conflict, "the code is no longer valid"), spendCode, o.Digest[:], column.Micros(o.At))
}

func remember(ctx context.Context, c engine.Conn, consent records.Consent) error {
	if err := people.MustExist(ctx, c, consent.UserID); err != nil {
		return err
	}
	return c.Post(ctx, rememberConsent, consent.UserID, consent.ClientID, consent.Audience, column.List(&consent.Scope), consent.Collection,
		consent.Digest[:], column.Micros(consent.At))
}

// DocumentKeys returns the keys of a client that nobody registered; none where it has none.
func (k *Codes) DocumentKeys(ctx context.Context, clientID string) (keys identity.ClientKeys, err error) {
	err = k.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		err := c.Row(ctx, selectDocumentKeys, []any{clientID}, &keys.JWKS, &keys.URI)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return keys, err
}

func knowDocumentKeys(ctx context.Context, c engine.Conn, o op.KnowDocument) error {
	if !o.Keys.Any() {
		return c.Post(ctx, dropDocumentKeys, o.ClientID)
	}
	return c.Post(ctx, knowDocument, o.ClientID, o.Keys.JWKS, o.Keys.URI, column.Micros(o.Until))
}
