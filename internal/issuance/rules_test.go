package issuance_test

import (
	"slices"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// What each kind may be made from, by what is presented: the table of DESIGN 2.
func TestEachKindIsMadeFromItsParentsAlone(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: nodetest.WithTaskTypes})
	ada := f.Person(t, "ada", nodetest.May("create", "/task-tokens/TES"))
	keyValue := f.ExchangeKey(t, ada, credentials.NewCredential{}).Value.Reveal()
	key, err := f.Identify(t.Context(), keyValue, verification.Requirements{Kinds: nodetest.EveryKind()})
	nodetest.Must(t, err)
	task, err := f.Exchange(t.Context(), issuance.Exchange{Subject: keyValue, TaskType: "TES"})
	nodetest.Must(t, err)
	taskToken, err := f.Identify(t.Context(), task.Access.Value.Reveal(), verification.Requirements{Audience: "TES"})
	nodetest.Must(t, err)
	callers := map[string]*caller.Caller{
		"session":  ada,
		"access":   f.ByBearer(t, f.MadeAccess(t, ada, "credentials")),
		"apitoken": f.ByBearer(t, f.APIToken(t, ada, credentials.NewCredential{Scope: []string{"credentials"}})),
		"apikey":   caller.ByToken(key),
		"task":     caller.ByToken(taskToken),
		"password": f.ByPassword(t, "ada"),
		"client":   f.NewClient(t, identity.NewClient{ID: "app", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants()}),
	}
	allowed := map[token.Kind]string{
		token.KindAccess:       "session access apitoken apikey password client",
		token.KindTask:         "access apitoken apikey",
		token.KindExchangeKey:  "session access apitoken",
		token.KindAPIToken:     "session access apitoken",
		token.KindSession:      "password",
		token.KindRefresh:      "",
		token.KindClientSecret: "",
		token.KindUnknown:      "",
	}
	for kind, from := range allowed {
		for name, c := range callers {
			r := &issuance.Request{Kind: kind, Name: "x", Principal: c.Principal, Parent: c.Token}
			if kind == token.KindTask {
				r.TaskType = "TES"
			}
			_, err := f.Issue(t.Context(), c, r)
			if want := nodetest.HasWord(from, name); (err == nil) != want || err != nil && !fault.Is(err, fault.Forbidden) {
				t.Errorf("%s from %s: %v; want it made: %t", kind, name, err, want)
			}
		}
		if from != "" {
			continue
		}
		_, err := f.IssueFor(t.Context(), caller.Operator(), "ada", &issuance.Request{Kind: kind, Name: "x"})
		nodetest.WantFault(t, kind.String()+" by the caller.Operator()", err, fault.Forbidden, "")
	}
}

func TestClientGetsATokenForItselfByItsSecretAndGrantAlone(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	with := identity.NewClient{ID: "with", Secret: nodetest.ClientSecret, Grants: []string{identity.GrantTypeClientCredentials}}
	without := identity.NewClient{ID: "without", Secret: nodetest.ClientSecret, Grants: []string{identity.GrantTypeTokenExchange}}
	public := f.NewClient(t, identity.NewClient{ID: "public", Grants: []string{identity.GrantTypeDeviceCode}})
	issued, err := f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: f.NewClient(t, with)})
	nodetest.Must(t, err)
	got, err := f.Judge(t, issued)
	nodetest.Must(t, err)
	if !got.OfClient() || got.Subject != "with" || got.Username != "" {
		t.Errorf("%+v", got)
	}
	_, err = f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: f.NewClient(t, without)})
	nodetest.WantFault(t, "without the grant", err, fault.UnauthorizedClient, "")
	_, err = f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: public})
	nodetest.WantFault(t, "a public client", err, fault.InvalidClient, "")
	_, err = f.Issue(t.Context(), public, &issuance.Request{Kind: token.KindAccess, Client: public.Principal})
	nodetest.WantFault(t, "a public client, past the grant", err, fault.InvalidClient, "")
	_, err = f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: f.Person(t, "ada")})
	nodetest.WantFault(t, "a user", err, fault.InvalidClient, "")
	_, err = f.ClientCredentials(t.Context(), issuance.ClientCredentials{})
	nodetest.WantFault(t, "nobody", err, fault.InvalidClient, "")
	for name, c := range map[string]identity.NewClient{"a wrong secret": with, "no secret": with, "an unknown client": {ID: "nobody"}, "a public client's": {ID: "public"}, "no id": {}} {
		_, err := f.AuthenticateClient(t.Context(), c.ID, map[string]string{"a wrong secret": "wrong"}[name])
		nodetest.WantFault(t, name, err, fault.InvalidClient, "client authentication failed")
	}
}

// A caller who came with a token can't have another one that is not bounded by it,
// whatever the request leaves out.
func TestWhatWasPresentedIsTheParent(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada")
	issued, err := f.Issue(t.Context(), ada, &issuance.Request{Kind: token.KindAccess})
	nodetest.Must(t, err)
	nodetest.Must(t, f.EndSession(t.Context(), ada))
	f.WantDead(t, "an access token of a session that ended", issued)
}

func TestTokenSpeaksForTheOwnerOfItsParent(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.User(t, "ada", "")
	eve := f.Person(t, "eve")
	_, err := f.Issue(t.Context(), eve, &issuance.Request{Kind: token.KindAccess, Parent: eve.Token, Principal: f.ByPassword(t, "ada").Principal})
	nodetest.WantFault(t, "for somebody else", err, fault.Forbidden, "somebody else")
	_, err = f.IssueFor(t.Context(), eve, "ada", &issuance.Request{Kind: token.KindAccess})
	nodetest.WantFault(t, "at somebody else's request", err, fault.Forbidden, "")
	_, err = f.IssueFor(t.Context(), nil, "ada", &issuance.Request{Kind: token.KindAccess})
	nodetest.WantFault(t, "at nobody's request", err, fault.Forbidden, "")
	_, err = f.Issue(t.Context(), nil, &issuance.Request{Kind: token.KindAccess})
	nodetest.WantFault(t, "nobody", err, fault.Unauthenticated, "")
}

func TestDisabledUserGetsNoToken(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada")
	key := f.ExchangeKey(t, ada, credentials.NewCredential{})
	_, err := f.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Disabled: new(true)})
	nodetest.Must(t, err)
	_, err = f.Ask(t, ada, issuance.Request{Kind: token.KindAccess})
	nodetest.WantFault(t, "by a session of before", err, fault.Forbidden, "disabled")
	_, err = f.IssueFor(t.Context(), caller.Operator(), "ada", &issuance.Request{Kind: token.KindAccess})
	nodetest.WantFault(t, "by the caller.Operator()", err, fault.Forbidden, "disabled")
	_, err = f.Exchange(t.Context(), issuance.Exchange{Subject: key.Value.Reveal()})
	nodetest.WantFault(t, "by an API key", err, fault.InvalidToken, "revoked")
	_, err = f.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Disabled: new(false)})
	nodetest.Must(t, err)
	f.WantDead(t, "the key of before, enabled again", key)
	nodetest.Must(t, nodetest.Second(f.Issue(t.Context(), f.SignedIn(t, "ada"), &issuance.Request{Kind: token.KindAccess})))
}

func TestChainNamesWhatATokenWasMadeFromAndEnds(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada")
	now := f.MadeAccess(t, ada)
	want := []string{ada.Token.ID}
	for n := range 14 {
		got, err := f.Judge(t, now)
		nodetest.Must(t, err)
		if !slices.Equal(got.Chain, want) {
			t.Fatalf("chain %q, want %q", got.Chain, want)
		}
		if n == 0 {
			want = append(want, f.Signer(t)) // it signed all of them
		}
		want = append(want, now.ID)
		pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: now.Value.Reveal()})
		nodetest.Must(t, err)
		now = pair.Access
	}
	_, err := f.Exchange(t.Context(), issuance.Exchange{Subject: now.Value.Reveal()})
	nodetest.WantFault(t, "the seventeenth link", err, fault.Invalid, "too many times")
	nodetest.Must(t, f.EndSession(t.Context(), ada))
	f.WantDead(t, "the end of the chain", now)
}

func TestAudienceIsTheDefaultOrOneThatTheClientMayName(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: nodetest.WithTaskTypes})
	ada := f.Person(t, "ada")
	key := f.ExchangeKey(t, ada, credentials.NewCredential{}).Value.Reveal()
	app := f.NewClient(t, identity.NewClient{
		ID: "app", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants(), Audiences: []string{"https://files.example", "FOO"},
	})
	for name, c := range map[string]struct {
		client   *caller.Caller
		audience string
		want     string // "": refused
	}{
		"none, no client":                   {nil, "", nodetest.Issuer},
		"the default, no client":            {nil, nodetest.Issuer, nodetest.Issuer},
		"another, no client":                {nil, "https://files.example", ""},
		"none, a client":                    {app, "", nodetest.Issuer},
		"one of the client's":               {app, "https://files.example", "https://files.example"},
		"one of the client's, with a slash": {app, "https://files.example/", "https://files.example"},
		"a longer one":                      {app, "https://files.example/a", ""},
		"not the client's":                  {app, "https://else.example", ""},
		"a task token type with no grant":   {app, "TES", ""},
		"a task token type that it lists":   {app, "FOO", ""},
		"a task token type with no client":  {nil, "TES", ""},
		"the default with a slash":          {nil, nodetest.Issuer + "/", nodetest.Issuer},
		"the default with two":              {nil, nodetest.Issuer + "//", ""},
	} {
		pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: key, Client: c.client, Audience: c.audience, Lifetime: 60})
		if c.want == "" && err == nil || c.want != "" && (err != nil || pair.Access.Audience != c.want) {
			t.Errorf("%s: %+v, %v; want %q", name, pair.Access, err, c.want)
		}
		if err != nil && !fault.Is(err, fault.InvalidTarget) && !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A task token is refused everywhere else, bearerd's own API included.
	_, err := f.CreateBinding(t.Context(), caller.Operator(), nodetest.WithUser("ada", nodetest.May("create", "/task-tokens/TES")))
	nodetest.Must(t, err)
	pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: key, Audience: "TES"})
	nodetest.Must(t, err)
	task := pair.Access.Value.Reveal()
	nodetest.Must(t, nodetest.Second(f.Verify(t.Context(), task, verification.Requirements{Audience: "TES"})))
	for _, audience := range []string{"", "FOO", "https://files.example"} {
		_, err := f.Verify(t.Context(), task, verification.Requirements{Audience: audience})
		nodetest.WantFault(t, "a task token at "+audience, err, fault.InvalidToken, "wrong audience")
	}
	_, err = f.Bearer(t.Context(), task)
	nodetest.WantFault(t, "a task token at bearerd's own API", err, fault.InvalidToken, "wrong audience")
	_, err = f.Exchange(t.Context(), issuance.Exchange{Subject: task})
	nodetest.WantFault(t, "a task token to be traded", err, fault.InvalidToken, "wrong type")
}

func TestWhoMayTradeAToken(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada")
	app := f.NewClient(t, identity.NewClient{ID: "app", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants()})
	other := f.NewClient(t, identity.NewClient{ID: "other", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants()})
	bare := f.NewClient(t, identity.NewClient{ID: "bare", Secret: nodetest.ClientSecret})
	own := f.MadeAccess(t, ada)
	apps := f.Made(t, ada, issuance.Request{Kind: token.KindAccess, Client: app.Principal})
	for name, c := range map[string]struct {
		subject *issuance.Issued
		client  *caller.Caller
		kind    fault.Kind // 0: traded
	}{
		"issued to none, no client":          {own, nil, 0},
		"issued to none, a client":           {own, app, 0},
		"issued to none, without the grant":  {own, bare, fault.UnauthorizedClient},
		"issued to a client, that client":    {apps, app, 0},
		"issued to a client, no client":      {apps, nil, fault.InvalidClient},
		"issued to a client, another client": {apps, other, fault.Invalid},
	} {
		before := f.Refusals(t)
		_, err := f.Exchange(t.Context(), issuance.Exchange{Subject: c.subject.Value.Reveal(), Client: c.client})
		after := f.Refusals(t)
		if c.kind == 0 && (err != nil || after != before) || c.kind != 0 && (!fault.Is(err, c.kind) || after != before+1) {
			t.Errorf("%s: %v, %d refusals recorded", name, err, after-before)
		}
	}
	f.Advance(time.Hour)
	_, err := f.Exchange(t.Context(), issuance.Exchange{Subject: own.Value.Reveal()})
	nodetest.WantFault(t, "expired", err, fault.InvalidToken, "expired")
}

// A session remembers the collection that its user last chose; it bounds nothing.
func TestSessionIsNotBoundToItsCollection(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Collection(t, 4, "Fish")
	f.Collection(t, 5, "Birds")
	f.User(t, "ada", "", nodetest.May("access", "/collections/4"), nodetest.May("access", "/collections/5"))
	session, err := f.IssueFor(t.Context(), caller.Operator(), "ada", &issuance.Request{Kind: token.KindSession, Collection: new(int64(4))})
	nodetest.Must(t, err)
	c, err := f.Session(t.Context(), session.Value.Reveal())
	nodetest.Must(t, err)
	issued := f.Made(t, c, issuance.Request{Kind: token.KindAccess, Collection: new(int64(5))})
	nodetest.Must(t, nodetest.Second(f.Verify(t.Context(), issued.Value.Reveal(), verification.Requirements{Collection: new(int64(5))})))
	_, _, err = f.RemoveAccess(t.Context(), caller.Operator(), "ada", "/collections/4")
	nodetest.Must(t, err)
	nodetest.Must(t, nodetest.Second(f.Session(t.Context(), session.Value.Reveal())))
}

// Scripts that have no client trade the key, but it ends with the client through which it
// was created: the client's token is what it was made from.
func TestAnExchangeKeyCreatedThroughAClientIsItsHoldersAndEndsWithTheClient(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.User(t, "ada", "correct horse")
	client, _, err := f.CreateClient(t.Context(), caller.Operator(), identity.NewClient{ID: "cli", Secret: nodetest.ClientSecret}, false)
	if err != nil {
		t.Fatal(err)
	}
	c := f.Login(t, "ada", "correct horse")
	made, err := f.Issue(t.Context(), c, &issuance.Request{
		Kind: token.KindAccess, Principal: c.Principal, Client: &records.Principal{Client: &client}, Scope: []string{"credentials"},
	})
	if err != nil {
		t.Fatal(err)
	}
	bearer, err := f.Bearer(t.Context(), made.Value.Reveal())
	if err != nil || bearer.Token.ClientID != "cli" {
		t.Fatalf("%+v, %v", bearer, err)
	}
	key, err := f.CreateExchangeKey(t.Context(), bearer, credentials.NewCredential{})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: key.Value.Reveal()})
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Verify(t.Context(), pair.Access.Value.Reveal(), verification.Requirements{})
	if err != nil || got.ClientID != "cli" {
		t.Errorf("made from it: %+v, %v", got, err)
	}
	// The token itself is the client's, which must authenticate to trade it.
	if _, err := f.Exchange(t.Context(), issuance.Exchange{Subject: made.Value.Reveal()}); !fault.Is(err, fault.InvalidClient) {
		t.Errorf("the client's token: %v", err)
	}
	nodetest.Must(t, nodetest.Second(f.RemoveClient(t.Context(), caller.Operator(), "cli")))
	for what, issued := range map[string]*issuance.Issued{"the client's token": made, "the key": key, "what was made from the key": pair.Access} {
		f.WantDead(t, what+", without the client", issued)
	}
}

// Who may not is refused as such, and that is recorded, before anything else of the
// request is judged.
func TestACallerWhoMayNotIsRefusedBeforeTheRequestIsJudged(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada")
	plain := f.ByBearer(t, f.MadeAccess(t, ada, "read"))
	for name, c := range map[string]struct {
		ask   func(by *caller.Caller) error
		kind  fault.Kind // for plain
		event string
	}{
		"an API token without a name": {func(by *caller.Caller) error {
			return nodetest.Second(f.CreateAPIToken(t.Context(), by, credentials.NewCredential{}))
		}, fault.InsufficientScope, audit.TokenIssue},
		"an API key for too long": {func(by *caller.Caller) error {
			return nodetest.Second(f.CreateExchangeKey(t.Context(), by, credentials.NewCredential{Lifetime: 1 << 40}))
		}, fault.InsufficientScope, audit.TokenIssue},
		"an overlap that is none": {func(by *caller.Caller) error {
			return nodetest.Second(f.Regenerate(t.Context(), by, "x", -1))
		}, fault.InsufficientScope, audit.TokenRegenerate},
		"a session in no collection": {func(by *caller.Caller) error {
			return nodetest.Second(f.StartSession(t.Context(), by, new(int64(404))))
		}, fault.Forbidden, audit.TokenExchange},
	} {
		before := f.Refusals(t)
		nodetest.WantFault(t, name+" by a plain Bearer", c.ask(plain), c.kind, "")
		if f.Refusals(t) != before+1 {
			t.Errorf("%s: the refusal is not recorded", name)
		}
		if f.Events(t, audit.Filter{Limit: 1})[0].Action != c.event {
			t.Errorf("%s: recorded as another act", name)
		}
		nodetest.WantFault(t, name+" by nobody", c.ask(nil), fault.Unauthenticated, "")
	}
}

// What is made from a token that is bound to a collection is bound to the same one.
func TestATokenMadeFromABoundOneIsBoundToTheSameCollection(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Collection(t, 4, "Fish")
	f.Collection(t, 5, "Birds")
	ada := f.Person(t, "ada", nodetest.Admin())
	four := int64(4)
	for name, parent := range map[string]*issuance.Issued{
		"an access token": f.Made(t, ada, issuance.Request{Kind: token.KindAccess, Collection: &four}),
		"an API token":    f.APIToken(t, ada, credentials.NewCredential{Collection: &four}),
		"an API key":      f.ExchangeKey(t, ada, credentials.NewCredential{Collection: &four}),
	} {
		pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: parent.Value.Reveal()})
		nodetest.Must(t, err)
		pair, err = f.Exchange(t.Context(), issuance.Exchange{Subject: pair.Access.Value.Reveal()})
		nodetest.Must(t, err)
		if got := pair.Access.Collection; got == nil || *got != four {
			t.Errorf("traded twice for %s: bound to %v", name, got)
		}
	}
	by := f.ByBearer(t, f.APIToken(t, ada, credentials.NewCredential{Collection: &four}))
	_, err := f.Ask(t, by, issuance.Request{Kind: token.KindAccess, Collection: new(int64(5))})
	nodetest.WantFault(t, "for another collection", err, fault.Forbidden, "another collection")
}

func TestTokenForACollectionNeedsAccessNow(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Collection(t, 4, "Fish")
	f.Collection(t, 42, "Birds")
	ada := f.Person(t, "ada", nodetest.May("access", "/collections/4"), nodetest.May("read", "/collections/42"),
		nodetest.May("access", "/collections/9"))
	for _, c := range []struct {
		id   int64
		kind fault.Kind // 0: issued
	}{
		{4, 0},
		{42, fault.Forbidden}, // another action is granted, and the other's number begins alike
		{9, fault.Invalid},    // granted, and there is none
		{-1, fault.Invalid},
	} {
		for _, kind := range []token.Kind{token.KindAccess, token.KindExchangeKey, token.KindAPIToken} {
			issued, err := f.Ask(t, ada, issuance.Request{Kind: kind, Name: "x", Collection: &c.id})
			switch {
			case c.kind != 0:
				nodetest.WantFault(t, kind.String(), err, c.kind, "")
			case err != nil || issued.Collection == nil || *issued.Collection != c.id:
				t.Errorf("%s for %d: %+v, %v", kind, c.id, issued, err)
			}
		}
	}
	_, _, err := f.RemoveAccess(t.Context(), caller.Operator(), "ada", "/collections/4")
	nodetest.Must(t, err)
	_, err = f.Ask(t, ada, issuance.Request{Kind: token.KindAccess, Collection: new(int64(4))})
	nodetest.WantFault(t, "after access was lost", err, fault.Forbidden, "no access")
}
