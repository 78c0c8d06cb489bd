package issuance

import (
	"context"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/token"
)

// core holds the rules: every token is decided, signed and stored by it.
type core struct{ cfg Config }

// Core issues tokens on terms that other packages of the core set. No edge has one. Its
// methods may be called from any number of goroutines.
type Core struct{ core *core }

// Terms are the parts of a request that an edge can't set. The zero value is that of a
// request from an edge.
type Terms struct {
	ID        string    // of a stored token; "": any
	Spend     []op.Op   // what is used up (a code, a refresh token), in the same transaction
	Alone     bool      // no refresh token can be issued with it
	Refreshes bool      // a refresh token is issued with it, asked for or not
	Granting  *Granting // of a grant; nil: none
	Trusted   *Trusted  // by which rule of a trusted issuer; nil: none
}

// Granting is what a grant is stored with.
type Granting struct {
	Resource Resource
	Code     *records.Code
}

// Issue decides, signs and records on these terms. The errors are those of Issuer.Issue.
func (c *Core) Issue(ctx context.Context, by *caller.Caller, r *Request, t Terms) (Pair, error) {
	return c.core.issuePair(ctx, by, r.on(t))
}

// on returns the request on these terms.
func (r *Request) on(t Terms) *Request {
	own := *r
	own.id, own.spend, own.alone, own.refreshes, own.granting, own.trusted = t.ID, t.Spend, t.Alone, t.Refreshes, t.Granting, t.Trusted
	return &own
}

// Refuse records that a known caller was refused a token on these terms, and returns the
// reason.
func (c *Core) Refuse(ctx context.Context, by *caller.Caller, r *Request, t Terms, reason error) error {
	return c.core.refuse(ctx, by, r.on(t), reason)
}

// LimitExchange counts what a user gets without a password. The error is Limited.
func (c *Core) LimitExchange(subject string) error {
	err := c.core.cfg.Quota.Exchange(subject)
	if err != nil {
		c.core.cfg.Meter.IssueRefused(fault.KindOf(err))
	}
	return err
}

// RefuseBy counts and records a refusal by a rule, which the answer doesn't name; "": by none.
func (c *Core) RefuseBy(ctx context.Context, e audit.Event, rule string, reason error) error {
	c.core.cfg.Meter.IssueRefused(fault.KindOf(reason))
	return c.core.refuseBy(ctx, e, rule, reason)
}

// Admit is the first step of Issue. It is for an operation that must know before it reads
// anything whether the caller may have such a token.
func (c *Core) Admit(ctx context.Context, by *caller.Caller, r *Request) error {
	return c.core.admit(ctx, by, r)
}

// Renewal is an API token whose value is replaced.
type Renewal struct {
	records.StoredToken
	// KeepsEnd is set when the new value keeps the expiry of the old one, and doesn't get
	// the same lifetime again.
	KeepsEnd bool
	// Beside is set when the first use of the new value doesn't end the old one.
	Beside bool
	Event  audit.Event // by which a refusal is recorded
}

// MayRenew decides whether the caller may create an API token with what was presented.
func (c *Core) MayRenew(by *caller.Caller) error {
	r := &Request{Kind: token.KindAPIToken}
	r.useParent(by)
	return r.checkOrigin(by)
}

// Renew decides and creates the new value of an API token. It has the prefix of the old
// one, if that is one of bearerd's own. It returns what is to be stored, in one
// transaction with the end of the old value, and records nothing but a refusal.
func (c *Core) Renew(ctx context.Context, by *caller.Caller, r *Request, old *Renewal) (*Issued, []op.Op, error) {
	own := *r
	own.renews = old
	own.Prefix = c.core.cfg.Forms.APITokenPrefix(old.Prefix)
	own.useParent(by)
	if err := c.core.limit(by, &own); err != nil {
		return nil, nil, err
	}
	if err := c.core.loadSubject(ctx, by, &own); err != nil {
		return nil, nil, err
	}
	d, err := c.core.decide(ctx, &own)
	if err != nil {
		return nil, nil, c.core.cfg.Journal.Refuse(ctx, old.Event, err)
	}
	return c.core.create(ctx, &own, d)
}

// Renewed counts a new value that was committed.
func (c *Core) Renewed() { c.core.cfg.Meter.Issued(token.KindAPIToken) }

// CheckDeclared refuses the name of a scope that the operator has not declared.
func (c *Core) CheckDeclared(ctx context.Context, name string) error {
	return c.core.checkDeclared(ctx, name)
}

// CheckAudience refuses an audience that the request may not name.
func (c *Core) CheckAudience(r *Request) error {
	_, err := c.core.cfg.Policy.audience(r)
	return err
}
