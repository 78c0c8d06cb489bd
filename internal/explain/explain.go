// Package explain answers why a token or a user is accepted or refused, and who revoked
// a token.
package explain

import (
	"context"
	"errors"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// Store is what an Explainer reads.
type Store interface {
	// Principal reads a user with their grants, in one snapshot.
	Principal(ctx context.Context, who records.Who) (records.Principal, error)
	// LogEntry returns the newest live entry about an id, and whether there is one.
	LogEntry(ctx context.Context, what revocation.What, id string) (revocation.Entry, bool, error)
	contract.AuditLog
}

// Config configures an Explainer. All fields must be set.
type Config struct {
	Store    Store
	Journal  *journal.Journal
	Verifier *verification.Verifier
}

// Explainer explains decisions. Its methods may be called from any number of
// goroutines.
type Explainer struct {
	store    Store
	journal  *journal.Journal
	verifier *verification.Verifier
}

// New returns an Explainer.
func New(cfg Config) (*Explainer, error) {
	if cfg.Store == nil || cfg.Journal == nil || cfg.Verifier == nil {
		return nil, errors.New("explain: store, journal and verifier must be set")
	}
	return &Explainer{store: cfg.Store, journal: cfg.Journal, verifier: cfg.Verifier}, nil
}

// Explanation is why a token or a user is accepted or refused.
type Explanation struct {
	*verification.Explanation
	Revoked *Cause // nil when the token is not revoked, or not the caller's to see
}

// catchUpTimeout is how long reading the log may take while a request waits.
const catchUpTimeout = 900 * time.Millisecond

// ExplainToken makes every check of a verification on a token and reports on each.
// Everybody who is signed in and has the token may ask; the details (its claims, the
// grants, who revoked it) are for its owner and for administrators. The error is
// Unauthenticated, or Unavailable when this node can't decide now.
func (x *Explainer) ExplainToken(ctx context.Context, c *caller.Caller, raw string, r verification.Requirements) (*Explanation, error) {
	if err := c.RequireSignedIn(); err != nil {
		return nil, err
	}
	if err := x.catchUp(ctx); err != nil && !x.verifier.Standing().Fresh {
		return nil, err
	}
	made, err := x.verifier.Explain(ctx, raw, r)
	if err != nil {
		return nil, err
	}
	out := &Explanation{Explanation: made}
	t := made.Token
	if t == nil || !caller.Owns(c, t) && c.RequireAdministrator() != nil {
		made.Withhold()
		return out, nil
	}
	if x.verifier.Revoked(t) {
		out.Revoked, err = x.cause(ctx, t)
	}
	return out, err
}

func (x *Explainer) catchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, catchUpTimeout)
	defer cancel()
	return x.journal.CatchUp(ctx)
}

// MayExplainUser decides whether the caller may ask about a user: themselves, or anybody
// for administrators. The error is Unauthenticated, InsufficientScope or Forbidden.
func (x *Explainer) MayExplainUser(c *caller.Caller, ref string) error {
	if c.Is(ref) {
		return c.RequireSignedIn()
	}
	return c.RequireAdministrator()
}

// ExplainUser reports whether a user, named by subject or username, may do an action on a
// path, and which grants decide it. It is for the user and for administrators. The error
// is Unauthenticated, InsufficientScope, Forbidden or NotFound.
func (x *Explainer) ExplainUser(ctx context.Context, c *caller.Caller, ref, action string, path access.Path) (*Explanation, error) {
	if err := x.MayExplainUser(c, ref); err != nil {
		return nil, err
	}
	p, err := records.ReadUser(ctx, x.store, ref, nil)
	if err != nil {
		return nil, err
	}
	enabled, decision := !p.User.Disabled, p.May(action, path)
	detail := "the account is enabled"
	if !enabled {
		detail = "the account is disabled"
	}
	now := x.verifier.Standing()
	return &Explanation{Explanation: &verification.Explanation{
		Allowed: decision.Allowed, Grants: decision.Because,
		Checks: []verification.CheckResult{
			{Check: "enabled", OK: &enabled, Detail: detail},
			{Check: token.CheckAccess.String(), OK: &decision.Allowed, Detail: action + " " + string(path)},
		},
		Seq: now.AsOf, LeaseAge: now.LeaseAge, Fresh: now.Fresh,
	}}, nil
}
