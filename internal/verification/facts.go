package verification

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/cache"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// facts reads what tokens say, keeps it, and reports what the log has said of a token
// since. A fact is never a decision: nothing here asks what a token is presented for.
//
// What is kept is bound to the ledger's epoch. A reading takes the epoch before it asks
// the source and is kept only if the epoch is still the same afterwards, so that an
// entry that was missed during the reading can't leave an old fact behind.
type facts struct {
	source     Source
	ledger     *revocation.Ledger
	log        *revocation.Set // the ledger's
	forms      token.Forms
	claimsOnly bool // nothing follows the log, so what may be revoked is not kept

	cache   *cache.Cache[*Token] // by the token's value
	epoch   atomic.Uint64        // the ledger's, of all that is kept
	flushed func()               // drops what else was read in an earlier epoch
}

func newFacts(cfg *Config, flushed func()) *facts {
	return &facts{
		source: cfg.Source, ledger: cfg.Ledger, log: cfg.Ledger.Set(), forms: cfg.Forms,
		claimsOnly: cfg.InsecureWithoutRevocation, flushed: flushed,
		cache: cache.New(cache.Config[*Token]{
			Budget: cfg.CacheBytes, Typical: typicalToken, MaxAge: cfg.MaxFactAge, Cost: costOfToken,
		}),
	}
}

// flush drops every fact, and with them what was read about subjects.
func (f *facts) flush() {
	f.cache.Flush()
	f.flushed()
}

// read reads a token and checks what makes it genuine. Its kind is decided by
// prefix or shape, never by trial, so that nothing is looked up for a token that is
// none of ours. What is genuine is kept; junk takes no room.
func (f *facts) read(ctx context.Context, raw string, known *Token) (*Token, error) {
	epoch := f.ledger.Epoch()
	t, err := f.readOnce(ctx, raw, known)
	if err != nil {
		return nil, err
	}
	if epoch == f.ledger.Epoch() && (t.jwt != nil || !f.claimsOnly) {
		f.cache.Put(raw, t, f.ledger.Now())
	}
	return t, nil
}

// readOnce asks the source once. The form and the checksum of an opaque token are
// checked first, for free: random values never cause a look-up.
func (f *facts) readOnce(ctx context.Context, raw string, known *Token) (*Token, error) {
	switch f.forms.Shape(raw) {
	case token.ShapeJWT:
		return f.readJWT(ctx, raw)
	case token.ShapeOpaque:
		if _, err := f.forms.Parse(raw); err != nil {
			return nil, err // a wrong checksum costs no look-up
		}
		t, err := f.source.Opaque(ctx, raw, known)
		if err != nil {
			return nil, err
		}
		return t.index(), nil
	case token.ShapeUnknown:
	}
	return nil, token.Malformed()
}

// readJWT checks the form and the signature. The key may have been made by another
// node a moment ago: the keys are read once more, at a limited rate.
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
	j, err := token.Verify(raw, find)
	if err != nil && missing != "" {
		if err := f.source.RefreshKeys(ctx, missing); err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, "the signing keys can't be read now")
		}
		j, err = token.Verify(raw, find)
	}
	if err != nil {
		return nil, err
	}
	return ofJWT(j), nil
}

// outdated reports whether the log has said since an opaque token was read that it
// may not be what it was. A JWT says the same for ever.
func (f *facts) outdated(t *Token) bool {
	return t.jwt == nil && f.log.CutOff(t.names.access) > t.AsOf
}

// readAgain reads an outdated token. A reading that is outdated itself comes from a
// node of the issuer that is behind, which is asked again.
func (f *facts) readAgain(ctx context.Context, raw string, t *Token, attempt int) (*Token, error) {
	if err := pause(ctx, attempt); err != nil {
		return nil, err
	}
	return f.read(ctx, raw, t)
}

// recall returns the facts about a token: kept ones, or by reading it.
func (f *facts) recall(ctx context.Context, raw string) (*Token, error) {
	if len(raw) > token.MaxBytes {
		return nil, token.Malformed()
	}
	if t, ok := f.kept(raw, f.ledger.Now()); ok && !f.outdated(t) {
		return t, nil
	}
	return f.read(ctx, raw, nil)
}

// kept returns the facts that are kept about a token. Once the ledger may have missed
// entries, nothing that was read before is to be trusted.
func (f *facts) kept(raw string, now time.Time) (*Token, bool) {
	if epoch := f.ledger.Epoch(); epoch != f.epoch.Load() {
		f.flush()
		f.epoch.Store(epoch)
	}
	return f.cache.Get(raw, now)
}

// revoked reports whether a token is revoked: it is void, or the log has said that it or
// what it was made from ends, and that time has come by the clock of this process. An end
// for the reason despite that its source has noted doesn't count.
func (f *facts) revoked(t *Token, despite string) bool {
	ended := t.Ended != "" && t.Ended != despite
	return ended || f.signedByRevoked(t) || f.revokedInLog(t) || slices.ContainsFunc(t.names.kills, f.ledger.Ended)
}

// void reports whether a token is revoked by its source or by what the log has said of
// it up to the sequence applied here: its id or an id of its chain; its subject, its
// client, a client of its chain or everything, after the token was decided; the key that
// signed it at any time,
// because who has the private half writes what sequence they like. No clock is involved: every process that
// has applied as much says the same.
func (f *facts) void(t *Token) bool {
	return t.Ended != "" || f.signedByRevoked(t) || f.revokedInLog(t)
}

// revokedInLog reports whether the log itself, up to the sequence applied here, revokes
// a token with everything that was made from it, so that there is nothing left to
// append.
func (f *facts) revokedInLog(t *Token) bool {
	if f.log.CutOff(t.names.subject) > t.Seq || f.log.Voided() > t.Seq {
		return true
	}
	for _, client := range t.names.clients {
		if f.log.CutOff(client) > t.Seq {
			return true
		}
	}
	return slices.ContainsFunc(t.names.kills, f.log.Killed)
}

// signedByRevoked reports whether the key that signed a token was revoked, at any time:
// by the key ring, which knows it first on the node that retired it, or by the log.
func (f *facts) signedByRevoked(t *Token) bool {
	if t.jwt == nil {
		return false
	}
	key, _ := f.source.Key(t.KID)
	return key.Revoked || f.log.CutOff(t.names.signingKey) > 0
}
