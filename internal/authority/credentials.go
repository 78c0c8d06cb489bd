package authority

import (
	"context"
	"maps"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// expiryNotice is how long before its end a token is said to expire soon.
const expiryNotice = 7 * 24 * time.Hour

// NewCredential is an API token or an API key to be made for its caller.
type NewCredential struct {
	Name       string   // of an API token; required there
	Scope      []string // nil: none asked for
	Collection *int64
	Lifetime   int64  // seconds; 0: none asked for
	Cap        bool   // a lifetime above the ceiling becomes the ceiling
	Prefix     string // of an API token; "": the operator's

	ScopeAsList bool           // of an API key, for a dialect
	Claims      map[string]any // likewise
}

// ValidateTokenName says what is wrong with the name of an API token, as
// fault.Invalid.
func ValidateTokenName(s string) error { return validateLabel("a token's name", s) }

// CreateAPIToken makes an API token for the caller, who came by a session or by an
// access token with the scope credentials.
func (a *Authority) CreateAPIToken(ctx context.Context, c *Caller, n NewCredential) (*Issued, error) {
	if err := ValidateTokenName(n.Name); err != nil {
		return nil, err
	}
	return a.createCredential(ctx, c, token.KindAPIToken, n)
}

// CreateAPIKey makes an API key for the caller, who came as for CreateAPIToken.
func (a *Authority) CreateAPIKey(ctx context.Context, c *Caller, n NewCredential) (*Issued, error) {
	return a.createCredential(ctx, c, token.KindAPIKey, n)
}

func (a *Authority) createCredential(ctx context.Context, c *Caller, kind token.Kind, n NewCredential) (*Issued, error) {
	if c == nil || c.Token == nil {
		return nil, fault.New(fault.Unauthenticated, "sign in first")
	}
	return a.Issue(ctx, c, &Request{
		Kind: kind, Parent: c.Token, Name: n.Name, Scope: n.Scope, Collection: n.Collection, Lifetime: n.Lifetime,
		Cap: n.Cap, Prefix: n.Prefix, ScopeAsList: n.ScopeAsList, Claims: n.Claims,
	})
}

// IssueFor makes a token for a user, named by subject or username, at the
// operator's request: the same rules hold, but that nothing was presented.
func (a *Authority) IssueFor(ctx context.Context, c *Caller, ref string, r *Request) (*Issued, error) {
	if c == nil || !c.operator {
		return nil, fault.New(fault.Forbidden, "only the operator issues tokens for others")
	}
	u, err := a.user(ctx, ref)
	if err != nil {
		return nil, err
	}
	p, err := a.Store.Principal(ctx, Who{UserID: u.ID, Collection: r.Collection})
	if err != nil {
		return nil, err
	}
	r.Principal = &p
	return a.Issue(ctx, c, r)
}

// TokenList lists stored tokens, dead ones included, newest first: those of one
// owner, oneself or, for administrators, anybody.
func (a *Authority) TokenList(ctx context.Context, c *Caller, q TokenQuery) (Page[StoredToken], error) {
	if c == nil || c.selfOnly {
		return Page[StoredToken]{}, fault.New(fault.Unauthenticated, "sign in first")
	}
	if q.Owner == "" || q.Owner != c.Subject() {
		if err := c.requireAdmin(); err != nil {
			return Page[StoredToken]{}, err
		}
	}
	return a.Store.StoredTokens(ctx, q)
}

// StoredToken gives what is kept of a token: of one's own, or of anybody's to
// whoever may revoke it. The error is NotFound for every other.
func (a *Authority) StoredToken(ctx context.Context, c *Caller, id string) (StoredToken, error) {
	if c == nil || c.selfOnly {
		return StoredToken{}, fault.New(fault.Unauthenticated, "sign in first")
	}
	row, _, err := a.Store.TokenByID(ctx, id)
	if fault.Is(err, fault.NotFound) || err == nil && row.Owner != c.Subject() && c.requireDelete() != nil {
		return StoredToken{}, errNoToken
	}
	return row, err
}

// End tells when a stored token died and why; ok is false while it lives.
func (t StoredToken) End(now time.Time) (at time.Time, reason string, ok bool) {
	switch {
	case !t.RevokedAt.IsZero():
		return t.RevokedAt, t.Reason, true
	case !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt):
		if t.Reason != "" {
			return t.ExpiresAt, t.Reason, true
		}
		return t.ExpiresAt, token.ReasonExpired, true
	}
	return time.Time{}, "", false
}

// ExpiringSoon reports whether a living token made to live longer is in its last week.
func (t StoredToken) ExpiringSoon(now time.Time) bool {
	_, _, dead := t.End(now)
	return !dead && expiresSoon(t.Kind, t.ExpiresAt, now)
}

// ExpiringSoon reports whether the token is one that somebody must replace by hand
// and is in its last week.
func (t *Token) ExpiringSoon(now time.Time) bool { return expiresSoon(t.Kind, t.Expiry, now) }

func expiresSoon(kind token.Kind, expiry, now time.Time) bool {
	lasting := kind == token.KindAPIToken || kind == token.KindAPIKey
	return lasting && !expiry.IsZero() && expiry.Sub(now) < expiryNotice
}

const reasonRegenerated = "regenerated"

// Regenerate gives an API token a new value, and the name, scope, collection and
// length of life that it had. The old value is dead at once or, with an overlap of
// some seconds, when the new one is first used and at the latest when the overlap
// ends. A token that ends sooner by itself does so. A token is regenerated once; the
// second time is Conflict.
func (a *Authority) Regenerate(ctx context.Context, c *Caller, id string, overlap int64) (*Issued, error) {
	if overlap < 0 || overlap > unbounded {
		return nil, fault.New(fault.Invalid, "the overlap is a number of seconds, 0 or more").In("overlap")
	}
	old, err := a.regenerable(ctx, c, id)
	if err != nil {
		return nil, err
	}
	r := &Request{
		Kind: token.KindAPIToken, Parent: c.Token, Name: old.Name, Scope: old.Scope,
		Collection: old.Collection, Lifetime: old.length(), Cap: true, Prefix: old.Prefix,
	}
	if err := a.ground(ctx, c, r); err != nil {
		return nil, err
	}
	e := a.event(ctx, c, audit.TokenRegenerate)
	e.Target, e.TokenID = old.Owner, old.ID
	g, err := a.decide(ctx, c, r)
	if err != nil {
		return nil, a.refuse(ctx, e, err)
	}
	g.replaces = old.ID
	issued, ops, err := a.make(ctx, r, g)
	if err != nil {
		return nil, err
	}
	e.Reason = "new token " + g.id
	b := Batch{Ops: append(ops, a.supersede(old, overlap)...), Audit: []audit.Event{e}}
	if overlap == 0 {
		b.Log = []revocation.Entry{a.killEntry(old.ID, a.horizon())}
	} else {
		b.Log = []revocation.Entry{a.cutOff(revocation.Access, old.Owner)} // what was read of the old one is stale
	}
	if _, err := a.takeBack(ctx, b, a.waits(ctx)); err != nil {
		return nil, err
	}
	a.Meter.Issued(r.Kind)
	return issued, nil
}

// supersede ends the old token: now, or when the overlap ends.
func (a *Authority) supersede(old StoredToken, overlap int64) []Op {
	if overlap == 0 {
		return []Op{
			SpendToken{ID: old.ID, At: a.Now(), Reason: reasonRegenerated},
			KillTokens{IDs: []string{old.ID}, At: a.Now(), Reason: reasonRegenerated},
		}
	}
	end := a.Now().Add(time.Duration(overlap) * time.Second)
	if !old.ExpiresAt.IsZero() && old.ExpiresAt.Before(end) {
		end = old.ExpiresAt
	}
	return []Op{ShortenToken{ID: old.ID, Now: a.Now(), ExpiresAt: end, Reason: reasonRegenerated}}
}

// regenerable finds a living API token of the caller's.
func (a *Authority) regenerable(ctx context.Context, c *Caller, id string) (StoredToken, error) {
	if c == nil || c.Token == nil || c.selfOnly {
		return StoredToken{}, fault.New(fault.Unauthenticated, "sign in first")
	}
	row, _, err := a.Store.TokenByID(ctx, id)
	if fault.Is(err, fault.NotFound) || err == nil && (row.Owner != c.Subject() || row.Kind != token.KindAPIToken) {
		return StoredToken{}, errNoToken
	}
	if err != nil {
		return StoredToken{}, err
	}
	if _, reason, dead := row.End(a.Now()); dead {
		return StoredToken{}, fault.New(fault.Conflict, "the token is dead already: %s", reason)
	}
	switch gone, err := a.revoked(ctx, a.fromRow(row, 0)); {
	case err != nil:
		return StoredToken{}, err
	case gone:
		return StoredToken{}, fault.New(fault.Conflict, "the token is dead already: %s", token.ReasonRevoked)
	}
	return row, nil
}

// length is for how many seconds the token was made; 0: for ever.
func (t StoredToken) length() int64 {
	if t.ExpiresAt.IsZero() {
		return 0
	}
	return int64(t.ExpiresAt.Sub(t.CreatedAt) / time.Second)
}

// endPredecessors kills the tokens whose successors have been used for the first
// time. It is done soon after that use, not by it: verifying never writes.
func (a *Authority) endPredecessors(ctx context.Context) error {
	for _, id := range a.uses.takeEnded() {
		row, _, err := a.Store.TokenByID(ctx, id)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if _, _, dead := row.End(a.Now()); dead {
			continue
		}
		if _, err := a.kill(ctx, system, a.fromRow(row, 0), killing{action: audit.TokenRevoke, reason: reasonRegenerated}); err != nil {
			return err
		}
	}
	return nil
}

// system is bearerd itself.
var system = &Caller{system: true}

// DeclaredScopes gives the scopes that a user may ask for, each with its
// description: the operator's, and credentials and admin.
func (a *Authority) DeclaredScopes() map[string]string {
	out := map[string]string{
		identity.ScopeCredentials: "make API keys and API tokens",
		identity.ScopeAdmin:       "use administrative rights on the management API",
	}
	maps.Copy(out, a.Policy.Scopes)
	return out
}
