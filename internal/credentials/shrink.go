package credentials

import (
	"context"
	"slices"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/token"
)

// Smaller is an API token with a part of another one's scope.
type Smaller struct {
	Scope   []string // less than the old one's
	Overlap int64    // seconds for which the old one stays valid beside it; at least 1
}

// Shrink creates an API token that may do less than the one of that id, and is like it
// otherwise: name, description, collection, networks, parents and lifetime are those that
// Regenerate would set. The old token stays valid until the overlap ends, also when the
// new one is used before: it may be in use in several places. The callers and the errors
// are those of Regenerate, and Conflict for a token that is being replaced already.
func (s *Renewer) Shrink(ctx context.Context, c *caller.Caller, id string, smaller Smaller) (*issuance.Issued, error) {
	old, err := s.admitRenewal(ctx, c, id)
	if err != nil {
		return nil, err
	}
	more := identity.Subset(smaller.Scope, old.Scope)
	switch {
	case smaller.Overlap < 1 || smaller.Overlap > issuance.Unbounded:
		return nil, fault.New(fault.Invalid, "the overlap is a number of seconds, at least 1").In("overlap")
	case len(more) > 0:
		return nil, fault.New(fault.InvalidScope, "the token doesn't have the scope %s", more[0]).In("scope")
	case len(identity.Subset(old.Scope, smaller.Scope)) == 0:
		return nil, fault.New(fault.Invalid, "the scope is not smaller than the token's").In("scope")
	case old.Reason != "":
		return nil, fault.New(fault.Conflict, "the token is being replaced already")
	}
	if err := s.requireLive(old.StoredToken); err != nil {
		return nil, err
	}
	r := &issuance.Request{
		Kind: token.KindAPIToken, Name: old.Name, Description: old.Description, Scope: append([]string{}, smaller.Scope...),
		Collection: old.Collection, Networks: old.Networks, Cap: true,
	}
	slices.Sort(r.Scope)
	if !old.KeepsEnd {
		r.Lifetime = old.Lifetime()
	}
	old.Event, old.Beside = s.renewalEvent(ctx, c, old.ID), true
	issued, ops, err := s.cfg.Core.Renew(ctx, c, r, old)
	if err != nil {
		return nil, err
	}
	b := s.supersede(old.StoredToken, smaller.Overlap)
	e := old.Event
	e.Reason = "smaller token " + issued.ID + ", scope " + identity.FormatScope(issued.Scope)
	b.Ops, b.Audit = append(ops, b.Ops...), []audit.Event{e}
	if _, err := s.cfg.Journal.Revoke(ctx, b, c.Wait); err != nil {
		return nil, err
	}
	s.cfg.Core.Renewed()
	return issued, nil
}
