package revoking

import (
	"context"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
)

// SourceLogout is what a sign-in source says has ended there. The package that speaks to
// the source has verified that it comes from the source, is meant for bearerd, and is
// recent.
type SourceLogout struct {
	Source     string    // its name
	Session    string    // its own name for the session; "": all sessions of the person
	ExternalID string    // the person; "": everybody with the session
	At         time.Time // when the source said so
	Everything bool      // everything of the person ends, not only the sessions

	Once  records.Once // what was presented, which can be used once
	Until time.Time    // when it would be refused anyway
}

// EndSourced revokes the sessions that began from what a source has ended, with everything
// that was made from them; or everything of the person. A sign-in from it that is still
// under way leads to no session. It waits as the configuration says. The error is Conflict
// for what was presented already, Invalid when neither session nor person is named, and
// that of journal.Revoke.
func (r *Sources) EndSourced(ctx context.Context, o SourceLogout) (revocation.Receipt, error) {
	if o.Session == "" && o.ExternalID == "" {
		return revocation.Receipt{}, fault.New(fault.Invalid, "neither a session nor a person is named")
	}
	person, err := r.linkedTo(ctx, o)
	if err != nil {
		return revocation.Receipt{}, err
	}
	read := r.journal.Reading()
	first, err := r.sourcedSessions(ctx, o, person)
	if err != nil {
		return revocation.Receipt{}, err
	}
	b := r.endSessions(ctx, o, person, first)
	b.Ops = append(b.Ops, op.Spend{Once: o.Once, Until: o.Until},
		op.EndSourced{Source: o.Source, Session: o.Session, Person: o.ExternalID, At: o.At})
	if _, err := r.journal.Revoke(ctx, b, revocation.WaitNone); err != nil {
		return revocation.Receipt{}, err
	}
	// From here on no session begins from it. What began since it was read above is found now.
	late, err := r.sourcedSessions(ctx, o, person)
	if err != nil {
		return revocation.Receipt{}, err
	}
	var rest op.Batch
	if len(late) > 0 {
		rest = r.endSessions(ctx, o, person, late)
	}
	return r.journal.RevokeRest(ctx, rest, read, revocation.WaitDefault)
}

// linkedTo returns the id of the user who is the person of a logout; "" when the logout
// names nobody, or nobody here.
func (r *Sources) linkedTo(ctx context.Context, o SourceLogout) (string, error) {
	if o.ExternalID == "" {
		return "", nil
	}
	p, err := r.store.Principal(ctx, records.Who{Source: o.Source, ExternalID: o.ExternalID})
	if fault.Is(err, fault.NotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return p.User.ID, nil
}

// sourcedSessions returns the live sessions that a logout is about.
func (r *Sources) sourcedSessions(ctx context.Context, o SourceLogout, person string) ([]records.StoredToken, error) {
	if o.Session != "" {
		return r.store.SessionsOf(ctx, records.SessionQuery{Source: o.Source, Session: o.Session}, r.now())
	}
	if person == "" {
		return nil, nil
	}
	return r.store.SessionsOf(ctx, records.SessionQuery{Source: o.Source, Owner: person}, r.now())
}

// endSessions returns the batch that ends sessions, or everything of the users they
// belong to and of the person.
func (r *Sources) endSessions(ctx context.Context, o SourceLogout, person string, sessions []records.StoredToken) op.Batch {
	var b op.Batch
	reason := "signed out at the source " + o.Source
	var subjects []string
	for _, s := range sessions {
		if o.Everything {
			subjects = append(subjects, s.Owner)
			continue
		}
		e := r.journal.Event(ctx, audit.ActorSystem, audit.Logout)
		e.Target, e.TokenID, e.Reason = s.Owner, s.ID, reason
		ops, entries := r.journal.Kill(journal.Kill{ID: s.ID, Expiry: s.ExpiresAt, Opaque: true, Reason: reason, Session: s.Owner})
		b.Ops, b.Log, b.Audit = append(b.Ops, ops...), append(b.Log, entries...), append(b.Audit, e)
	}
	if o.Everything && person != "" {
		subjects = append(subjects, person)
	}
	slices.Sort(subjects)
	for _, subject := range slices.Compact(subjects) {
		e := r.journal.Event(ctx, audit.ActorSystem, audit.RevokeAll)
		e.Target, e.Reason = subject, reason
		all := r.journal.EndSubject(subject, reason, e)
		b.Ops, b.Log, b.Audit = append(b.Ops, all.Ops...), append(b.Log, all.Log...), append(b.Audit, all.Audit...)
	}
	return b
}
