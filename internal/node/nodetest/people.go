package nodetest

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/authorizing"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/passhash"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// Person creates a user without a password and signs them in by a session, which
// costs no password hash.
func (f *Fixture) Person(tb testing.TB, username string, bindings ...access.Binding) *caller.Caller {
	tb.Helper()
	f.User(tb, username, "", bindings...)
	return f.SignedIn(tb, username)
}

// SignedIn returns a user as the caller of a new session.
func (f *Fixture) SignedIn(tb testing.TB, username string) *caller.Caller {
	tb.Helper()
	c, err := f.Session(tb.Context(), f.SessionOf(tb, username).Value.Reveal())
	Must(tb, err)
	return c
}

// SessionOf returns a new session of a user, without a password.
func (f *Fixture) SessionOf(tb testing.TB, username string) *issuance.Issued {
	tb.Helper()
	p, err := f.Store.Principal(tb.Context(), records.Who{Username: username})
	Must(tb, err)
	issued, err := f.StartSession(tb.Context(), caller.BySignIn(&p, records.SignIn{At: f.Time()}), nil)
	Must(tb, err)
	return issued
}

// ByPassword returns a user as the caller whose password was good.
func (f *Fixture) ByPassword(tb testing.TB, username string) *caller.Caller {
	tb.Helper()
	p, err := f.Store.Principal(tb.Context(), records.Who{Username: username})
	Must(tb, err)
	return caller.ByPrincipal(&p)
}

// ByBearer returns the caller who presents a token.
func (f *Fixture) ByBearer(tb testing.TB, issued *issuance.Issued) *caller.Caller {
	tb.Helper()
	c, err := f.Bearer(tb.Context(), issued.Value.Reveal())
	Must(tb, err)
	return c
}

// ToRevoke returns the caller who presents a token that may revoke itself alone.
func (f *Fixture) ToRevoke(tb testing.TB, issued *issuance.Issued) *caller.Caller {
	tb.Helper()
	c, err := f.BearerToRevoke(tb.Context(), issued.Value.Reveal())
	Must(tb, err)
	return c
}

// Ask asks for a token made from what the caller presented.
func (f *Fixture) Ask(tb testing.TB, c *caller.Caller, r issuance.Request) (*issuance.Issued, error) {
	tb.Helper()
	r.Parent = c.Token
	return f.Issue(tb.Context(), c, &r)
}

// Made issues a token made from what the caller presented.
func (f *Fixture) Made(tb testing.TB, c *caller.Caller, r issuance.Request) *issuance.Issued {
	tb.Helper()
	issued, err := f.Ask(tb, c, r)
	Must(tb, err)
	return issued
}

// MadeAccess issues an access token from the caller's session, with a scope.
func (f *Fixture) MadeAccess(tb testing.TB, c *caller.Caller, scope ...string) *issuance.Issued {
	tb.Helper()
	return f.Made(tb, c, issuance.Request{Kind: token.KindAccess, Scope: scope})
}

// ExchangeKey creates an exchange key from the caller's session.
func (f *Fixture) ExchangeKey(tb testing.TB, c *caller.Caller, n credentials.NewCredential) *issuance.Issued {
	tb.Helper()
	issued, err := f.CreateExchangeKey(tb.Context(), c, n)
	Must(tb, err)
	return issued
}

// APIToken creates an API token from the caller's session.
func (f *Fixture) APIToken(tb testing.TB, c *caller.Caller, n credentials.NewCredential) *issuance.Issued {
	tb.Helper()
	if n.Name == "" {
		n.Name = "laptop"
	}
	issued, err := f.CreateAPIToken(tb.Context(), c, n)
	Must(tb, err)
	return issued
}

// ApprovedDevice starts a device flow, which ada approves.
func (f *Fixture) ApprovedDevice(tb testing.TB, c *caller.Caller, scope ...string) *authorizing.DeviceStart {
	tb.Helper()
	start, err := f.StartDevice(tb.Context(), c, scope, "")
	Must(tb, err)
	Must(tb, f.DecideDevice(tb.Context(), f.SignedIn(tb, "ada"), start.UserCode, true))
	return start
}

// NewClient creates a client and returns it as AsClient does.
func (f *Fixture) NewClient(tb testing.TB, n identity.NewClient) *caller.Caller {
	tb.Helper()
	_, _, err := f.CreateClient(tb.Context(), caller.Operator(), n, false)
	Must(tb, err)
	return f.AsClient(tb, n)
}

// AsClient returns a client as it authenticates, or as it names itself when it has
// no secret.
func (f *Fixture) AsClient(tb testing.TB, n identity.NewClient) *caller.Caller {
	tb.Helper()
	if n.Secret == "" {
		c, err := f.IdentifyClient(tb.Context(), n.ID)
		Must(tb, err)
		return c
	}
	c, err := f.AuthenticateClient(tb.Context(), n.ID, n.Secret.Reveal())
	Must(tb, err)
	return c
}

// RevokeAllOfUser revokes everything of a user, on all nodes.
func (f *Fixture) RevokeAllOfUser(tb testing.TB, username string) {
	tb.Helper()
	_, err := f.RevokeAllOf(tb.Context(), caller.Operator(), username)
	Must(tb, err)
}

// Signer returns the id of the key that signs now.
func (f *Fixture) Signer(tb testing.TB) string {
	tb.Helper()
	key, err := f.Ring.Signing()
	Must(tb, err)
	return key.KID
}

// AllGrants returns every grant type that a client may have.
func AllGrants() []string {
	return []string{
		identity.GrantTypeClientCredentials, identity.GrantTypeRefreshToken, identity.GrantTypeTokenExchange, identity.GrantTypeDeviceCode,
	}
}

// WithTaskTypes declares the task token types TES, with a ceiling of 96 hours, and FOO.
func WithTaskTypes(s *node.Settings) {
	s.Policy.TaskMax = map[string]time.Duration{"TES": 96 * time.Hour, "FOO": 0}
}

// WithUser returns the binding for that user, by username.
func WithUser(username string, b access.Binding) access.Binding {
	b.User = username
	return b
}

// CheapHash returns a hash of the password "right" that takes no time to check.
func CheapHash(tb testing.TB) passhash.Hash {
	tb.Helper()
	key, err := pbkdf2.Key(sha256.New, "right", []byte("salt"), 1, 32)
	Must(tb, err)
	hash, err := passhash.Parse("pbkdf2_sha256$1$salt$" + base64.StdEncoding.EncodeToString(key))
	Must(tb, err)
	return hash
}

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
	_, err = f.Store.Commit(tb.Context(), op.Batch{Ops: []op.Op{op.AddToken{Token: row}}})
	Must(tb, err)
	return &issuance.Issued{ID: row.ID, Kind: row.Kind, Value: value, Expiry: row.ExpiresAt}
}
