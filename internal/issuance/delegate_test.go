package issuance_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// desk is a deployment where the client agent acts for ada: it has a token of hers, and
// tokens of its own and of the people and clients who may act through it.
type desk struct {
	*nodetest.Fixture

	agent, relay *caller.Caller
	bob          *caller.Caller
	ada          *issuance.Issued // ada's token, issued to agent
	own          *issuance.Issued // agent's own
	ofBob        *issuance.Issued // bob's token, issued to agent
	ofRelay      *issuance.Issued // relay's own, which agent lists
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	f := &desk{Fixture: nodetest.New(t, nodetest.Options{Settings: nodetest.WithTaskTypes})}
	client := func(id string, exchangeFrom ...string) *caller.Caller {
		return f.NewClient(t, identity.NewClient{
			ID: id, Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants(), ExchangeFrom: exchangeFrom,
			Scopes: []string{"read", "write", "offline_access", "credentials"}, Audiences: []string{"agent", "https://next.example"},
		})
	}
	f.relay, f.agent = client("relay"), client("agent", "relay")
	ada := f.Person(t, "ada")
	f.bob = f.Person(t, "bob")
	f.ada = f.Made(t, ada, issuance.Request{Kind: token.KindAccess, Client: f.agent.Principal, Scope: []string{"read", "write", "credentials"}})
	f.ofBob = f.Made(t, f.bob, issuance.Request{Kind: token.KindAccess, Client: f.agent.Principal})
	f.own, f.ofRelay = f.ownToken(t, f.agent, 0), f.ownToken(t, f.relay, 0)
	return f
}

// ownToken returns a client's own token.
func (f *desk) ownToken(t *testing.T, client *caller.Caller, lifetime int64) *issuance.Issued {
	t.Helper()
	issued, err := f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: client, Lifetime: lifetime})
	nodetest.Must(t, err)
	return issued
}

// act exchanges a token of a subject for one with an actor.
func (f *desk) act(t *testing.T, subject, actor *issuance.Issued, change ...func(*issuance.Exchange)) (issuance.Pair, error) {
	t.Helper()
	x := issuance.Exchange{Subject: subject.Value.Reveal(), Actor: actor.Value.Reveal(), Client: f.agent}
	for _, c := range change {
		c(&x)
	}
	return f.Exchange(t.Context(), x)
}

// acting is act where it must succeed.
func (f *desk) acting(t *testing.T, subject, actor *issuance.Issued, change ...func(*issuance.Exchange)) *issuance.Issued {
	t.Helper()
	pair, err := f.act(t, subject, actor, change...)
	nodetest.Must(t, err)
	if pair.Refresh != nil {
		t.Error("a refresh token for a token with an actor")
	}
	return pair.Access
}

func (f *desk) facts(t *testing.T, issued *issuance.Issued) *verification.Token {
	t.Helper()
	got, err := f.Verify(t.Context(), issued.Value.Reveal(), verification.Requirements{})
	nodetest.Must(t, err)
	return got
}

// The token speaks for the subject, names the actor, comes of both tokens, and ends with
// the one that ends first. Its scope is what the subject's allows.
func TestADelegatedTokenNamesItsActorAndComesOfBothTokens(t *testing.T) {
	t.Parallel()
	f := newDesk(t)
	brief := f.ownToken(t, f.agent, 60)
	for name, c := range map[string]struct {
		subject, actor *issuance.Issued
		actorID        string
		end            time.Time
	}{
		"a client":                     {f.ada, f.own, "agent", f.ada.Expiry},
		"a client, which ends earlier": {f.ada, brief, "agent", brief.Expiry},
		"a user":                       {f.ada, f.ofBob, f.bob.ID(), f.ada.Expiry},
		"a client that is listed":      {f.ada, f.ofRelay, "relay", f.ada.Expiry},
		"itself":                       {f.ada, f.ada, f.SignedIn(t, "ada").ID(), f.ada.Expiry},
	} {
		got := f.facts(t, f.acting(t, c.subject, c.actor, func(x *issuance.Exchange) { x.Scope = []string{"read"} }))
		want := []string{c.actorID}
		if got.Username != "ada" || got.ClientID != "agent" || !slices.Equal(got.Actors, want) || !slices.Equal(got.Scope, []string{"read"}) {
			t.Errorf("%s: %+v, want the actors %v", name, got, want)
		}
		if !slices.Contains(got.Chain, c.subject.ID) || !slices.Contains(got.Chain, c.actor.ID) {
			t.Errorf("%s: the chain %v lacks %s or %s", name, got.Chain, c.subject.ID, c.actor.ID)
		}
		if slices.Contains(got.Chain, token.ClientLink("relay")) != (c.actor == f.ofRelay) {
			t.Errorf("%s: the clients of the chain %v", name, got.Chain)
		}
		if got.Expiry.After(c.end) {
			t.Errorf("%s: ends at %s, want %s at the latest", name, got.Expiry, c.end)
		}
	}
	_, err := f.act(t, f.ada, brief, func(x *issuance.Exchange) { x.Lifetime = 61 })
	nodetest.WantFault(t, "longer than the actor's token", err, fault.Invalid, "the maximum is")
	plain, err := f.Exchange(t.Context(), issuance.Exchange{Subject: f.ada.Value.Reveal(), Client: f.agent})
	nodetest.Must(t, err)
	if got := f.facts(t, plain.Access); got.Actors != nil {
		t.Errorf("without an actor: %v", got.Actors)
	}
}

// The current actor stands outermost, then who acts for it, then who acted before (RFC
// 8693 §4.1). What is made from a token keeps its actors, and there are four at most.
func TestActorsNestWithTheCurrentOneOutermost(t *testing.T) {
	t.Parallel()
	f := newDesk(t)
	before := f.acting(t, f.ada, f.ofRelay)
	bobByAgent := f.acting(t, f.ofBob, f.own)
	both := f.acting(t, before, bobByAgent)
	want := []string{f.bob.ID(), "agent", "relay"}
	if got := f.facts(t, both); !slices.Equal(got.Actors, want) {
		t.Errorf("the actors are %v, want %v", got.Actors, want)
	}
	kept, err := f.Exchange(t.Context(), issuance.Exchange{Subject: both.Value.Reveal(), Client: f.agent, Scope: []string{"read"}})
	nodetest.Must(t, err)
	if got := f.facts(t, kept.Access); !slices.Equal(got.Actors, want) {
		t.Errorf("exchanged without an actor: %v, want %v", got.Actors, want)
	}
	four := f.acting(t, both, f.own)
	if got := f.facts(t, four); !slices.Equal(got.Actors, append([]string{"agent"}, want...)) {
		t.Errorf("four actors: %v", got.Actors)
	}
	_, err = f.act(t, four, f.own)
	nodetest.WantFault(t, "a fifth actor", err, fault.Invalid, "4 actors at most")
	_, err = f.act(t, both, bobByAgent)
	nodetest.WantFault(t, "a fifth actor, behind the actor", err, fault.Invalid, "4 actors at most")
}

func TestWhoMayNotAct(t *testing.T) {
	t.Parallel()
	f := newDesk(t)
	sessionOf := f.SessionOf(t, "bob")
	noClient := f.MadeAccess(t, f.bob)
	apiToken := f.APIToken(t, f.bob, credentials.NewCredential{})
	key := f.ExchangeKey(t, f.bob, credentials.NewCredential{})
	stranger := f.NewClient(t, identity.NewClient{ID: "stranger", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants(), Audiences: []string{"https://next.example"}})
	plain := f.NewClient(t, identity.NewClient{ID: "plain", Secret: nodetest.ClientSecret, Grants: []string{"client_credentials"}})
	elsewhere, err := f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: f.agent, Audience: "https://next.example"})
	nodetest.Must(t, err)
	revoked := f.ownToken(t, f.agent, 0)
	nodetest.Must(t, nodetest.Second(f.Revoke(t.Context(), caller.Operator(), revoking.Revocation{Token: revoked.Value.Reveal()})))
	brief := f.ownToken(t, f.agent, 1)
	f.Advance(2 * time.Second)
	as := func(c *caller.Caller) func(*issuance.Exchange) { return func(x *issuance.Exchange) { x.Client = c } }
	ofNobody := f.MadeAccess(t, f.SignedIn(t, "ada"))
	for name, c := range map[string]struct {
		subject, actor *issuance.Issued
		change         func(*issuance.Exchange)
		kind           fault.Kind
		says           string
	}{
		"junk":                     {f.ada, &issuance.Issued{Value: "junk"}, nil, fault.Invalid, "the actor token is not valid"},
		"a session":                {f.ada, sessionOf, nil, fault.Invalid, "the actor token is not valid"},
		"an API token":             {f.ada, apiToken, nil, fault.Invalid, "the actor token is not valid"},
		"an API key":               {f.ada, key, nil, fault.Invalid, "the actor token is not valid"},
		"one for another audience": {f.ada, elsewhere, nil, fault.Invalid, "wrong audience"},
		"a revoked one":            {f.ada, revoked, nil, fault.Invalid, "revoked"},
		"an expired one":           {f.ada, brief, nil, fault.Invalid, "expired"},
		"a user's of no client":    {f.ada, noClient, nil, fault.Invalid, "exchange_from"},
		"another client's":         {f.ada, f.ownToken(t, stranger, 0), nil, fault.Invalid, "exchange_from"},
		"its own, of another's":    {f.ada, f.ownToken(t, stranger, 0), as(stranger), fault.Invalid, "exchange_from"},
		"one that lists, listed":   {ofNobody, f.own, as(f.relay), fault.Invalid, "exchange_from"},
		"without a client":         {ofNobody, f.own, as(nil), fault.InvalidClient, "must authenticate"},
		"without the grant":        {ofNobody, f.own, as(plain), fault.UnauthorizedClient, ""},
		"a bad subject":            {revoked, f.own, nil, fault.InvalidToken, "revoked"},
		"more scope":               {f.ada, f.own, func(x *issuance.Exchange) { x.Scope = []string{"admin"} }, fault.InvalidScope, "not within"},
		"credentials":              {f.ada, f.own, func(x *issuance.Exchange) { x.Scope = []string{"credentials"} }, fault.InvalidScope, "credentials"},
		"a refresh token":          {f.ada, f.own, func(x *issuance.Exchange) { x.Scope = []string{"offline_access"} }, fault.InvalidScope, "no refresh token"},
		"another audience":         {f.ada, f.own, func(x *issuance.Exchange) { x.Audience = "https://other.example" }, fault.InvalidTarget, ""},
	} {
		change := c.change
		if change == nil {
			change = as(f.agent)
		}
		pair, err := f.act(t, c.subject, c.actor, change)
		nodetest.WantFault(t, name, err, c.kind, c.says)
		if pair.Access != nil {
			t.Errorf("%s: issued", name)
		}
	}
}

// What it was made with ends it: either token, either party, at every depth.
func TestADelegatedTokenEndsWithEveryParty(t *testing.T) {
	t.Parallel()
	disable := func(f *desk, t *testing.T, name string) error {
		off := true
		return nodetest.Second(f.UpdateUser(t.Context(), caller.Operator(), name, identity.UserPatch{Disabled: &off}))
	}
	revoke := func(f *desk, t *testing.T, raw *issuance.Issued) error {
		return nodetest.Second(f.RevokeSelf(t.Context(), raw.Value.Reveal(), revocation.WaitDefault))
	}
	for name, act := range map[string]func(f *desk, t *testing.T) error{
		"the subject's token revoked": func(f *desk, t *testing.T) error { return revoke(f, t, f.ada) },
		"the actor's token revoked":   func(f *desk, t *testing.T) error { return revoke(f, t, f.ofBob) },
		"an earlier actor's, revoked": func(f *desk, t *testing.T) error { return revoke(f, t, f.ofRelay) },
		"the subject disabled":        func(f *desk, t *testing.T) error { return disable(f, t, "ada") },
		"the actor disabled":          func(f *desk, t *testing.T) error { return disable(f, t, "bob") },
		"all of the actor's revoked":  func(f *desk, t *testing.T) error { f.RevokeAllOfUser(t, "bob"); return nil },
		"an earlier actor, removed": func(f *desk, t *testing.T) error {
			return nodetest.Second(f.RemoveClient(t.Context(), caller.Operator(), "relay"))
		},
		"the client that asked, removed": func(f *desk, t *testing.T) error {
			return nodetest.Second(f.RemoveClient(t.Context(), caller.Operator(), "agent"))
		},
		"the key of all of them, retired": func(f *desk, t *testing.T) error {
			return nodetest.Second(f.RetireKey(t.Context(), caller.Operator(), f.Signer(t)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newDesk(t)
			both := f.acting(t, f.acting(t, f.ada, f.ofRelay), f.ofBob)
			made, err := f.Exchange(t.Context(), issuance.Exchange{Subject: both.Value.Reveal(), Client: f.agent})
			nodetest.Must(t, err)
			other := f.APIToken(t, f.Person(t, "eve"), credentials.NewCredential{})
			f.WantAlive(t, name, both)
			f.WantAlive(t, name, made.Access)
			nodetest.Must(t, act(f, t))
			f.WantDead(t, name, both)
			f.WantDead(t, name+", what was made from it", made.Access)
			f.WantAlive(t, name+", another's", other)
		})
	}
}

// Between the check of the actor's token and the signature the actor may be cut off: the
// token is decided as of the check, so it is revoked too.
func TestAnActorWhoEndsMeanwhileActsNoMore(t *testing.T) {
	t.Parallel()
	hook, wrap := nodetest.Hook()
	f := nodetest.New(t, nodetest.Options{Store: wrap})
	agent := f.NewClient(t, identity.NewClient{ID: "agent", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants()})
	ada := f.Made(t, f.Person(t, "ada"), issuance.Request{Kind: token.KindAccess, Client: agent.Principal})
	bob := f.Made(t, f.Person(t, "bob"), issuance.Request{Kind: token.KindAccess, Client: agent.Principal})
	x := issuance.Exchange{Subject: ada.Value.Reveal(), Actor: bob.Value.Reveal(), Client: agent}
	nodetest.Must(t, nodetest.Second(f.Exchange(t.Context(), x))) // both are known from here on
	hook.At(nodetest.PrincipalAsked, func() { f.RevokeAllOfUser(t, "bob") })
	pair, err := f.Exchange(t.Context(), x)
	nodetest.Must(t, err)
	f.WantDead(t, "by an actor who was cut off meanwhile", pair.Access)
	f.WantAlive(t, "the subject's own", ada)
}

// Who acts for somebody leaves nothing behind that would outlive the delegation.
func TestWhoActsForSomebodyCreatesNoCredentials(t *testing.T) {
	t.Parallel()
	f := newDesk(t)
	got := f.acting(t, f.ada, f.own)
	if facts := f.facts(t, got); !slices.Equal(facts.Scope, []string{"read", "write"}) {
		t.Errorf("inherits the scope %v", facts.Scope)
	}
	// In a dialect without scopes a token without one has every scope.
	bare := f.acting(t, f.Made(t, f.SignedIn(t, "ada"), issuance.Request{Kind: token.KindAccess, Client: f.agent.Principal}), f.own)
	for name, issued := range map[string]*issuance.Issued{"with a scope": got, "without": bare} {
		c := f.ByBearer(t, issued).InDialect()
		_, err := f.CreateAPIToken(t.Context(), c, credentials.NewCredential{Name: "later"})
		nodetest.WantFault(t, name+", an API token", err, fault.Forbidden, "creates no credentials")
		_, err = f.CreateExchangeKey(t.Context(), c, credentials.NewCredential{})
		nodetest.WantFault(t, name+", an API key", err, fault.Forbidden, "creates no credentials")
	}
}

func TestTheAuditLogNamesWhoActsForWhom(t *testing.T) {
	t.Parallel()
	f := newDesk(t)
	got := f.acting(t, f.acting(t, f.ada, f.ofRelay), f.ofBob)
	events := f.Events(t, audit.Filter{Action: audit.TokenExchange, TokenID: got.ID})
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	e := events[0]
	want := "for the actor " + f.bob.ID() + ", acting for the actor relay, by its token " + f.ofBob.ID
	if e.ActorName != "ada" || e.TargetName != "ada" || !strings.HasSuffix(e.Reason, want) {
		t.Errorf("%+v, want the reason %q", e, want)
	}
	stranger := f.NewClient(t, identity.NewClient{ID: "stranger", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants()})
	_, err := f.act(t, f.ada, f.ownToken(t, stranger, 0))
	nodetest.WantFault(t, "a stranger", err, fault.Invalid, "")
	events = f.Events(t, audit.Filter{Action: audit.TokenExchange})
	if e := events[0]; e.Outcome != audit.Refused || e.ActorName != "ada" || !strings.Contains(e.Reason, "the actor token was issued to the client stranger") {
		t.Errorf("the refusal is recorded as %+v", e)
	}
}
