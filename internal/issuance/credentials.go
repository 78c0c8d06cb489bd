package issuance

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/source"
	"github.com/bearerd/bearerd/internal/token"
)

// Tokens creates, lists and regenerates the tokens that are stored.
type Tokens struct {
	cfg    Config
	issuer *Issuer
}

// NewCredential is an API token or an API key to be created for its caller.
type NewCredential struct {
	Name       string   // of an API token; required there
	Scope      []string // nil: none asked for
	Collection *int64
	Lifetime   int64  // seconds; 0: none asked for
	Cap        bool   // a lifetime above the ceiling becomes the ceiling
	Prefix     string // of an API token; "": the operator's

	// What is added to an API key for the protocol that asks; it can't replace a claim.
	ScopeAsList bool
	Claims      map[string]any
}

// ValidateTokenName reports what is wrong with the name of an API token, as
// fault.Invalid.
func ValidateTokenName(s string) error { return records.ValidateLabel("a token's name", s) }

// CreateAPIToken creates an API token for the caller, who presented a session or an
// access token with the scope credentials.
func (s *Tokens) CreateAPIToken(ctx context.Context, c *caller.Caller, n NewCredential) (*Issued, error) {
	r, err := s.admit(ctx, c, token.KindAPIToken, n)
	if err != nil {
		return nil, err
	}
	if err := ValidateTokenName(n.Name); err != nil {
		return nil, err
	}
	return s.issuer.Issue(ctx, c, r)
}

// CreateAPIKey creates an API key for the caller, as CreateAPIToken does.
func (s *Tokens) CreateAPIKey(ctx context.Context, c *caller.Caller, n NewCredential) (*Issued, error) {
	r, err := s.admit(ctx, c, token.KindAPIKey, n)
	if err != nil {
		return nil, err
	}
	return s.issuer.Issue(ctx, c, r)
}

// admit is the gate of both: what was presented may be made into one.
func (s *Tokens) admit(ctx context.Context, c *caller.Caller, kind token.Kind, n NewCredential) (*Request, error) {
	if c == nil || c.Token == nil {
		return nil, caller.ErrSignIn
	}
	r := &Request{
		Kind: kind, Parent: c.Token, Name: n.Name, Scope: n.Scope, Collection: n.Collection, Lifetime: n.Lifetime,
		Cap: n.Cap, Prefix: n.Prefix, ScopeAsList: n.ScopeAsList, Claims: n.Claims,
	}
	return r, s.issuer.admit(ctx, c, r)
}

// TokenList lists stored tokens, ended ones included, newest first: the caller's own
// or, for administrators, anybody's.
func (s *Tokens) TokenList(ctx context.Context, c *caller.Caller, q records.TokenQuery) (records.Page[records.StoredToken], error) {
	if err := c.RequireSignedIn(); err != nil {
		return records.Page[records.StoredToken]{}, err
	}
	if q.Owner == "" || q.Owner != c.ID() {
		if err := c.RequireAdministrator(); err != nil {
			return records.Page[records.StoredToken]{}, err
		}
	}
	return s.cfg.Store.StoredTokens(ctx, q)
}

// StoredToken returns what is kept of a token: one of the caller's own, or anybody's
// for a caller who may revoke it. The error is NotFound for every other.
func (s *Tokens) StoredToken(ctx context.Context, c *caller.Caller, id string) (records.StoredToken, error) {
	if err := c.RequireSignedIn(); err != nil {
		return records.StoredToken{}, err
	}
	row, _, err := s.cfg.Store.TokenByID(ctx, id)
	if fault.Is(err, fault.NotFound) || err == nil && row.Owner != c.ID() && c.RequireDelete() != nil {
		return records.StoredToken{}, records.ErrNoToken
	}
	return row, err
}

const reasonRegenerated = "regenerated"

// Regenerate replaces the value of an API token of the caller's, who presented what
// CreateAPIToken needs; the name, scope, collection and length of life stay. The old
// value is revoked at once or, with an overlap of some seconds, when the new one is
// first used and at the latest when the overlap ends. A token that ends sooner by
// itself does so. A token is regenerated once; the second time is Conflict.
func (s *Tokens) Regenerate(ctx context.Context, c *caller.Caller, id string, overlap int64) (*Issued, error) {
	if c == nil || c.Token == nil || c.RequireSignedIn() != nil {
		return nil, caller.ErrSignIn
	}
	e := s.cfg.Journal.Event(ctx, c.Actor(), audit.TokenRegenerate)
	e.Target = c.ID()
	if known, err := uuid.Parse(id); err == nil {
		e.TokenID = known.String()
	}
	r := &Request{Kind: token.KindAPIToken}
	r.useParent(c)
	if err := r.checkOrigin(c); err != nil {
		return nil, s.cfg.Journal.Refuse(ctx, e, err)
	}
	if overlap < 0 || overlap > unbounded {
		return nil, fault.New(fault.Invalid, "the overlap is a number of seconds, 0 or more").In("overlap")
	}
	old, err := s.regenerable(ctx, c, id)
	if err != nil {
		return nil, err
	}
	r.Name, r.Scope, r.Collection, r.Prefix = old.Name, old.Scope, old.Collection, old.Prefix
	r.Lifetime, r.Cap = old.Lifetime(), true
	if err := s.issuer.loadSubject(ctx, c, r); err != nil {
		return nil, err
	}
	d, err := s.issuer.decide(ctx, r)
	if err != nil {
		return nil, s.cfg.Journal.Refuse(ctx, e, err)
	}
	d.replaces = old.ID
	issued, ops, err := s.issuer.create(ctx, r, d)
	if err != nil {
		return nil, err
	}
	b := s.supersede(old, overlap)
	e.Reason = "new token " + d.id
	b.Ops, b.Audit = append(ops, b.Ops...), []audit.Event{e}
	if _, err := s.cfg.Journal.Revoke(ctx, b, c.Wait); err != nil {
		return nil, err
	}
	s.cfg.Meter.Issued(r.Kind)
	return issued, nil
}

// regenerable returns a live API token of the caller's.
func (s *Tokens) regenerable(ctx context.Context, c *caller.Caller, id string) (records.StoredToken, error) {
	row, _, err := s.cfg.Store.TokenByID(ctx, id)
	if fault.Is(err, fault.NotFound) || err == nil && (row.Owner != c.ID() || row.Kind != token.KindAPIToken) {
		return records.StoredToken{}, records.ErrNoToken
	}
	if err != nil {
		return records.StoredToken{}, err
	}
	_, reason, ended := row.End(s.cfg.Now())
	if !ended && s.cfg.Verifier.Revoked(source.TokenOf(row, 0)) {
		ended, reason = true, token.ReasonRevoked
	}
	if ended {
		return records.StoredToken{}, fault.New(fault.Conflict, "the token is dead already: %s", reason)
	}
	return row, nil
}

// supersede returns the batch that ends the old token: now, or when the overlap ends.
func (s *Tokens) supersede(old records.StoredToken, overlap int64) records.Batch {
	now := s.cfg.Now()
	if overlap == 0 {
		ops, entries := s.cfg.Journal.Kill(journal.Kill{ID: old.ID, Opaque: true, Reason: reasonRegenerated})
		once := records.SpendToken{ID: old.ID, At: now, Reason: reasonRegenerated}
		return records.Batch{Ops: append([]records.Op{once}, ops...), Log: entries}
	}
	end := now.Add(time.Duration(overlap) * time.Second)
	if !old.ExpiresAt.IsZero() && old.ExpiresAt.Before(end) {
		end = old.ExpiresAt
	}
	return records.Batch{
		Ops: []records.Op{records.ShortenToken{ID: old.ID, Now: now, ExpiresAt: end, Reason: reasonRegenerated}},
		Log: []revocation.Entry{s.cfg.Journal.CutOff(revocation.Access, old.Owner)}, // what was read of the old one is outdated
	}
}

// EndReplaced revokes the tokens with these ids, whose successors have been used for
// the first time. It is called shortly after that use, not by it: verifying never
// writes. One that can't be ended now ends with its overlap.
func (s *Tokens) EndReplaced(ctx context.Context, ids []string) error {
	var all []error
	for _, id := range ids {
		row, _, err := s.cfg.Store.TokenByID(ctx, id)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err == nil {
			err = s.end(ctx, caller.System().Waiting(revocation.WaitNone), row, reasonRegenerated)
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

// end revokes a stored API token that is live, with everything made from it.
func (s *Tokens) end(ctx context.Context, c *caller.Caller, row records.StoredToken, reason string) error {
	if _, _, ended := row.End(s.cfg.Now()); ended {
		return nil
	}
	e := s.cfg.Journal.Event(ctx, c.Actor(), audit.TokenRevoke)
	e.Target, e.TokenID, e.Reason = row.Owner, row.ID, reason
	ops, entries := s.cfg.Journal.Kill(journal.Kill{ID: row.ID, Opaque: true, Reason: reason})
	_, err := s.cfg.Journal.Revoke(ctx, records.Batch{Ops: ops, Log: entries, Audit: []audit.Event{e}}, c.Wait)
	return err
}
