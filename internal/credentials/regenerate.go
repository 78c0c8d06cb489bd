package credentials

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/source"
	"github.com/bearerd/bearerd/internal/token"
)

// Renewer replaces the values of API tokens.
type Renewer struct{ cfg Config }

// MayRegenerate decides whether the caller may regenerate a token. The error is that of
// Regenerate.
func (s *Renewer) MayRegenerate(ctx context.Context, c *caller.Caller, id string) error {
	_, err := s.admitRenewal(ctx, c, id)
	return err
}

// Regenerate replaces the value of an API token; its name, scope, collection, networks
// and parents stay. The owner may do it with a fresh session; a Bearer with the scope credentials may
// regenerate itself and what was made from it. A token that a person created gets the
// same lifetime again when it is regenerated with a session; every other token keeps its
// expiry.
//
// The old value is revoked at once or, with an overlap of some seconds, when the new one
// is first used and at the latest when the overlap ends. Everything that was made from
// it, before or during the overlap, ends with it, or earlier if it expires earlier. A
// token is regenerated once; the second time the error is Conflict.
func (s *Renewer) Regenerate(ctx context.Context, c *caller.Caller, id string, overlap int64) (*issuance.Issued, error) {
	old, err := s.admitRenewal(ctx, c, id)
	if err != nil {
		return nil, err
	}
	if overlap < 0 || overlap > issuance.Unbounded {
		return nil, fault.New(fault.Invalid, "the overlap is a number of seconds, 0 or more").In("overlap")
	}
	if err := s.requireLive(old.StoredToken); err != nil {
		return nil, err
	}
	r := &issuance.Request{
		Kind: token.KindAPIToken, Name: old.Name, Description: old.Description, Scope: old.Scope, Collection: old.Collection, Networks: old.Networks,
		Cap: true,
	}
	if !old.KeepsEnd {
		r.Lifetime = old.Lifetime()
	}
	old.Event = s.renewalEvent(ctx, c, old.ID)
	issued, ops, err := s.cfg.Core.Renew(ctx, c, r, old)
	if err != nil {
		return nil, err
	}
	b := s.supersede(old.StoredToken, overlap)
	e := old.Event
	e.Reason = "new token " + issued.ID
	b.Ops, b.Audit = append(ops, b.Ops...), []audit.Event{e}
	if _, err := s.cfg.Journal.Revoke(ctx, b, c.Wait); err != nil {
		return nil, err
	}
	s.cfg.Core.Renewed()
	return issued, nil
}

func (s *Renewer) renewalEvent(ctx context.Context, c *caller.Caller, id string) audit.Event {
	e := s.cfg.Journal.Event(ctx, c.Actor(), audit.TokenRegenerate)
	e.Target = c.ID()
	if known, err := uuid.Parse(id); err == nil {
		e.TokenID = known.String()
	}
	return e
}

// admitRenewal is the gate of Regenerate: it finds the token, an API token of the caller's
// own, and decides whether this caller may regenerate it.
func (s *Renewer) admitRenewal(ctx context.Context, c *caller.Caller, id string) (*issuance.Renewal, error) {
	if c == nil || c.Token == nil || c.RequireSignedIn() != nil {
		return nil, caller.ErrSignIn
	}
	e := s.renewalEvent(ctx, c, id)
	if err := s.cfg.Core.MayRenew(c); err != nil {
		return nil, s.cfg.Journal.Refuse(ctx, e, err)
	}
	row, seq, err := s.cfg.Store.TokenByID(ctx, id)
	if fault.Is(err, fault.NotFound) || err == nil && (row.Owner != c.ID() || row.Kind != token.KindAPIToken) {
		return nil, records.ErrNoToken
	}
	if err != nil {
		return nil, err
	}
	if err := caller.RequireRegenerate(c, source.TokenOf(row, seq), s.cfg.Now(), s.cfg.Policy.Fresh); err != nil {
		return nil, s.cfg.Journal.Refuse(ctx, e, err)
	}
	return &issuance.Renewal{StoredToken: row, KeepsEnd: !c.BySession() || len(row.Chain) > 0}, nil
}

// requireLive returns a Conflict for a token that has ended.
func (s *Renewer) requireLive(row records.StoredToken) error {
	_, reason, ended := row.End(s.cfg.Now())
	if !ended && s.cfg.Verifier.Revoked(source.TokenOf(row, 0)) {
		ended, reason = true, token.ReasonRevoked
	}
	if ended {
		return fault.New(fault.Conflict, "the token is no longer valid: %s", reason)
	}
	return nil
}

// supersede returns the batch that ends the old token: now, or when the overlap ends. In
// the second case the entry in the log is written now and names that time, so that the
// JWTs made from the token end then even if no process runs to revoke them.
func (s *Renewer) supersede(old records.StoredToken, overlap int64) op.Batch {
	now := s.cfg.Now()
	if overlap == 0 {
		ops, entries := s.cfg.Journal.Kill(journal.Kill{ID: old.ID, Opaque: true, Reason: token.ReasonRegenerated})
		once := op.SpendToken{ID: old.ID, At: now, Reason: token.ReasonRegenerated}
		return op.Batch{Ops: append([]op.Op{once}, ops...), Log: entries}
	}
	end := now.Add(time.Duration(overlap) * time.Second).Truncate(time.Microsecond) // the precision of the store
	var log []revocation.Entry
	if old.ExpiresAt.IsZero() || end.Before(old.ExpiresAt) {
		log = s.cfg.Journal.End(old.ID, end)
	} else {
		end = old.ExpiresAt // and nothing issued for it is valid longer
	}
	return op.Batch{
		Ops: []op.Op{op.ShortenToken{ID: old.ID, Now: now, ExpiresAt: end, Reason: token.ReasonRegenerated}},
		Log: append(log, s.cfg.Journal.CutOff(revocation.Access, old.Owner)), // earlier readings of the old one are outdated
	}
}

// EndReplaced revokes the tokens with these ids, whose successors have been used for the
// first time. It is called shortly after that use and not during it, because verifying
// never writes. A token that can't be ended now ends with its overlap.
func (s *Renewer) EndReplaced(ctx context.Context, ids []string) error {
	var all []error
	for _, id := range ids {
		row, _, err := s.cfg.Store.TokenByID(ctx, id)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err == nil {
			err = s.end(ctx, caller.System().Waiting(revocation.WaitNone), row, token.ReasonRegenerated)
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

// end revokes a valid API token, with everything made from it.
func (s *Renewer) end(ctx context.Context, c *caller.Caller, row records.StoredToken, reason string) error {
	if _, _, ended := row.End(s.cfg.Now()); ended {
		return nil
	}
	e := s.cfg.Journal.Event(ctx, c.Actor(), audit.TokenRevoke)
	e.Target, e.TokenID, e.Reason = row.Owner, row.ID, reason
	ops, entries := s.cfg.Journal.Kill(journal.Kill{ID: row.ID, Opaque: true, Reason: reason})
	_, err := s.cfg.Journal.Revoke(ctx, op.Batch{Ops: ops, Log: entries, Audit: []audit.Event{e}}, c.Wait)
	return err
}
