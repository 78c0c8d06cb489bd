package provisioning

import (
	"context"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/records"
)

// Sources lets a source read and disable the users who are linked to it.
type Sources struct {
	store   Store
	editor  *changes.Editor
	journal *journal.Journal
}

// SourceUsers lists the users who are linked to a source, by external id, for
// administrators and for clients with the scope of that source.
func (s *Sources) SourceUsers(ctx context.Context, c *caller.Caller, q records.LinkedQuery) (records.Page[records.LinkedUser], error) {
	if err := caller.RequireSource(c, q.Source); err != nil {
		return records.Page[records.LinkedUser]{}, err
	}
	return s.store.LinkedUsers(ctx, q)
}

// MayDisableLinked decides whether the caller may disable users of a source. The error is
// that of DisableLinked, and the refusal is recorded.
func (s *Sources) MayDisableLinked(ctx context.Context, c *caller.Caller, source, externalID string) error {
	err := caller.RequireSource(c, source)
	if err == nil || c == nil {
		return err
	}
	event := s.journal.Event(ctx, c.Actor(), audit.UserDisable)
	event.Target = source + ":" + externalID
	if p, found := s.store.Principal(ctx, records.Who{Source: source, ExternalID: externalID}); found == nil {
		event.Target, event.TargetName = p.User.ID, event.Target
	}
	return s.journal.Refuse(ctx, event, err)
}

// DisableLinked disables the user who is linked to an external id of a source, or enables
// them again, and returns the state after it. It is for administrators and for clients
// with the scope of that source. Disabling revokes everything of the user, and is
// acknowledged when that holds, even if it was done before.
//
// Only the owner disables. Of a user whose owner isn't the source, the sessions that the
// source vouched for end, with what was made from them, and nothing else is changed.
//
// The error is NotFound when nobody is linked to it.
func (s *Sources) DisableLinked(ctx context.Context, c *caller.Caller, source, externalID string, disabled bool) (records.LinkedUser, error) {
	if err := s.MayDisableLinked(ctx, c, source, externalID); err != nil {
		return records.LinkedUser{}, err
	}
	if source == "" || externalID == "" {
		return records.LinkedUser{}, records.ErrNoUser
	}
	read := s.journal.Reading()
	p, err := s.store.Principal(ctx, records.Who{Source: source, ExternalID: externalID})
	switch {
	case fault.Is(err, fault.NotFound):
		return records.LinkedUser{}, records.ErrNoUser
	case err != nil:
		return records.LinkedUser{}, err
	}
	user := *p.User
	var list []changes.Change
	switch owns := user.Owner == source; {
	case !owns && disabled:
		list, err = s.endSessions(ctx, user, source)
	case owns && user.Disabled != disabled:
		list, user, err = s.editor.UpdateUser(ctx, user, changes.UserUpdate{UserPatch: identity.UserPatch{Disabled: &disabled}})
		for i := range list {
			list[i].Remark = "by the source " + source
		}
	}
	if err != nil {
		return records.LinkedUser{}, err
	}
	if len(list) > 0 {
		_, err = s.editor.Commit(ctx, c, list...)
	} else if disabled {
		_, err = s.journal.Settled(ctx, read, c.Wait)
	}
	return records.LinkedUser{ExternalID: externalID, User: user}, err
}

// endSessions returns the changes that end the sessions of a user that a source vouched
// for.
func (s *Sources) endSessions(ctx context.Context, user identity.User, source string) ([]changes.Change, error) {
	sessions, err := s.store.SessionsOf(ctx, records.SessionQuery{Source: source, Owner: user.ID}, s.journal.Now())
	list, reason := make([]changes.Change, len(sessions)), "ended by the source "+source
	for i, t := range sessions {
		end := changes.Change{Action: audit.Logout, Target: user.ID, Name: user.Username, TokenID: t.ID, Remark: reason}
		end.Ops, end.Log = s.journal.Kill(journal.Kill{ID: t.ID, Expiry: t.ExpiresAt, Opaque: true, Reason: reason, Session: user.ID})
		list[i] = end
	}
	return list, err
}
