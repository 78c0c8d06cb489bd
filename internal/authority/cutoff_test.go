package authority_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/token"
)

func TestNarrowedClientLosesWhatWasIssuedToIt(t *testing.T) {
	t.Parallel()
	before := authority.NewClient{
		ID: "app", Secret: authoritytest.ClientSecret, Grants: allGrants, Scopes: []string{"read", "write", "offline_access"},
		Audiences: []string{"https://a.example", "https://b.example"},
	}
	same := func(n *authority.NewClient) { n.Secret = "" }
	for name, c := range map[string]struct {
		change func(*authority.NewClient)
		dead   bool
	}{
		"the same":              {func(*authority.NewClient) {}, false},
		"in another order":      {func(n *authority.NewClient) { n.Scopes = []string{"write", "offline_access", "read"} }, false},
		"a scope more":          {func(n *authority.NewClient) { n.Scopes = append(slices.Clone(n.Scopes), "more") }, false},
		"an audience more":      {func(n *authority.NewClient) { n.Audiences = append(slices.Clone(n.Audiences), "https://c.example") }, false},
		"a scope less":          {func(n *authority.NewClient) { n.Scopes = n.Scopes[1:] }, true},
		"a scope for another":   {func(n *authority.NewClient) { n.Scopes = []string{"read", "other", "offline_access"} }, true},
		"no scopes any more":    {func(n *authority.NewClient) { n.Scopes = nil }, true},
		"an audience less":      {func(n *authority.NewClient) { n.Audiences = n.Audiences[:1] }, true},
		"a grant less":          {func(n *authority.NewClient) { n.Grants = n.Grants[:3] }, true},
		"another secret":        {func(n *authority.NewClient) { n.Secret = "another secret that is long enough, too" }, true},
		"the same secret again": {func(n *authority.NewClient) { n.Secret = authoritytest.ClientSecret }, false},
	} {
		f := authoritytest.New(t, authoritytest.Options{})
		ada := person(t, f, "ada")
		app := client(t, f, before)
		own, apps := tokensOf(t, f, ada, app)
		after := before
		same(&after)
		c.change(&after)
		must(t, second(f.UpdateClient(t.Context(), operator, after)))
		for kind, issued := range apps {
			if c.dead {
				wantDead(t, f, name+", "+kind, issued)
				stillDead(t, f, name+", "+kind, issued)
			} else {
				wantAlive(t, f, name+", "+kind, issued)
			}
		}
		wantAlive(t, f, name+", what was issued to none", own)
	}
}

// tokensOf makes a token of the user's own, and those that a client gets.
func tokensOf(t *testing.T, f *authoritytest.Fixture, user, app *authority.Caller) (own *authority.Issued, apps map[string]*authority.Issued) {
	t.Helper()
	own = apiToken(t, f, user, authority.NewCredential{Scope: []string{"read"}})
	pair, err := f.Exchange(t.Context(), authority.Exchange{Subject: own.Value.Reveal(), Client: app, Scope: []string{"read", "offline_access"}})
	must(t, err)
	itself, err := f.ClientCredentials(t.Context(), authority.ClientCredentials{Client: app, Scope: []string{"read"}})
	must(t, err)
	return own, map[string]*authority.Issued{"access token": pair.Access, "refresh token": pair.Refresh, "its own": itself}
}

func TestRemovedClientLosesWhatWasIssuedToItForGood(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	n := authority.NewClient{ID: "app", Secret: authoritytest.ClientSecret, Grants: allGrants, Scopes: []string{"read", "offline_access"}}
	app := client(t, f, n)
	own, apps := tokensOf(t, f, person(t, f, "ada"), app)
	must(t, second(f.RemoveClient(t.Context(), operator, "app")))
	check := func(when string) {
		t.Helper()
		for kind, issued := range apps {
			wantDead(t, f, when+", "+kind, issued)
		}
		wantAlive(t, f, when+", what was issued to none", own)
	}
	check("removed")
	for _, secret := range []string{authoritytest.ClientSecret, "wrong"} {
		_, err := f.AuthenticateClient(t.Context(), "app", secret)
		wantFault(t, "the removed client", err, fault.InvalidClient, "")
	}
	_, err := f.Refresh(t.Context(), authority.Refresh{Token: apps["refresh token"].Value.Reveal(), Client: app})
	wantFault(t, "a refresh by whoever was let in before", err, fault.InvalidGrant, "")
	issued, err := f.ClientCredentials(t.Context(), authority.ClientCredentials{Client: app})
	must(t, err)
	wantDead(t, f, "a token by whoever was let in before", issued)
	again := client(t, f, n)
	check("made again")
	issued, err = f.ClientCredentials(t.Context(), authority.ClientCredentials{Client: again})
	must(t, err)
	wantAlive(t, f, "a token of the client that was made again", issued)
}

// world is a few users and clients, and what the log must come to for each token:
// it is dead as soon as any one of the acts has hit it, whatever came before or after.
type world struct {
	*authoritytest.Fixture
	t       *testing.T
	users   []string
	clients []authority.NewClient
	tokens  []*held
}

type held struct {
	*authority.Issued
	user, client int // -1: none
	kid          string
	from         []*held
	dead         bool
	shaky        bool // made from what a retired key signed
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
			q := authority.Request{Kind: token.KindAccess}
			if h.client >= 0 {
				q.Client = asClient(w.t, w.Fixture, w.clients[h.client]).Principal
			}
			session := signedIn(w.t, w.Fixture, w.users[h.user])
			h.from = []*held{w.keep(&held{Issued: &authority.Issued{ID: session.Token.ID, Kind: token.KindSession}, user: h.user, client: -1})}
			h.Issued, h.kid = made(w.t, w.Fixture, session, q), w.kid()
			w.keep(h)
		},
		"trade": func(r *rapid.T) {
			parent := pick(r)
			if parent.Kind != token.KindAccess || parent.shaky || len(parent.from) > 10 {
				r.Skip()
			}
			x := authority.Exchange{Subject: parent.Value.Reveal()}
			if parent.client >= 0 {
				x.Client = asClient(w.t, w.Fixture, w.clients[parent.client])
			}
			pair, err := w.Exchange(w.t.Context(), x)
			if (err == nil) == parent.dead {
				r.Fatalf("trading a token that is dead: %t, gave %v", parent.dead, err)
			}
			if err == nil {
				w.keep(&held{Issued: pair.Access, user: parent.user, client: parent.client, kid: w.kid(), from: append(slices.Clone(parent.from), parent)})
			}
		},
		"revoke": func(r *rapid.T) {
			hit := pick(r)
			must(w.t, second(w.RevokeID(w.t.Context(), operator, hit.ID, false)))
			w.kill(func(h *held) bool { return h == hit || slices.Contains(h.from, hit) })
		},
		"revoke all": func(r *rapid.T) {
			user := rapid.IntRange(0, 1).Draw(r, "user")
			must(w.t, second(w.RevokeAllOf(w.t.Context(), operator, w.users[user], false)))
			w.kill(func(h *held) bool { return h.user == user })
		},
		"change a client": func(r *rapid.T) {
			i := rapid.IntRange(0, 1).Draw(r, "client")
			w.clients[i].Secret = token.Secret("a secret of 32 and more characters " + uuid.NewString())
			must(w.t, second(w.UpdateClient(w.t.Context(), operator, w.clients[i])))
			w.kill(func(h *held) bool { return h.client == i })
		},
		"retire the key": func(*rapid.T) {
			kid := w.kid()
			must(w.t, second(w.RetireKey(w.t.Context(), operator, kid)))
			w.kill(func(h *held) bool { return h.kid == kid })
			for _, h := range w.tokens {
				h.shaky = h.shaky || slices.ContainsFunc(h.from, func(p *held) bool { return p.kid == kid })
			}
		},
		"": w.check,
	}
}

func (w *world) kid() string {
	key, err := w.Ring.Signing()
	must(w.t, err)
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
		if h.Kind == token.KindSession || h.shaky && !h.dead {
			continue
		}
		_, err := w.Verify(w.t.Context(), h.Value.Reveal(), authority.Demand{})
		if (err == nil) == h.dead {
			r.Fatalf("token %d is dead: %t, and verifying it gave %v", i, h.dead, err)
		}
	}
}

func TestAnyOneCutOffKills(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{Policy: func(p *authority.Policy) { p.Wait = false }})
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		w := &world{Fixture: f, t: t}
		for range 2 {
			n++
			f.User(t, fmt.Sprintf("user-%d", n), "")
			app := authority.NewClient{ID: fmt.Sprintf("client-%d", n), Secret: authoritytest.ClientSecret, Grants: []string{identity.GrantTypeTokenExchange}}
			client(t, f, app)
			w.users, w.clients = append(w.users, fmt.Sprintf("user-%d", n)), append(w.clients, app)
		}
		r.Repeat(w.steps())
	})
}

// An entry may be forgotten when nothing that it concerns can be alive, and no
// sooner: neither when a ceiling has been lowered since, nor by a public id alone.
func TestWhatWasTakenBackStaysSoUntilItWouldHaveEnded(t *testing.T) {
	t.Parallel()
	const life = 80 * 24 * time.Hour
	dir := t.TempDir()
	generous := authoritytest.New(t, authoritytest.Options{Dir: dir, Policy: func(p *authority.Policy) { p.APIKeyMax = 90 * 24 * time.Hour }})
	ada, eve := person(t, generous, "ada"), person(t, generous, "eve")
	long := authority.NewCredential{Lifetime: int64(life / time.Second)}
	byValue, byID, byAll := apiKey(t, generous, ada, long), apiKey(t, generous, ada, long), apiKey(t, generous, eve, long)
	kept := apiKey(t, generous, ada, long)

	f := authoritytest.New(t, authoritytest.Options{Dir: dir}) // whose ceiling is 30 days
	must(t, second(f.Revoke(t.Context(), operator, authority.Revocation{Token: byValue.Value.Reveal()})))
	must(t, second(f.RevokeID(t.Context(), operator, byID.ID, false)))
	revokeAll(t, f, "eve")
	for range 7 {
		f.Advance(10 * 24 * time.Hour)
		must(t, f.Store.Purge(t.Context(), f.Time()))
		later := authoritytest.New(t, authoritytest.Options{Dir: dir})
		later.Advance(f.Time().Sub(later.Time()))
		wantDead(t, later, "revoked by value", byValue)
		wantDead(t, later, "revoked by id", byID)
		wantDead(t, later, "all of the user's", byAll)
		wantAlive(t, later, "another", kept)
	}
}
