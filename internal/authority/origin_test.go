package authority_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/token"
)

var allGrants = []string{
	identity.GrantTypeClientCredentials, identity.GrantTypeRefreshToken, identity.GrantTypeTokenExchange, identity.GrantTypeDeviceCode,
}

// What each kind may be made from, by what is presented: the table of DESIGN 2.
func TestEachKindIsMadeFromItsParentsAlone(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{Policy: taskPolicy})
	ada := person(t, f, "ada", authoritytest.May("create", "/task-tokens/TES"))
	keyValue := apiKey(t, f, ada, authority.NewCredential{}).Value.Reveal()
	key, err := f.Admit(t.Context(), keyValue, authority.Demand{Kinds: everyKind})
	must(t, err)
	task, err := f.Exchange(t.Context(), authority.Exchange{Subject: keyValue, TaskType: "TES"})
	must(t, err)
	taskCaller, err := f.Admit(t.Context(), task.Access.Value.Reveal(), authority.Demand{Audience: "TES"})
	must(t, err)
	callers := map[string]*authority.Caller{
		"session":  ada,
		"access":   bearer(t, f, accessToken(t, f, ada, "credentials")),
		"apitoken": bearer(t, f, apiToken(t, f, ada, authority.NewCredential{Scope: []string{"credentials"}})),
		"apikey":   key,
		"task":     taskCaller,
		"password": {Principal: ada.Principal},
		"client":   client(t, f, authority.NewClient{ID: "app", Secret: authoritytest.ClientSecret, Grants: allGrants}),
	}
	allowed := map[token.Kind]string{
		token.KindAccess:       "session access apitoken apikey password client",
		token.KindTask:         "access apitoken apikey",
		token.KindAPIKey:       "session access",
		token.KindAPIToken:     "session access",
		token.KindSession:      "password",
		token.KindRefresh:      "",
		token.KindClientSecret: "",
		token.KindUnknown:      "",
	}
	for kind, from := range allowed {
		for name, c := range callers {
			r := &authority.Request{Kind: kind, Name: "x", Principal: c.Principal, Parent: c.Token}
			if kind == token.KindTask {
				r.TaskType = "TES"
			}
			_, err := f.Issue(t.Context(), c, r)
			if want := containsWord(from, name); (err == nil) != want || err != nil && !fault.Is(err, fault.Forbidden) {
				t.Errorf("%s from %s: %v; want it made: %t", kind, name, err, want)
			}
		}
		if from != "" {
			continue
		}
		_, err := f.IssueFor(t.Context(), authority.Operator(), "ada", &authority.Request{Kind: kind, Name: "x"})
		wantFault(t, kind.String()+" by the operator", err, fault.Forbidden, "")
	}
}

func TestClientGetsATokenForItselfByItsSecretAndGrantAlone(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	with := authority.NewClient{ID: "with", Secret: authoritytest.ClientSecret, Grants: []string{identity.GrantTypeClientCredentials}}
	without := authority.NewClient{ID: "without", Secret: authoritytest.ClientSecret, Grants: []string{identity.GrantTypeTokenExchange}}
	public := client(t, f, authority.NewClient{ID: "public", Grants: []string{identity.GrantTypeDeviceCode}})
	issued, err := f.ClientCredentials(t.Context(), authority.ClientCredentials{Client: client(t, f, with)})
	must(t, err)
	got, err := verify(t, f, issued)
	must(t, err)
	if !got.OfClient() || got.Subject != "with" || got.Username != "" {
		t.Errorf("%+v", got)
	}
	_, err = f.ClientCredentials(t.Context(), authority.ClientCredentials{Client: client(t, f, without)})
	wantFault(t, "without the grant", err, fault.UnauthorizedClient, "")
	_, err = f.ClientCredentials(t.Context(), authority.ClientCredentials{Client: public})
	wantFault(t, "a public client", err, fault.InvalidClient, "")
	_, err = f.Issue(t.Context(), public, &authority.Request{Kind: token.KindAccess, Client: public.Principal})
	wantFault(t, "a public client, past the grant", err, fault.InvalidClient, "")
	_, err = f.ClientCredentials(t.Context(), authority.ClientCredentials{Client: person(t, f, "ada")})
	wantFault(t, "a user", err, fault.InvalidClient, "")
	_, err = f.ClientCredentials(t.Context(), authority.ClientCredentials{})
	wantFault(t, "nobody", err, fault.InvalidClient, "")
	for name, c := range map[string]authority.NewClient{"a wrong secret": with, "no secret": with, "an unknown client": {ID: "nobody"}, "a public client's": {ID: "public"}, "no id": {}} {
		_, err := f.AuthenticateClient(t.Context(), c.ID, map[string]string{"a wrong secret": "wrong"}[name])
		wantFault(t, name, err, fault.InvalidClient, "client authentication failed")
	}
}

// A caller who came with a token can't have another one that is not bounded by it,
// whatever the request leaves out.
func TestWhatWasPresentedIsTheParent(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	ada := person(t, f, "ada")
	issued, err := f.Issue(t.Context(), ada, &authority.Request{Kind: token.KindAccess})
	must(t, err)
	must(t, f.EndSession(t.Context(), ada))
	wantDead(t, f, "an access token of a session that ended", issued)
}

func TestTokenSpeaksForWhoeverPresentedItsParent(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	ada, eve := person(t, f, "ada"), person(t, f, "eve")
	_, err := f.Issue(t.Context(), eve, &authority.Request{Kind: token.KindAccess, Parent: eve.Token, Principal: ada.Principal})
	wantFault(t, "for somebody else", err, fault.Forbidden, "somebody else")
	_, err = f.IssueFor(t.Context(), eve, "ada", &authority.Request{Kind: token.KindAccess})
	wantFault(t, "at somebody else's request", err, fault.Forbidden, "")
	_, err = f.IssueFor(t.Context(), nil, "ada", &authority.Request{Kind: token.KindAccess})
	wantFault(t, "at nobody's request", err, fault.Forbidden, "")
	_, err = f.Issue(t.Context(), nil, &authority.Request{Kind: token.KindAccess})
	wantFault(t, "nobody", err, fault.Unauthenticated, "")
}

func TestDisabledUserGetsNoToken(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	ada := person(t, f, "ada")
	key := apiKey(t, f, ada, authority.NewCredential{})
	_, err := f.UpdateUser(t.Context(), authority.Operator(), "ada", authority.UserPatch{Disabled: new(true)})
	must(t, err)
	_, err = ask(t, f, ada, authority.Request{Kind: token.KindAccess})
	wantFault(t, "by a session of before", err, fault.Forbidden, "disabled")
	_, err = f.IssueFor(t.Context(), authority.Operator(), "ada", &authority.Request{Kind: token.KindAccess})
	wantFault(t, "by the operator", err, fault.Forbidden, "disabled")
	_, err = f.Exchange(t.Context(), authority.Exchange{Subject: key.Value.Reveal()})
	wantFault(t, "by an API key", err, fault.InvalidToken, "revoked")
	_, err = f.UpdateUser(t.Context(), authority.Operator(), "ada", authority.UserPatch{Disabled: new(false)})
	must(t, err)
	wantDead(t, f, "the key of before, enabled again", key)
	must(t, second(f.Issue(t.Context(), signedIn(t, f, "ada"), &authority.Request{Kind: token.KindAccess})))
}

func TestChainNamesWhatATokenWasMadeFromAndEnds(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	ada := person(t, f, "ada")
	now := accessToken(t, f, ada)
	want := []string{ada.Token.ID}
	for range 15 {
		got, err := verify(t, f, now)
		must(t, err)
		if len(got.Chain) != len(want) || got.Chain[len(want)-1] != want[len(want)-1] || got.Chain[0] != ada.Token.ID {
			t.Fatalf("chain %q, want %q", got.Chain, want)
		}
		want = append(want, now.ID)
		pair, err := f.Exchange(t.Context(), authority.Exchange{Subject: now.Value.Reveal()})
		must(t, err)
		now = pair.Access
	}
	_, err := f.Exchange(t.Context(), authority.Exchange{Subject: now.Value.Reveal()})
	wantFault(t, "the seventeenth link", err, fault.Invalid, "too many times")
	must(t, f.EndSession(t.Context(), ada))
	wantDead(t, f, "the end of the chain", now)
}

func TestAudienceIsTheDefaultOrOneThatTheClientMayName(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{Policy: taskPolicy})
	ada := person(t, f, "ada")
	key := apiKey(t, f, ada, authority.NewCredential{}).Value.Reveal()
	app := client(t, f, authority.NewClient{
		ID: "app", Secret: authoritytest.ClientSecret, Grants: allGrants, Audiences: []string{"https://files.example", "FOO"},
	})
	for name, c := range map[string]struct {
		client   *authority.Caller
		audience string
		want     string // "": refused
	}{
		"none, no client":                   {nil, "", authoritytest.Issuer},
		"the default, no client":            {nil, authoritytest.Issuer, authoritytest.Issuer},
		"another, no client":                {nil, "https://files.example", ""},
		"none, a client":                    {app, "", authoritytest.Issuer},
		"one of the client's":               {app, "https://files.example", "https://files.example"},
		"a longer one":                      {app, "https://files.example/", ""},
		"not the client's":                  {app, "https://else.example", ""},
		"a task token type with no grant":   {app, "TES", ""},
		"a task token type that it lists":   {app, "FOO", ""},
		"a task token type with no client":  {nil, "TES", ""},
		"something like the default, ended": {nil, authoritytest.Issuer + "/", ""},
	} {
		pair, err := f.Exchange(t.Context(), authority.Exchange{Subject: key, Client: c.client, Audience: c.audience, Lifetime: 60})
		if c.want == "" && err == nil || c.want != "" && (err != nil || pair.Access.Audience != c.want) {
			t.Errorf("%s: %+v, %v; want %q", name, pair.Access, err, c.want)
		}
		if err != nil && !fault.Is(err, fault.InvalidTarget) && !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A task token is refused everywhere else, bearerd's own API included.
	_, err := f.CreateBinding(t.Context(), authority.Operator(), withUser("ada", authoritytest.May("create", "/task-tokens/TES")))
	must(t, err)
	pair, err := f.Exchange(t.Context(), authority.Exchange{Subject: key, Audience: "TES"})
	must(t, err)
	task := pair.Access.Value.Reveal()
	must(t, second(f.Verify(t.Context(), task, authority.Demand{Audience: "TES"})))
	for _, audience := range []string{"", "FOO", "https://files.example"} {
		_, err := f.Verify(t.Context(), task, authority.Demand{Audience: audience})
		wantFault(t, "a task token at "+audience, err, fault.InvalidToken, "wrong audience")
	}
	_, err = f.Bearer(t.Context(), task)
	wantFault(t, "a task token at bearerd's own API", err, fault.InvalidToken, "wrong audience")
	_, err = f.Exchange(t.Context(), authority.Exchange{Subject: task})
	wantFault(t, "a task token to be traded", err, fault.InvalidToken, "wrong type")
}

func TestWhoMayTradeAToken(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	ada := person(t, f, "ada")
	app := client(t, f, authority.NewClient{ID: "app", Secret: authoritytest.ClientSecret, Grants: allGrants})
	other := client(t, f, authority.NewClient{ID: "other", Secret: authoritytest.ClientSecret, Grants: allGrants})
	bare := client(t, f, authority.NewClient{ID: "bare", Secret: authoritytest.ClientSecret})
	own := accessToken(t, f, ada)
	apps := made(t, f, ada, authority.Request{Kind: token.KindAccess, Client: app.Principal})
	for name, c := range map[string]struct {
		subject *authority.Issued
		client  *authority.Caller
		kind    fault.Kind // 0: traded
	}{
		"issued to none, no client":          {own, nil, 0},
		"issued to none, a client":           {own, app, 0},
		"issued to none, without the grant":  {own, bare, fault.UnauthorizedClient},
		"issued to a client, that client":    {apps, app, 0},
		"issued to a client, no client":      {apps, nil, fault.InvalidClient},
		"issued to a client, another client": {apps, other, fault.InvalidGrant},
	} {
		before := refusals(t, f)
		_, err := f.Exchange(t.Context(), authority.Exchange{Subject: c.subject.Value.Reveal(), Client: c.client})
		after := refusals(t, f)
		if c.kind == 0 && (err != nil || after != before) || c.kind != 0 && (!fault.Is(err, c.kind) || after != before+1) {
			t.Errorf("%s: %v, %d refusals recorded", name, err, after-before)
		}
	}
	f.Advance(time.Hour)
	_, err := f.Exchange(t.Context(), authority.Exchange{Subject: own.Value.Reveal()})
	wantFault(t, "expired", err, fault.InvalidToken, "expired")
}
