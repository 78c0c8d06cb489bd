package verification_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// world is a few users and clients, and what the log must come to for each token: it
// is revoked as soon as any one of the acts has named it, whatever came before or after.
type world struct {
	*nodetest.Fixture
	t       *testing.T
	users   []string
	clients []identity.NewClient
	tokens  []*held
}

type held struct {
	*issuance.Issued
	user, client int // -1: none
	kid          string
	from         []*held
	dead         bool
	unsure       bool // made from what a revoked key signed: not judged here
}

func (w *world) steps() map[string]func(*rapid.T) {
	pick := func(r *rapid.T) *held {
		if len(w.tokens) == 0 {
			r.Skip()
		}
		return w.tokens[rapid.IntRange(0, len(w.tokens)-1).Draw(r, "token")]
	}
	return map[string]func(*rapid.T){
		"issue": func(r *rapid.T) {
			h := &held{user: rapid.IntRange(0, 1).Draw(r, "user"), client: rapid.IntRange(-1, 1).Draw(r, "client")}
			q := issuance.Request{Kind: token.KindAccess}
			if h.client >= 0 {
				q.Client = w.AsClient(w.t, w.clients[h.client]).Principal
			}
			session := w.SignedIn(w.t, w.users[h.user])
			h.from = []*held{w.keep(&held{Issued: &issuance.Issued{ID: session.Token.ID, Kind: token.KindSession}, user: h.user, client: -1})}
			h.Issued, h.kid = w.Made(w.t, session, q), w.kid()
			w.keep(h)
		},
		"trade": func(r *rapid.T) {
			parent := pick(r)
			if parent.Kind != token.KindAccess || parent.unsure || len(parent.from) > 10 {
				r.Skip()
			}
			x := issuance.Exchange{Subject: parent.Value.Reveal()}
			if parent.client >= 0 {
				x.Client = w.AsClient(w.t, w.clients[parent.client])
			}
			pair, err := w.Exchange(w.t.Context(), x)
			if (err == nil) == parent.dead {
				r.Fatalf("trading a token that is revoked: %t, returned %v", parent.dead, err)
			}
			if err == nil {
				w.keep(&held{Issued: pair.Access, user: parent.user, client: parent.client, kid: w.kid(), from: append(slices.Clone(parent.from), parent)})
			}
		},
		"revoke": func(r *rapid.T) {
			hit := pick(r)
			nodetest.Must(w.t, nodetest.Second(w.RevokeID(w.t.Context(), operator, hit.ID)))
			w.kill(func(h *held) bool { return h == hit || slices.Contains(h.from, hit) })
		},
		"revoke all": func(r *rapid.T) {
			user := rapid.IntRange(0, 1).Draw(r, "user")
			nodetest.Must(w.t, nodetest.Second(w.RevokeAllOf(w.t.Context(), operator, w.users[user])))
			w.kill(func(h *held) bool { return h.user == user })
		},
		"change a client": func(r *rapid.T) {
			i := rapid.IntRange(0, 1).Draw(r, "client")
			w.clients[i].Secret = token.Secret("a secret of 32 and more characters " + uuid.NewString())
			nodetest.Must(w.t, nodetest.Second(w.UpdateClient(w.t.Context(), operator, w.clients[i])))
			w.kill(func(h *held) bool { return h.client == i })
		},
		"retire the key": func(*rapid.T) {
			kid := w.kid()
			nodetest.Must(w.t, nodetest.Second(w.RetireKey(w.t.Context(), operator, kid)))
			w.kill(func(h *held) bool { return h.kid == kid })
			for _, h := range w.tokens {
				h.unsure = h.unsure || slices.ContainsFunc(h.from, func(p *held) bool { return p.kid == kid })
			}
		},
		"": w.check,
	}
}

func (w *world) kid() string {
	key, err := w.Ring.Signing()
	nodetest.Must(w.t, err)
	return key.KID
}

func (w *world) keep(h *held) *held {
	w.tokens = append(w.tokens, h)
	return h
}

func (w *world) kill(hit func(*held) bool) {
	for _, h := range w.tokens {
		h.dead = h.dead || hit(h)
	}
}

// check compares every token with what it should be.
func (w *world) check(r *rapid.T) {
	for i, h := range w.tokens {
		if h.Kind == token.KindSession || h.unsure && !h.dead {
			continue
		}
		_, err := w.Verify(w.t.Context(), h.Value.Reveal(), verification.Requirements{})
		if (err == nil) == h.dead {
			r.Fatalf("token %d is revoked: %t, and verifying it returned %v", i, h.dead, err)
		}
	}
}

func TestAnyOneEntryRevokes(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) { s.Wait = revocation.WaitNone }})
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		w := &world{Fixture: f, t: t}
		for range 2 {
			n++
			f.User(t, fmt.Sprintf("user-%d", n), "")
			app := identity.NewClient{ID: fmt.Sprintf("client-%d", n), Secret: nodetest.ClientSecret, Grants: []string{identity.GrantTypeTokenExchange}}
			f.NewClient(t, app)
			w.users, w.clients = append(w.users, fmt.Sprintf("user-%d", n)), append(w.clients, app)
		}
		r.Repeat(w.steps())
	})
}

// An entry may be forgotten when nothing that it concerns can be valid, and no sooner:
// neither when a ceiling has been lowered since, nor by a public id alone.
func TestWhatWasRevokedStaysSoUntilItsExpiry(t *testing.T) {
	t.Parallel()
	const life = 80 * 24 * time.Hour
	dir := t.TempDir()
	generous := nodetest.New(t, nodetest.Options{Dir: dir, Settings: func(s *node.Settings) { s.Policy.ExchangeKeyMax = 90 * 24 * time.Hour }})
	ada, eve := generous.Person(t, "ada"), generous.Person(t, "eve")
	long := credentials.NewCredential{Lifetime: int64(life / time.Second)}
	byValue, byID, byAll := generous.ExchangeKey(t, ada, long), generous.ExchangeKey(t, ada, long), generous.ExchangeKey(t, eve, long)
	kept := generous.ExchangeKey(t, ada, long)

	f := nodetest.New(t, nodetest.Options{Dir: dir}) // whose ceiling is 30 days
	nodetest.Must(t, nodetest.Second(f.Revoke(t.Context(), operator, revoking.Revocation{Token: byValue.Value.Reveal()})))
	nodetest.Must(t, nodetest.Second(f.RevokeID(t.Context(), operator.Waiting(revocation.WaitNone), byID.ID)))
	f.RevokeAllOfUser(t, "eve")
	for range 7 {
		f.Advance(10 * 24 * time.Hour)
		nodetest.Must(t, f.Store.Purge(t.Context(), f.Time()))
		later := nodetest.New(t, nodetest.Options{Dir: dir})
		later.Advance(f.Time().Sub(later.Time()))
		later.WantDead(t, "revoked by value", byValue)
		later.WantDead(t, "revoked by id", byID)
		later.WantDead(t, "all of the user's", byAll)
		later.WantAlive(t, "another", kept)
	}
}
