package verification

import (
	"context"
	"sync/atomic"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/cache"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/revocation"
)

// readings keeps what was read about subjects and collections, each as of a sequence of
// the log, and reads again what the log has spoken of since. The collections that exist
// are kept apart from the subjects, for many tokens are bound to few collections.
type readings struct {
	source Source
	ledger *revocation.Ledger
	log    *revocation.Set // the ledger's

	subjects    *cache.Cache[*Subject]       // by id
	collections *cache.Cache[revocation.Seq] // by id: it existed as of this sequence
	remade      atomic.Int64                 // the latest sequence at which any collection was created or deleted
}

func newReadings(cfg *Config) *readings {
	r := &readings{
		source: cfg.Source, ledger: cfg.Ledger, log: cfg.Ledger.Set(),
		subjects: cache.New(cache.Config[*Subject]{
			Budget: subjectCache, Typical: typicalSubject, MaxAge: cfg.MaxFactAge, Cost: costOfSubject,
		}),
		collections: cache.New(cache.Config[revocation.Seq]{
			Budget: collectionCache, Typical: 8, MaxAge: cfg.MaxFactAge,
			Cost: func(key string, _ revocation.Seq) int64 { return int64(len(key)) },
		}),
	}
	cfg.Ledger.OnApply(r.applied)
	return r
}

// flush drops every reading.
func (r *readings) flush() {
	r.subjects.Flush()
	r.collections.Flush()
}

// hasAccess decides whether the token's user has access to a collection. For the
// collection that a JWT was issued for, that was decided as of the token's sequence,
// and needs no look-up until the log says that something about it changed. The same
// holds of a reading about this token alone.
func (r *readings) hasAccess(ctx context.Context, raw string, t *Token, collection int64) (bool, error) {
	own := t.Collection != nil && *t.Collection == collection
	if own && t.jwt != nil && !r.accessChanged(t, t.Seq) {
		return true, nil
	}
	if s := t.subject.Load(); own && s != nil && !r.accessChanged(t, s.Seq) {
		return true, nil
	}
	exists, err := r.collectionExists(ctx, raw, t, collection)
	if err != nil || !exists {
		return false, err
	}
	if s := t.subject.Load(); own && s != nil {
		if r.accessChanged(t, s.Seq) {
			return false, errBehind
		}
		return true, nil
	}
	s, err := r.subject(ctx, raw, t)
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
func (r *readings) accessChanged(t *Token, since revocation.Seq) bool {
	return r.log.CutOff(t.names.access) > since || r.log.Decided() > since || r.log.CutOff(t.names.collection) > since
}

// collectionExists reports whether a collection exists, as of no earlier than what the
// log says of it here. Only that it exists is kept: a stranger's ids take no memory.
func (r *readings) collectionExists(ctx context.Context, raw string, t *Token, id int64) (bool, error) {
	name, key := collectionName(id), collectionKey(id)
	if seq, ok := r.collections.Get(name, r.ledger.Now()); ok && r.log.CutOff(key) <= seq {
		return true, nil
	}
	s, err := r.readSubject(ctx, raw, t, &id)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if r.log.CutOff(key) > s.Seq {
		return false, errBehind
	}
	if s.CollectionExists && !s.Partial {
		r.collections.Put(name, s.Seq, r.ledger.Now())
	}
	return s.CollectionExists, nil
}

// subject returns the subject of a token from a reading that the log has not spoken of
// since, or reads it. The error is fault.NotFound for a subject that does not exist, and
// errBehind when the source answers from before what the log says here.
func (r *readings) subject(ctx context.Context, raw string, t *Token) (*Subject, error) {
	if s, ok := r.subjects.Get(t.Subject, r.ledger.Now()); ok && r.current(s, t) {
		return s, nil
	}
	s, err := r.readSubject(ctx, raw, t, nil)
	if err == nil && !r.current(s, t) {
		return nil, errBehind
	}
	return s, err
}

// readSubject asks the source. A partial reading is about this token alone and is kept
// beside its facts; one that began in another epoch is used once and not kept.
func (r *readings) readSubject(ctx context.Context, raw string, t *Token, collection *int64) (*Subject, error) {
	epoch := r.ledger.Epoch()
	s, err := r.source.Subject(ctx, raw, t, collection)
	if err != nil {
		return nil, err
	}
	switch {
	case epoch != r.ledger.Epoch():
	case s.Partial:
		t.subject.Store(s)
	default:
		r.subjects.Put(t.Subject, s, r.ledger.Now())
	}
	return s, nil
}

// current reports whether the log has said nothing since a subject was read that
// could change the reading. A collection takes the bindings about it along when it
// goes, whoever had them.
func (r *readings) current(s *Subject, t *Token) bool {
	n := &t.names
	return r.log.CutOff(n.subject) <= s.Seq && r.log.CutOff(n.clients[0]) <= s.Seq &&
		r.log.CutOff(n.access) <= s.Seq && r.log.Decided() <= s.Seq && r.remade.Load() <= s.Seq
}

// applied notes that collections were made or removed.
func (r *readings) applied(c revocation.Change) {
	for _, e := range c.Entries {
		if e.What == revocation.Collection {
			r.remade.Store(max(r.remade.Load(), e.Seq))
		}
	}
}
