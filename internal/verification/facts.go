package verification

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/cache"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// facts reads the facts about tokens and subjects, and keeps them. It keeps no decision
// and nothing of what a token was presented for.
//
// What is kept is bound to the ledger's epoch. A reading takes the epoch before it asks
// the source and is kept only if the epoch is still the same afterwards, so that an entry
// that was missed during the reading can't leave an old fact behind. Each carries the
// sequence of the log as of which it is true, and is read again when the log has an entry
// about it since. The collections that exist are kept separately from the subjects,
// because many tokens are bound to few collections.
type facts struct {
	source     Source
	ledger     *revocation.Ledger
	log        *revocation.Set // the ledger's
	claimsOnly bool            // nothing follows the log, so what may be revoked is not kept

	epoch       atomic.Uint64                // the ledger's, of all that is kept
	tokens      *cache.Cache[*Token]         // by value
	subjects    *cache.Cache[*Subject]       // by id
	collections *cache.Cache[revocation.Seq] // by id: it existed as of this sequence
	remade      atomic.Int64                 // the latest sequence at which any collection was created or deleted
}

func newFacts(cfg *Config) *facts {
	f := &facts{
		source: cfg.Source, ledger: cfg.Ledger, log: cfg.Ledger.Set(),
		claimsOnly: cfg.InsecureWithoutRevocation,
		tokens: cache.New(cache.Config[*Token]{
			Budget: cfg.CacheBytes, Typical: typicalToken, MaxAge: cfg.MaxFactAge, Cost: costOfToken,
		}),
		subjects: cache.New(cache.Config[*Subject]{
			Budget: subjectCache, Typical: typicalSubject, MaxAge: cfg.MaxFactAge, Cost: costOfSubject,
		}),
		collections: cache.New(cache.Config[revocation.Seq]{
			Budget: collectionCache, Typical: 8, MaxAge: cfg.MaxFactAge,
			Cost: func(key string, _ revocation.Seq) int64 { return int64(len(key)) },
		}),
	}
	cfg.Ledger.OnApply(func(c revocation.Change) {
		for _, e := range c.Entries {
			if e.What == revocation.Collection {
				f.remade.Store(max(f.remade.Load(), e.Seq))
			}
		}
	})
	return f
}

// flush drops every fact.
func (f *facts) flush() {
	f.tokens.Flush()
	f.subjects.Flush()
	f.collections.Flush()
}

// find returns the facts about a token, kept or read now, and the time to judge by.
func (f *facts) find(ctx context.Context, raw string) (t *Token, at time.Time, err error) {
	if len(raw) > token.MaxBytes {
		return nil, at, token.Malformed()
	}
	at = f.ledger.Now()
	if t, known := f.kept(raw, at); known {
		return t, at, nil
	}
	t, err = f.read(ctx, raw, nil)
	return t, f.ledger.Now(), err // asking the source may have taken long
}

// kept returns the facts that are kept about a token. Once the ledger may have missed
// entries, it returns nothing that was read before.
func (f *facts) kept(raw string, now time.Time) (*Token, bool) {
	if epoch := f.ledger.Epoch(); epoch != f.epoch.Load() {
		f.flush()
		f.epoch.Store(epoch)
	}
	return f.tokens.Get(raw, now)
}

// read reads a token and checks what makes it genuine; known are the facts that are read
// again. Its kind is decided by prefix or shape, never by trial, so that nothing is
// looked up for a token that bearerd didn't issue. The checksum of an opaque token is
// checked first, so that random values cause no look-up. Only facts about genuine tokens
// are kept.
func (f *facts) read(ctx context.Context, raw string, known *Token) (t *Token, err error) {
	epoch := f.ledger.Epoch()
	forms, err := f.source.Forms()
	if err != nil {
		return nil, err
	}
	if !forms.Opaque(raw) {
		t, err = f.readJWT(ctx, raw)
	} else if _, err = forms.Parse(raw); err == nil {
		t, err = f.source.Opaque(ctx, raw, known)
	}
	if err != nil {
		return nil, err
	}
	Index(t)
	if epoch == f.ledger.Epoch() && (t.jwt != nil || !f.claimsOnly) {
		f.tokens.Put(raw, t, f.ledger.Now())
	}
	return t, nil
}

// readJWT checks the form and the signature. The key may have been made by another node a
// moment ago: the keys are read again, at a limited rate.
func (f *facts) readJWT(ctx context.Context, raw string) (*Token, error) {
	missing := ""
	find := func(kid string) (token.VerificationKey, bool) {
		key, ok := f.source.Key(kid)
		if !ok {
			missing = kid
		}
		key.Revoked = false // judged each time, as all revocations are
		return key, ok
	}
	for refreshed := false; ; refreshed = true {
		j, err := token.Verify(raw, find)
		switch {
		case err == nil:
			return ofJWT(j), nil
		case missing == "" || refreshed:
			return nil, err
		}
		if err := f.source.RefreshKeys(ctx, missing); err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, "the signing keys can't be read now")
		}
	}
}

// catchUp returns the facts about a token, no older than the entries about it that are
// applied here, when this process has applied the log up to the token's sequence. Where
// nothing follows the log, there is nothing to catch up with.
func (f *facts) catchUp(ctx context.Context, raw string, t *Token) (*Token, error) {
	if f.claimsOnly {
		return t, nil
	}
	if f.outdated(t) {
		var err error
		if t, err = f.current(ctx, raw, t); err != nil {
			return t, err
		}
	}
	return t, f.reach(ctx, t.Seq)
}

// reach returns when this process has applied the log up to a sequence.
func (f *facts) reach(ctx context.Context, seq revocation.Seq) error {
	if seq <= f.ledger.Applied() {
		return nil
	}
	return f.source.Reach(ctx, seq)
}

// outdated reports whether the log has had an entry since an opaque token was read by
// which its facts may have changed. The facts about a JWT never change.
func (f *facts) outdated(t *Token) bool {
	return t.jwt == nil && f.log.CutOff(t.names.Access) > t.AsOf
}

// current returns the facts about a token, no older than the entries about it that are
// applied here: the known ones, or read again. A revoked token stays revoked. When the
// new reading is outdated too, the issuer's node that answered is behind, and is asked
// again; after the last attempt the error is errBehind.
func (f *facts) current(ctx context.Context, raw string, t *Token) (*Token, error) {
	for attempt := range attempts {
		if !f.outdated(t) || t.Ended != "" || f.log.Revokes(&t.names, t.Seq) {
			return t, nil
		}
		if err := pauseBehind(ctx, attempt); err != nil {
			return t, err
		}
		fresh, err := f.read(ctx, raw, t)
		if err != nil {
			return t, err
		}
		t = fresh
	}
	return t, errBehind
}

// recall returns the facts about a token: kept ones, or read now.
func (f *facts) recall(ctx context.Context, raw string) (*Token, error) {
	if len(raw) > token.MaxBytes {
		return nil, token.Malformed()
	}
	if t, ok := f.kept(raw, f.ledger.Now()); ok {
		return f.current(ctx, raw, t)
	}
	return f.read(ctx, raw, nil)
}
