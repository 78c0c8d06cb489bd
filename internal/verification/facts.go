package verification

import (
	"context"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/cache"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/networks"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// Token is the facts about a genuine token: what it says, not whether it may be
// used. It is shared between requests and never changed.
type Token struct {
	Kind          token.Kind
	ID            string
	Subject       string
	Username      string // as it was when the token was issued
	ClientID      string
	Name          string
	Audience      []string
	Scope         []string
	Collection    *int64
	Chain         []string
	Actors        []string      // who acts for the subject, the current actor first; nil: nobody
	Networks      networks.List // that it may be used from; nil: any
	IssuedAt      time.Time
	Expiry        time.Time // zero: never
	Seq           revocation.Seq
	TaskTokenType string
	KID           string // of the key that signed it; "" when opaque

	// Of an opaque token, as its source says.
	AsOf      revocation.Seq // the log's sequence in the reading
	Ended     string         // why it was ended; "" while it is valid
	Replaces  string         // the id of the API token whose value it renewed
	Family    string         // of a refresh token: the tokens that are revoked together
	FamilyEnd time.Time      // of a refresh token: when its family ends; zero: never
	Granted   bool           // of a refresh token: it comes of a grant
	SignedIn  time.Time      // of a session: when its user authenticated; zero when that is not known
	VouchedBy string         // of a session: the source that vouched for its user; "": none

	jwt     *token.JWT // nil when opaque
	names   revocation.Names
	used    atomic.Int64            // when its last use was noted, Unix seconds
	subject atomic.Pointer[Subject] // what a source said that is about this token alone
	view    atomic.Pointer[View]
}

// View is what an edge renders from a token and its subject. It is kept as long as the
// facts. It is never changed.
type View struct {
	Subject  *Subject // the reading that it was rendered from; nil: none
	Rendered any      // the edge's own
}

// View returns what SetView kept; nil when there is nothing.
func (t *Token) View() *View { return t.view.Load() }

// SetView keeps a view in place of an earlier one.
func (t *Token) SetView(v *View) { t.view.Store(v) }

// SetSubject attaches a Partial reading of the subject to the token, before it is
// shared.
func (t *Token) SetSubject(s *Subject) { t.subject.Store(s) }

// OfClient reports whether the token was issued to a client and not to a user.
func (t *Token) OfClient() bool { return t.Subject == t.ClientID }

// Opaque reports whether the token is opaque: looked up, not signed.
func (t *Token) Opaque() bool { return t.jwt == nil }

// ExpiringSoon reports whether the token is one that somebody must replace by hand
// and is in its last week at now.
func (t *Token) ExpiringSoon(now time.Time) bool { return t.Kind.ExpiresSoon(t.Expiry, now) }

// BindsCollection reports whether the token, and what is made from it, is valid in its
// collection only. The collection of a session is what the user last chose.
func (t *Token) BindsCollection() bool {
	return t != nil && t.Collection != nil && t.Kind != token.KindSession
}

// Index computes the names of a token, once, before it is shared, and returns the token.
// A token that has its names stays unchanged. Revoked and Void need Index for a token
// that the caller has put together.
func Index(t *Token) *Token {
	n := &t.names
	if n.Kills != nil {
		return t
	}
	n.Kills = make([]revocation.Key, 0, 1+len(t.Chain))
	n.Kills = append(n.Kills, revocation.KeyOf(revocation.Token, t.ID))
	for _, link := range t.Chain {
		if client, ok := token.LinkedClient(link); ok {
			n.Others = append(n.Others, revocation.KeyOf(revocation.Client, client))
			continue
		}
		n.Kills = append(n.Kills, revocation.KeyOf(revocation.Token, link))
	}
	for _, actor := range t.Actors { // a user or a client: the token doesn't say which
		n.Others = append(n.Others, revocation.KeyOf(revocation.Subject, actor), revocation.KeyOf(revocation.Client, actor))
	}
	n.Subject = revocation.KeyOf(revocation.Subject, t.Subject)
	n.Client = revocation.KeyOf(revocation.Client, t.ClientID)
	n.SigningKey = revocation.KeyOf(revocation.SigningKey, t.KID)
	n.Access = revocation.KeyOf(revocation.Access, t.Subject)
	if t.Collection != nil {
		n.Collection = revocation.KeyOf(revocation.Collection, strconv.FormatInt(*t.Collection, 10))
	}
	return t
}

// ofJWT returns the facts about a JWT whose signature is good. A task token is valid for
// its own type only, whatever else its audience names; without its type it is valid for
// nothing.
func ofJWT(j *token.JWT) *Token {
	c := &j.Claims
	audience := c.Audience
	if c.TaskTokenType != "" {
		audience = nil
		if slices.Contains(c.Audience, c.TaskTokenType) {
			audience = []string{c.TaskTokenType}
		}
	}
	return &Token{
		Kind: j.Kind(), ID: c.ID, Subject: c.Subject, Username: c.Username, ClientID: c.ClientID,
		Audience: audience, Scope: c.Scope, Collection: c.Collection, Chain: c.Chain, Actors: c.Actors,
		Networks: c.Networks,
		IssuedAt: c.IssuedAt, Expiry: c.Expiry, Seq: c.Seq, TaskTokenType: c.TaskTokenType,
		KID: j.KID, jwt: j,
	}
}

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
	forms      token.Forms
	claimsOnly bool // nothing follows the log, so what may be revoked is not kept

	epoch       atomic.Uint64                // the ledger's, of all that is kept
	tokens      *cache.Cache[*Token]         // by value
	subjects    *cache.Cache[*Subject]       // by id
	collections *cache.Cache[revocation.Seq] // by id: it existed as of this sequence
	remade      atomic.Int64                 // the latest sequence at which any collection was created or deleted
}

func newFacts(cfg *Config) *facts {
	f := &facts{
		source: cfg.Source, ledger: cfg.Ledger, log: cfg.Ledger.Set(), forms: cfg.Forms,
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
	if !f.forms.Opaque(raw) {
		t, err = f.readJWT(ctx, raw)
	} else if _, err = f.forms.Parse(raw); err == nil {
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
		select {
		case <-time.NewTimer(time.Duration(attempt*attempt) * behindPause).C:
		case <-ctx.Done():
			return t, errBehind
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

// What facts take in memory, in bytes: an estimate that a test compares with the heap. A
// token's claims are parts of its decoded payload, which stays as a whole.
const (
	typicalToken   = 2 << 10
	typicalSubject = 1 << 10
)

func costOfToken(raw string, t *Token) int64 {
	bytes := len(raw) + 1200 + 64*len(t.Chain) + 96*len(t.Actors) + 64*len(t.Networks) + 32*(len(t.Scope)+len(t.Audience))
	if t.jwt != nil {
		bytes += len(raw) * 3 / 4
	}
	return int64(bytes)
}
