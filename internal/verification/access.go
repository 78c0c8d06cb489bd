package verification

import (
	"context"
	"errors"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// judgeAccess checks the collection and the permission. The collection of a session
// is what the user last chose, and bounds nothing.
func (v *Verifier) judgeAccess(ctx context.Context, raw string, t *Token, r *Requirements) error {
	collection := r.Collection
	if t.BindsCollection() {
		collection = t.Collection
	}
	if collection != nil {
		ok, err := v.hasAccess(ctx, raw, t, *collection)
		switch {
		case err != nil:
			return err
		case !ok:
			return token.Refuse(token.CheckAccess, "no access to the collection")
		case r.Collection != nil && *r.Collection != *collection:
			return token.Refuse(token.CheckAccess, "the token is for another collection")
		}
	}
	if r.Action == "" {
		return nil
	}
	s, err := v.subject(ctx, raw, t, r.at)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if err != nil || !s.May(r.Action, r.Path).Allowed {
		return token.Refuse(token.CheckAccess, "no permission to "+r.Action+" "+string(r.Path))
	}
	return nil
}

// hasAccess decides whether the token's user has access to a collection. For the
// collection that a JWT was issued for, that was decided as of the token's sequence,
// and needs no look-up until the log says that something about it changed. The same
// holds of a reading about this token alone.
func (v *Verifier) hasAccess(ctx context.Context, raw string, t *Token, collection int64) (bool, error) {
	own := t.Collection != nil && *t.Collection == collection
	if own && t.jwt != nil && !v.accessChanged(t, t.Seq) {
		return true, nil
	}
	if s := t.subject.Load(); own && s != nil && !v.accessChanged(t, s.Seq) {
		return true, nil
	}
	exists, err := v.collectionExists(ctx, raw, t, collection)
	if err != nil || !exists {
		return false, err
	}
	if s := t.subject.Load(); own && s != nil {
		if v.accessChanged(t, s.Seq) {
			return false, errBehind
		}
		return true, nil
	}
	s, err := v.subject(ctx, raw, t, v.ledger.Now())
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return s.hasAccess(collection), nil
}

func (s *Subject) hasAccess(collection int64) bool {
	return s.May(access.ActionAccess, access.CollectionPath(collection)).Allowed
}

// accessChanged reports whether the log has said since a sequence that access to the
// token's collection must be decided again: its user's bindings or groups, any role
// or group, or the collection itself changed.
func (v *Verifier) accessChanged(t *Token, since revocation.Seq) bool {
	return v.ledger.CutOff(t.names.access) > since || v.ledger.Decided() > since || v.ledger.CutOff(t.names.collection) > since
}

func (v *Verifier) collectionExists(ctx context.Context, raw string, t *Token, id int64) (bool, error) {
	name, key := collectionName(id), collectionKey(id)
	if seq, ok := v.collections.Get(name, v.ledger.Now()); ok && v.ledger.CutOff(key) <= seq {
		return true, nil
	}
	s, err := v.readSubject(ctx, raw, t, &id)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if v.ledger.CutOff(key) > s.Seq {
		return false, errBehind
	}
	if s.CollectionExists && !s.Partial {
		v.collections.Put(name, s.Seq, v.ledger.Now())
	}
	return s.CollectionExists, nil
}

// Subject returns the user or client that a token speaks for, as of no earlier than
// what the log says here: a reading is good until the log says that something about
// it changed. The error is fault.NotFound when the subject no longer exists.
func (v *Verifier) Subject(ctx context.Context, t *Token) (*Subject, error) {
	for attempt := range attempts {
		s, err := v.subject(ctx, "", t, v.ledger.Now())
		if !errors.Is(err, errBehind) {
			return s, err
		}
		if err := pause(ctx, attempt); err != nil {
			return nil, err
		}
	}
	return nil, errBehind
}

func (v *Verifier) subject(ctx context.Context, raw string, t *Token, now time.Time) (*Subject, error) {
	if s, ok := v.subjects.Get(t.Subject, now); ok && v.current(s, t) {
		return s, nil
	}
	s, err := v.readSubject(ctx, raw, t, nil)
	if err == nil && !v.current(s, t) {
		return nil, errBehind
	}
	return s, err
}

func (v *Verifier) readSubject(ctx context.Context, raw string, t *Token, collection *int64) (*Subject, error) {
	epoch := v.ledger.Epoch()
	s, err := v.cfg.Source.Subject(ctx, raw, t, collection)
	if err != nil {
		return nil, err
	}
	switch {
	case epoch != v.ledger.Epoch():
	case s.Partial:
		t.subject.Store(s)
	default:
		v.subjects.Put(t.Subject, s, v.ledger.Now())
	}
	return s, nil
}

// current reports whether the log has said nothing since a subject was read that
// could change the reading. A collection takes the bindings about it along when it
// goes, whoever had them.
func (v *Verifier) current(s *Subject, t *Token) bool {
	n := &t.names
	return v.ledger.CutOff(n.subject) <= s.Seq && v.ledger.CutOff(n.client) <= s.Seq &&
		v.ledger.CutOff(n.access) <= s.Seq && v.ledger.Decided() <= s.Seq && v.remade.Load() <= s.Seq
}
