package verification

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/sleep"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// identity returns who presented a token that was accepted.
func (v *Verifier) identity(ctx context.Context, raw string, t *Token, asOf revocation.Seq) (*Identity, error) {
	s, err := v.currentSubject(ctx, raw, t)
	if fault.Is(err, fault.NotFound) {
		err = fault.New(fault.InvalidToken, token.ReasonRevoked)
	}
	if err != nil {
		return nil, v.refused(err) // an edge's issuer may have revoked the token since
	}
	return &Identity{Token: t, Subject: s, AsOf: asOf}, nil
}

// Subject returns the user or client that a token was issued to. A reading is used until
// the log says that something about the subject changed. The error is fault.NotFound when
// the subject no longer exists.
func (v *Verifier) Subject(ctx context.Context, t *Token) (*Subject, error) {
	return v.currentSubject(ctx, "", t)
}

// currentSubject is Subject for a source that needs the value of the token.
func (v *Verifier) currentSubject(ctx context.Context, raw string, t *Token) (*Subject, error) {
	for attempt := range attempts {
		s, err := v.facts.subject(ctx, raw, t)
		if !errors.Is(err, errBehind) {
			return s, err
		}
		if err := pauseBehind(ctx, attempt); err != nil {
			return nil, err
		}
	}
	return nil, errBehind
}

// CollectionExists reports whether a collection exists, for the subject of a token. The error
// is Unavailable when that can't be read now.
func (v *Verifier) CollectionExists(ctx context.Context, t *Token, id int64) (bool, error) {
	for attempt := range attempts {
		exists, err := v.facts.collectionExists(ctx, "", t, id)
		if !errors.Is(err, errBehind) {
			return exists, err
		}
		if err := pauseBehind(ctx, attempt); err != nil {
			return false, err
		}
	}
	return false, errBehind
}

// subject returns the subject of a token from a reading since which the log has had no
// entry about it, or reads it. The error is fault.NotFound for a subject that does not
// exist, and errBehind when the source's answer is older than the entries that are
// applied here.
func (f *facts) subject(ctx context.Context, raw string, t *Token) (*Subject, error) {
	if s, ok := f.subjects.Get(t.Subject, f.ledger.Now()); ok && f.stands(s, t) {
		return s, nil
	}
	if s := t.whole.Load(); s != nil && f.stands(s, t) { // came with the token
		return s, nil
	}
	s, err := f.readSubject(ctx, raw, t, nil)
	if err == nil && !f.stands(s, t) {
		return nil, errBehind
	}
	return s, err
}

// stands reports whether the log has had no entry since a subject was read that could
// change the reading. When a collection is deleted, all bindings about it are deleted
// too.
func (f *facts) stands(s *Subject, t *Token) bool {
	n := &t.names
	return f.log.CutOff(n.Subject) <= s.Seq && f.log.CutOff(n.Client) <= s.Seq &&
		f.log.CutOff(n.Access) <= s.Seq && f.log.Decided() <= s.Seq && f.remade.Load() <= s.Seq
}

// collectionExists reports whether a collection exists, by a reading no older than the
// entries about it that are applied here. Only existing collections are kept, so unknown
// ids take no memory.
func (f *facts) collectionExists(ctx context.Context, raw string, t *Token, id int64) (bool, error) {
	name := strconv.FormatInt(id, 10)
	key := revocation.KeyOf(revocation.Collection, name)
	if seq, ok := f.collections.Get(name, f.ledger.Now()); ok && f.log.CutOff(key) <= seq {
		return true, nil
	}
	s, err := f.readSubject(ctx, raw, t, &id)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if f.log.CutOff(key) > s.Seq {
		return false, errBehind
	}
	if s.CollectionExists && !s.Partial {
		f.collections.Put(name, s.Seq, f.ledger.Now())
	}
	return s.CollectionExists, nil
}

// readSubject asks the source. A partial reading is about this token alone and is kept
// beside its facts; one that began in another epoch is used once and not kept.
func (f *facts) readSubject(ctx context.Context, raw string, t *Token, collection *int64) (*Subject, error) {
	epoch := f.ledger.Epoch()
	s, err := f.source.Subject(ctx, raw, t, collection)
	if err != nil {
		f.noteRefusal(t, err)
		return nil, err
	}
	switch {
	case epoch != f.ledger.Epoch():
	case s.Partial:
		t.subject.Store(s)
	default:
		f.subjects.Put(t.Subject, s, f.ledger.Now())
	}
	return s, nil
}

// noteRefusal remembers that the source called a token revoked. It may know of an entry of
// the log that isn't applied here yet.
func (f *facts) noteRefusal(t *Token, err error) {
	if r, refused := RefusalOf(err); refused && r.Check == token.CheckRevoked {
		t.refused.Store(int64(f.ledger.Clock()))
	}
}

// wasRefused reports whether the source called a token revoked and the log applied here may
// lack the entry that says so: it is complete as of no later instant than that answer. After
// that the log decides.
func (f *facts) wasRefused(t *Token) bool {
	at := t.refused.Load()
	return at != 0 && int64(f.ledger.AsOf()) <= at
}

// pauseBehind waits until a node that is behind may be asked again. The error is
// errBehind when the request ends first.
func pauseBehind(ctx context.Context, attempt int) error {
	if !sleep.For(ctx, time.Duration(attempt*attempt)*behindPause) {
		return errBehind
	}
	return nil
}
