package nodetest

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// Claims returns those of an access token of a user for an hour, decided as of a
// sequence.
func (f *Fixture) Claims(subject string, seq revocation.Seq) token.Claims {
	return token.Claims{
		Issuer: Issuer, Subject: subject, Audience: []string{Issuer}, ClientID: identity.OwnClientID,
		ID: uuid.NewString(), IssuedAt: f.Time(), Expiry: f.Time().Add(time.Hour), Seq: seq,
	}
}

// Sign signs claims with the node's own key: what somebody could do who has stolen it.
func (f *Fixture) Sign(tb testing.TB, c token.Claims) *issuance.Issued {
	tb.Helper()
	key, err := f.Ring.Signing()
	Must(tb, err)
	raw, err := token.Sign(key, token.TypeAccess, c)
	Must(tb, err)
	return &issuance.Issued{ID: c.ID, Kind: token.KindAccess, Value: token.Secret(raw), Expiry: c.Expiry}
}

// Forge signs an access token of a user that says that it was decided as of a sequence.
func (f *Fixture) Forge(tb testing.TB, subject string, seq revocation.Seq) *issuance.Issued {
	tb.Helper()
	return f.Sign(tb, f.Claims(subject, seq))
}

// StoredAs stores an API token with the facts that are given, under a new value.
func (f *Fixture) StoredAs(tb testing.TB, row records.StoredToken) *issuance.Issued {
	tb.Helper()
	forms, err := token.NewForms(token.PrefixAPIToken)
	Must(tb, err)
	value, o, err := forms.New(token.KindAPIToken)
	Must(tb, err)
	row.Kind, row.Digest, row.Prefix, row.Last4 = token.KindAPIToken, o.Digest, o.Prefix, o.Last4
	row.Name, row.CreatedAt = "laptop", f.Time()
	_, err = f.Store.Commit(tb.Context(), records.Batch{Ops: []records.Op{records.AddToken{Token: row}}})
	Must(tb, err)
	return &issuance.Issued{ID: row.ID, Kind: row.Kind, Value: value, Expiry: row.ExpiresAt}
}
