package verification

import (
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/networks"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/uses"
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
	Granted   bool           // of a refresh token: it was issued for a grant
	SignedIn  time.Time      // of a session: when its user authenticated; zero when that is not known
	VouchedBy string         // of a session: the source that vouched for its user; "": none
	Twins     []string       // of an imported value that has several rows: the ids of the others, which are in the chain too

	jwt     *token.JWT // nil when opaque
	names   revocation.Names
	lines   *uses.Lines             // what it was used for recently; nil: that is not noted
	used    atomic.Int64            // when its last use was noted, Unix seconds
	subject atomic.Pointer[Subject] // what a source said that is about this token alone
	whole   atomic.Pointer[Subject] // what it said of the subject itself
	view    atomic.Pointer[View]
	refused atomic.Int64 // when a source last said that it is revoked, on the ledger's clock
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

// SetSubject attaches a reading of the subject to the token, before it is shared: one that
// is Partial, one that is not, or both.
func (t *Token) SetSubject(s *Subject) {
	if s.Partial {
		t.subject.Store(s)
	} else {
		t.whole.Store(s)
	}
}

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
	t.traceUses()
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
