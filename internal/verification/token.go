package verification

import (
	"slices"
	"strconv"
	"sync/atomic"
	"time"

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
	IssuedAt      time.Time
	Expiry        time.Time // zero: never
	Seq           revocation.Seq
	TaskTokenType string
	KID           string // of the key that signed it; "" when opaque

	// Of an opaque token, as its source says.
	AsOf      revocation.Seq // the log's sequence in the reading
	Ended     string         // why it was ended; "" while it is live
	Replaces  string         // the id of the API token whose value it renewed
	Family    string         // of a refresh token: what dies together
	FamilyEnd time.Time      // of a refresh token: when its family ends; zero: never

	jwt     *token.JWT // nil when opaque
	names   names
	used    atomic.Int64            // when its last use was noted, Unix seconds
	subject atomic.Pointer[Subject] // what a source said that is about this token alone
	view    atomic.Pointer[View]
}

// View is what an edge renders from a token and its subject, kept beside the facts
// for as long as they are. It is never changed.
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

// OfClient reports whether the token speaks for a client and no user.
func (t *Token) OfClient() bool { return t.Subject == t.ClientID }

// Opaque reports whether the token is looked up and not signed.
func (t *Token) Opaque() bool { return t.jwt == nil }

// ExpiringSoon reports whether the token is one that somebody must replace by hand
// and is in its last week at now.
func (t *Token) ExpiringSoon(now time.Time) bool { return t.Kind.ExpiresSoon(t.Expiry, now) }

// BindsCollection reports whether the token, and what is made from it, is good in
// its collection alone. The collection of a session is what the user last chose.
func (t *Token) BindsCollection() bool {
	return t != nil && t.Collection != nil && t.Kind != token.KindSession
}

// names are the keys under which the log may speak of a token.
type names struct {
	kills      []revocation.Key // its id, then its chain
	subject    revocation.Key
	clients    []revocation.Key // its client, then those of its chain
	signingKey revocation.Key
	access     revocation.Key
	collection revocation.Key // of a token that has one
}

// index computes the token's names, once, before it is shared: of a token that has
// them it changes nothing.
func (t *Token) index() *Token {
	n := &t.names
	if n.kills != nil {
		return t
	}
	n.kills = make([]revocation.Key, 0, 1+len(t.Chain))
	n.kills = append(n.kills, revocation.KeyOf(revocation.Token, t.ID))
	n.clients = append(n.clients, revocation.KeyOf(revocation.Client, t.ClientID))
	for _, link := range t.Chain {
		if client, ok := token.LinkedClient(link); ok {
			n.clients = append(n.clients, revocation.KeyOf(revocation.Client, client))
			continue
		}
		n.kills = append(n.kills, revocation.KeyOf(revocation.Token, link))
	}
	n.subject = revocation.KeyOf(revocation.Subject, t.Subject)
	n.signingKey = revocation.KeyOf(revocation.SigningKey, t.KID)
	n.access = revocation.KeyOf(revocation.Access, t.Subject)
	if t.Collection != nil {
		n.collection = collectionKey(*t.Collection)
	}
	return t
}

func collectionKey(id int64) revocation.Key {
	return revocation.KeyOf(revocation.Collection, collectionName(id))
}

func collectionName(id int64) string { return strconv.FormatInt(id, 10) }

// ofJWT returns the facts about a JWT whose signature is good.
func ofJWT(j *token.JWT) *Token {
	c := &j.Claims
	t := &Token{
		Kind: j.Kind(), ID: c.ID, Subject: c.Subject, Username: c.Username, ClientID: c.ClientID,
		Audience: audienceOf(c), Scope: c.Scope, Collection: c.Collection, Chain: c.Chain,
		IssuedAt: c.IssuedAt, Expiry: c.Expiry, Seq: c.Seq, TaskTokenType: c.TaskTokenType,
		KID: j.KID, jwt: j,
	}
	return t.index()
}

// audienceOf returns what a JWT is good for. A task token is good for its own type
// alone, whatever else its audience names; for nothing where its type is not there.
func audienceOf(c *token.Claims) []string {
	switch {
	case c.TaskTokenType == "":
		return c.Audience
	case slices.Contains(c.Audience, c.TaskTokenType):
		return []string{c.TaskTokenType}
	}
	return nil
}

// What facts take in memory, in bytes: an estimate that a test holds against the
// heap. A token's claims are parts of its decoded payload, which stays as a whole.
const (
	typicalToken   = 2 << 10
	typicalSubject = 1 << 10
)

func costOfToken(raw string, t *Token) int64 {
	bytes := len(raw) + 1200 + 64*len(t.Chain) + 32*(len(t.Scope)+len(t.Audience))
	if t.jwt != nil {
		bytes += len(raw) * 3 / 4
	}
	return int64(bytes)
}
