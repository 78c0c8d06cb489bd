package authority

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// Token is the facts about a token that is genuine: what it says, not whether it
// may be used. It is shared between requests and never changed.
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
	IssuedAt      time.Time
	Expiry        time.Time // zero: never
	Seq           revocation.Seq
	TaskTokenType string
	KID           string // of the key that signed it; "" when opaque

	jwt      *token.JWT     // nil when opaque
	dead     string         // why its row says that it is dead; "" when it doesn't
	read     revocation.Seq // as of which its row was read
	replaces string         // the API token whose value it renewed
	family   string         // of a refresh token
	ends     time.Time      // of a refresh token: when its family ends; zero: never
	keys     factKeys
	used     atomic.Int64 // when its last use was noted, Unix seconds
	view     atomic.Pointer[View]
}

// View is what an edge makes of a token and whom it speaks for, kept beside the
// facts for as long as they are. It is never changed.
type View struct {
	Principal *records.Principal // good for this reading alone
	Rendered  any                // the edge's own
}

// View gives what was kept by SetView; nil when nothing was.
func (t *Token) View() *View { return t.view.Load() }

// SetView keeps a view; an earlier one is forgotten.
func (t *Token) SetView(v *View) { t.view.Store(v) }

// factKeys are the names under which the log may speak of a token.
type factKeys struct {
	kills      []revocation.Key // its id, then its chain
	cutOffs    [3]revocation.Key
	access     revocation.Key
	collection revocation.Key
}

// OfClient reports whether the token speaks for a client and no user.
func (t *Token) OfClient() bool { return t.Subject == t.ClientID }

// recall gives the facts about a token that was presented: remembered ones, or
// by reading and checking it. The error is a *token.Refusal for what is no token
// of ours, and a fault when that can't be told now.
func (a *Authority) recall(ctx context.Context, raw string) (*Token, error) {
	if t, ok := a.remembered(raw, a.Now()); ok {
		return t, nil
	}
	return a.learn(ctx, raw)
}

// remembered gives the facts about a token that was seen before.
func (a *Authority) remembered(raw string, now time.Time) (*Token, bool) {
	t, ok := a.tokens.get(raw, now)
	return t, ok && !a.outdated(t)
}

// learn reads a token, checks what makes it genuine, and remembers it. What is no
// token of ours is never remembered, and so takes no room.
func (a *Authority) learn(ctx context.Context, raw string) (*Token, error) {
	t, err := a.read(ctx, raw)
	if err == nil {
		a.tokens.put(raw, t, a.Now())
	}
	return t, err
}

// What facts take in memory, in bytes: an estimate that a test holds against the
// heap. A token's claims are parts of its decoded payload, which stays as a whole.
const (
	usualToken     = 2 << 10
	usualPrincipal = 1 << 10
)

func costOfToken(raw string, t *Token) int64 {
	bytes := len(raw) + 1200 + 64*len(t.Chain) + 32*(len(t.Scope)+len(t.Audience))
	if t.jwt != nil {
		bytes += len(raw) * 3 / 4
	}
	return int64(bytes)
}

func costOfPrincipal(_ string, p *records.Principal) int64 {
	bytes := 512 + 192*len(p.Grants)
	if p.User != nil {
		bytes += 512 + 64*len(p.User.Groups)
	}
	if p.Client != nil {
		bytes += 512 + 64*(len(p.Client.Scopes)+len(p.Client.Audiences)+len(p.Client.Grants))
	}
	return int64(bytes)
}

// outdated reports whether the log has said since a token's row was read that it
// isn't what it was. A JWT says the same for ever.
func (a *Authority) outdated(t *Token) bool {
	return t.jwt == nil && a.ledger.CutOff(t.keys.access) > t.read
}

// read tells the kind by prefix or shape, never by trial, so that no validator
// looks anything up for a token that is not its own.
func (a *Authority) read(ctx context.Context, raw string) (*Token, error) {
	switch a.Forms.Shape(raw) {
	case token.ShapeJWT:
		return a.readJWT(ctx, raw)
	case token.ShapeOpaque:
		return a.readOpaque(ctx, raw)
	case token.ShapeUnknown:
	}
	return nil, token.Malformed()
}

// readJWT checks the signature. A key that this node doesn't know yet may have
// been made by another one: the ring is read once more, at a limited rate.
func (a *Authority) readJWT(ctx context.Context, raw string) (*Token, error) {
	unknown := ""
	find := func(kid string) (token.VerificationKey, bool) {
		key, ok := a.Ring.Find(kid)
		if !ok {
			unknown = kid
		}
		key.Revoked = false // is judged each time, as all that is taken back
		return key, ok
	}
	j, err := token.Verify(raw, find)
	if err != nil && unknown != "" {
		if err := a.Ring.RefreshUnknown(ctx, unknown); err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, "the signing keys can't be read now")
		}
		j, err = token.Verify(raw, find)
	}
	if err != nil {
		return nil, err
	}
	return a.fromJWT(j), nil
}

func (a *Authority) fromJWT(j *token.JWT) *Token {
	c := &j.Claims
	t := &Token{
		Kind: j.Kind(), ID: c.ID, Subject: c.Subject, Username: c.Username, ClientID: c.ClientID,
		Audience: c.Audience, Scope: c.Scope, Collection: c.Collection, Chain: c.Chain,
		IssuedAt: c.IssuedAt, Expiry: c.Expiry, Seq: c.Seq, TaskTokenType: c.TaskTokenType,
		KID: j.KID, jwt: j,
	}
	t.keys = t.logKeys()
	return t
}

// readOpaque looks the token up by its digest. A wrong checksum costs no query.
func (a *Authority) readOpaque(ctx context.Context, raw string) (*Token, error) {
	o, err := a.Forms.Parse(raw)
	if err != nil {
		return nil, err
	}
	row, seq, err := a.Store.TokenByDigest(ctx, o.Digest)
	if fault.Is(err, fault.NotFound) {
		return nil, token.Malformed()
	}
	if err != nil {
		return nil, err
	}
	if row.Kind != o.Kind {
		return nil, token.Malformed()
	}
	return a.fromRow(row, seq), nil
}

func (a *Authority) fromRow(row records.StoredToken, seq revocation.Seq) *Token {
	t := &Token{
		Kind: row.Kind, ID: row.ID, Subject: row.Owner, ClientID: row.ClientID, Name: row.Name,
		Audience: []string{a.Policy.DefaultAudience}, Scope: row.Scope, Collection: row.Collection,
		Chain: row.Chain, IssuedAt: row.CreatedAt, Expiry: row.ExpiresAt, Seq: row.Seq,
		read: seq, replaces: row.Replaces, family: row.Family, ends: row.EndsAt,
	}
	if row.Audience != "" {
		t.Audience = []string{row.Audience}
	}
	if !row.RevokedAt.IsZero() {
		t.dead = row.Reason
		if t.dead == "" {
			t.dead = token.ReasonRevoked
		}
	}
	t.keys = t.logKeys()
	return t
}

func (t *Token) logKeys() factKeys {
	k := factKeys{
		kills:  make([]revocation.Key, 0, 1+len(t.Chain)),
		access: revocation.KeyOf(revocation.Access, t.Subject),
		cutOffs: [3]revocation.Key{
			revocation.KeyOf(revocation.Subject, t.Subject),
			revocation.KeyOf(revocation.Client, t.ClientID),
			revocation.KeyOf(revocation.SigningKey, t.KID),
		},
	}
	k.kills = append(k.kills, revocation.KeyOf(revocation.Token, t.ID))
	for _, id := range t.Chain {
		k.kills = append(k.kills, revocation.KeyOf(revocation.Token, id))
	}
	if t.Collection != nil {
		k.collection = collectionKey(*t.Collection)
	}
	return k
}

func collectionKey(id int64) revocation.Key {
	return revocation.KeyOf(revocation.Collection, strconv.FormatInt(id, 10))
}

// revoked reports whether the log or the token's row says that it was revoked.
func (a *Authority) revoked(t *Token) bool {
	if t.dead != "" || a.signedByRevoked(t) {
		return true
	}
	for _, k := range t.keys.cutOffs {
		if a.ledger.CutOff(k) > t.Seq {
			return true
		}
	}
	for _, k := range t.keys.kills {
		if a.ledger.Killed(k) {
			return true
		}
	}
	return false
}

// signedByRevoked reports whether the key that signed the token was taken back. The
// cut-off at the key is not enough: whoever has its private half writes what
// sequence they like.
func (a *Authority) signedByRevoked(t *Token) bool {
	if t.jwt == nil {
		return false
	}
	key, known := a.Ring.Find(t.KID)
	return !known || key.Revoked
}

// PrincipalOf gives the user or client that a token speaks for, as of no earlier
// than what this node knows of the log: a remembered reading is good until the
// log says that something about it changed.
func (a *Authority) PrincipalOf(ctx context.Context, t *Token) (*records.Principal, error) {
	return a.principalOf(ctx, t, a.Now())
}

func (a *Authority) principalOf(ctx context.Context, t *Token, now time.Time) (*records.Principal, error) {
	if p, ok := a.principals.get(t.Subject, now); ok && a.principalHolds(p, t) {
		return p, nil
	}
	who := records.Who{UserID: t.Subject}
	if t.OfClient() {
		who = records.Who{ClientID: t.Subject}
	}
	p, err := a.Store.Principal(ctx, who)
	if err != nil {
		return nil, err
	}
	a.principals.put(t.Subject, &p, a.Now())
	return &p, nil
}

func (a *Authority) principalHolds(p *records.Principal, t *Token) bool {
	for _, k := range t.keys.cutOffs[:2] {
		if a.ledger.CutOff(k) > p.Seq {
			return false
		}
	}
	// With a collection went the bindings about it, whoever had them.
	return a.ledger.CutOff(t.keys.access) <= p.Seq && a.ledger.Decided() <= p.Seq && a.remade.Load() <= p.Seq
}

// hasAccess decides whether the token's user has access to a collection. For the
// collection that the token was issued for, that was decided as of its sequence,
// and needs no look-up until the log says that something about it changed.
func (a *Authority) hasAccess(ctx context.Context, t *Token, collection int64) (bool, error) {
	own := t.jwt != nil && t.Collection != nil && *t.Collection == collection
	if own && !a.changedSince(t) {
		return true, nil
	}
	exists, err := a.collectionExists(ctx, t, collection)
	if err != nil || !exists {
		return false, err
	}
	return a.allowed(ctx, t, ActionAccess, access.CollectionPath(collection))
}

func (a *Authority) changedSince(t *Token) bool {
	return a.ledger.CutOff(t.keys.access) > t.Seq || a.ledger.Decided() > t.Seq || a.ledger.CutOff(t.keys.collection) > t.Seq
}

func (a *Authority) collectionExists(ctx context.Context, t *Token, id int64) (bool, error) {
	name := strconv.FormatInt(id, 10)
	if seq, ok := a.places.get(name, a.Now()); ok && a.ledger.CutOff(collectionKey(id)) <= seq {
		return true, nil
	}
	p, err := a.Store.Principal(ctx, records.Who{UserID: t.Subject, Collection: &id})
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	a.principals.put(t.Subject, &p, a.Now())
	if p.CollectionExists {
		a.places.put(name, p.Seq, a.Now())
	}
	return p.CollectionExists, nil
}

// allowed decides an action on a path for the user that the token speaks for.
func (a *Authority) allowed(ctx context.Context, t *Token, action string, path access.Path) (bool, error) {
	p, err := a.PrincipalOf(ctx, t)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return p.May(action, path).Allowed, nil
}

// refusalOf finds the refusal in an error, if it is one.
func refusalOf(err error) (*token.Refusal, bool) { return errors.AsType[*token.Refusal](err) }
