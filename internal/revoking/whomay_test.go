package revoking_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/token"
)

func toRevoke(t *testing.T, f *nodetest.Fixture, issued *issuance.Issued) *caller.Caller {
	t.Helper()
	c, err := f.BearerToRevoke(t.Context(), issued.Value.Reveal())
	must(t, err)
	return c
}

func TestWhoMayRevokeAToken(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: taskSettings})
	f.Collection(t, 4, "Fish")
	ada := person(t, f, "ada", nodetest.May("create", "/task-tokens/TES"), nodetest.May("access", "/collections/4"))
	bound := made(t, f, ada, issuance.Request{Kind: token.KindAccess, Scope: []string{"read"}, Collection: new(int64(4))})
	p, err := f.Store.Principal(t.Context(), records.Who{UserID: ada.ID()})
	must(t, err)
	byPassword := caller.ByPrincipal(&p)
	eve := person(t, f, "eve")
	warden := person(t, f, "warden", nodetest.May("delete", access.PathTokens))
	elsewhere := person(t, f, "elsewhere", nodetest.May("delete", "/tokens-of-mine"), nodetest.May("read", access.PathTokens))
	app := client(t, f, directory.NewClient{ID: "app", Secret: nodetest.ClientSecret, Grants: allGrants})
	other := client(t, f, directory.NewClient{ID: "other", Secret: nodetest.ClientSecret, Grants: allGrants})
	public := client(t, f, directory.NewClient{ID: "public"})
	apps := func() *issuance.Issued {
		return made(t, f, ada, issuance.Request{Kind: token.KindAccess, Client: app.Principal})
	}
	publics := func() *issuance.Issued {
		return made(t, f, ada, issuance.Request{Kind: token.KindAccess, Client: public.Principal})
	}
	own := func() *issuance.Issued { return accessToken(t, f, ada) }
	key := func() *issuance.Issued { return apiKey(t, f, ada) }
	task := func() *issuance.Issued {
		pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: key().Value.Reveal(), TaskType: "TES"})
		must(t, err)
		return pair.Access
	}
	self := func(issued *issuance.Issued) *caller.Caller { return toRevoke(t, f, issued) }
	always := func(c *caller.Caller) func(*issuance.Issued) *caller.Caller {
		return func(*issuance.Issued) *caller.Caller { return c }
	}
	for name, c := range map[string]struct {
		token func() *issuance.Issued
		by    func(*issuance.Issued) *caller.Caller
		may   bool
	}{
		"the owner, by session":                    {own, always(ada), true},
		"the owner, by password":                   {own, always(byPassword), true},
		"the owner, by another token":              {own, always(bearer(t, f, own())), true},
		"the owner, by a token for a collection":   {own, always(bearer(t, f, bound)), true},
		"the owner, a session, by another token":   {func() *issuance.Issued { return sessionOf(t, f, "ada") }, always(bearer(t, f, own())), true},
		"the owner, by an API token":               {own, always(bearer(t, f, apiToken(t, f, ada))), true},
		"the owner, what a client has":             {apps, always(ada), true},
		"the owner, a task token":                  {task, always(ada), true},
		"itself":                                   {own, self, true},
		"itself, an API key":                       {key, self, true},
		"itself, a task token":                     {task, self, true},
		"an API key, another token of its owner's": {own, always(toRevoke(t, f, key())), false},
		"an API key, another API key":              {key, always(toRevoke(t, f, key())), false},
		"a task token, another task token":         {task, always(toRevoke(t, f, task())), false},
		"the client it was issued to":              {apps, always(app), true},
		"another client":                           {apps, always(other), false},
		"a client, what was issued to none":        {own, always(app), false},
		"a public client, its own":                 {publics, always(public), true},
		"a public client, another's":               {apps, always(public), false},
		"a public client, what was issued to none": {own, always(public), false},
		"delete on /tokens":                        {own, always(warden), true},
		"delete on /tokens, a client's":            {apps, always(warden), true},
		"delete on /tokens, by Bearer":             {own, always(bearer(t, f, accessToken(t, f, warden))), true},
		"delete somewhere else":                    {own, always(elsewhere), false},
		"somebody else":                            {own, always(eve), false},
		"somebody else, by Bearer":                 {own, always(bearer(t, f, accessToken(t, f, eve))), false},
		"nobody":                                   {own, always(nil), false},
		"a caller of no kind":                      {own, always(&caller.Caller{}), false},
		"the operator":                             {own, always(operator), true},
	} {
		issued := c.token()
		by := c.by(issued)
		before := refusals(t, f)
		r, err := f.Revoke(t.Context(), by, revoking.Revocation{Token: issued.Value.Reveal()})
		if !c.may {
			wantFault(t, name, err, fault.Forbidden, "somebody else's")
			wantAlive(t, f, name, issued)
			if refusals(t, f) != before+1 {
				t.Errorf("%s: the refusal is not in the audit log", name)
			}
			continue
		}
		if err != nil || !r.Revoked {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		wantDead(t, f, name, issued)
	}
}

func TestWhoMayRevokeByID(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada, eve := person(t, f, "ada"), person(t, f, "eve")
	warden := person(t, f, "warden", nodetest.May("delete", access.PathTokens))
	const may = fault.Kind(0)
	for name, c := range map[string]struct {
		by   *caller.Caller
		kind fault.Kind
	}{
		"the owner, by session":                             {ada, may},
		"the owner, by Bearer with credentials":             {bearer(t, f, accessToken(t, f, ada, "credentials")), may},
		"the owner, by a plain Bearer":                      {bearer(t, f, accessToken(t, f, ada, "read")), fault.InsufficientScope},
		"the owner, by an API token without scopes":         {bearer(t, f, apiToken(t, f, ada)), fault.InsufficientScope},
		"the owner, by Bearer with admin and no such right": {bearer(t, f, accessToken(t, f, ada, "admin")), fault.InsufficientScope},
		"delete on /tokens, by session":                     {warden, may},
		"delete on /tokens, by Bearer with admin":           {bearer(t, f, accessToken(t, f, warden, "admin")), may},
		"delete on /tokens, by a plain Bearer":              {bearer(t, f, accessToken(t, f, warden)), fault.NotFound},
		"delete on /tokens, by Bearer with credentials":     {bearer(t, f, accessToken(t, f, warden, "credentials")), fault.NotFound},
		"somebody else":                                     {eve, fault.NotFound},
		"somebody else, by Bearer with credentials":         {bearer(t, f, accessToken(t, f, eve, "credentials")), fault.NotFound},
		"an API key of the owner's":                         {toRevoke(t, f, apiKey(t, f, ada)), fault.NotFound},
		"nobody":                                            {nil, fault.NotFound},
		"the operator":                                      {operator, may},
	} {
		issued := apiToken(t, f, ada)
		_, err := f.RevokeID(t.Context(), c.by, issued.ID)
		switch c.kind { //nolint:exhaustive // what RevokeID refuses with
		case may:
			must(t, err)
			wantDead(t, f, name, issued)
			continue
		case fault.NotFound: // whether it is there is nobody else's business
			wantFault(t, name, err, fault.NotFound, "there is no such token")
		default:
			wantFault(t, name, err, c.kind, "the scope credentials is needed")
		}
		wantAlive(t, f, name, issued)
	}
	for name, issued := range map[string]*issuance.Issued{
		"an access token": accessToken(t, f, ada), "an API token": apiToken(t, f, ada), "an API key": apiKey(t, f, ada),
	} {
		must(t, second(f.RevokeID(t.Context(), toRevoke(t, f, issued), issued.ID)))
		wantDead(t, f, "itself: "+name, issued)
	}
	for _, id := range []string{"", "x", "../" + uuid.NewString(), uuid.NewString() + "0"} {
		_, err := f.RevokeID(t.Context(), operator, id)
		wantFault(t, id, err, fault.NotFound, "")
	}
}

func TestWhoMayRevokeAllOfAUser(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada, eve := person(t, f, "ada"), person(t, f, "eve")
	warden := person(t, f, "warden", nodetest.May("delete", access.PathTokens))
	public := client(t, f, directory.NewClient{ID: "public"})
	for name, c := range map[string]struct {
		by   *caller.Caller
		kind fault.Kind // 0: may
	}{
		"somebody else":                        {eve, fault.Forbidden},
		"delete on /tokens, by a plain Bearer": {bearer(t, f, accessToken(t, f, warden)), fault.InsufficientScope},
		"an API key of the user's":             {toRevoke(t, f, apiKey(t, f, ada)), fault.Unauthenticated},
		"delete on /tokens":                    {warden, 0},
		"by Bearer with admin":                 {bearer(t, f, accessToken(t, f, warden, "admin")), 0},
		"the operator":                         {operator, 0},
	} {
		issued := accessToken(t, f, signedIn(t, f, "ada"))
		before := refusals(t, f)
		_, err := f.RevokeAll(t.Context(), c.by, ada.ID())
		_, byName := f.RevokeAllOf(t.Context(), c.by, "ada")
		if c.kind == 0 {
			must(t, err)
			must(t, byName)
			wantDead(t, f, name, issued)
			continue
		}
		wantFault(t, name, err, c.kind, "")
		wantFault(t, name+", by name", byName, c.kind, "")
		wantAlive(t, f, name, issued)
		if got := refusals(t, f) - before; got != 2 {
			t.Errorf("%s: %d refusals in the audit log, want 2", name, got)
		}
	}
	for _, subject := range []string{ada.ID(), public.ID()} {
		_, err := f.RevokeAll(t.Context(), public, subject)
		wantFault(t, "a public client, which anybody can name", err, fault.Unauthenticated, "")
	}
	_, err := f.RevokeAll(t.Context(), nil, ada.ID())
	wantFault(t, "nobody", err, fault.Unauthenticated, "")
	_, err = f.RevokeAllOf(t.Context(), nil, "ada")
	wantFault(t, "nobody, by name", err, fault.Unauthenticated, "")
	_, err = f.RevokeAllOf(t.Context(), operator, "nobody")
	wantFault(t, "an unknown user", err, fault.NotFound, "")
	_, err = f.RevokeAllOf(t.Context(), eve, "nobody")
	wantFault(t, "an unknown user, to somebody", err, fault.Forbidden, "")
	for name, by := range map[string]*caller.Caller{
		"by a plain Bearer":               bearer(t, f, accessToken(t, f, eve, "read")),
		"by an API token without scopes":  bearer(t, f, apiToken(t, f, eve)),
		"by Bearer with admin, no rights": bearer(t, f, accessToken(t, f, eve, "admin")),
	} {
		for _, ref := range []string{eve.ID(), "eve"} {
			before := refusals(t, f)
			_, err := f.RevokeAllOf(t.Context(), by, ref)
			wantFault(t, "one's own, "+name, err, fault.InsufficientScope, "credentials")
			wantFault(t, "one's own, asked before, "+name, f.MayRevokeAllOf(t.Context(), by, ref), fault.InsufficientScope, "credentials")
			if got := refusals(t, f) - before; got != 2 {
				t.Errorf("%s: %d refusals in the audit log, want 2", name, got)
			}
		}
		_, err := f.RevokeAll(t.Context(), by, eve.ID())
		wantFault(t, "one's own, by subject, "+name, err, fault.InsufficientScope, "credentials")
	}
	must(t, f.MayRevokeAllOf(t.Context(), eve, "eve"))
	must(t, second(f.RevokeAllOf(t.Context(), eve, "eve")))
	must(t, second(f.RevokeAllOf(t.Context(), bearer(t, f, accessToken(t, f, signedIn(t, f, "eve"), "credentials")), "eve")))
	must(t, second(f.RevokeAll(t.Context(), bearer(t, f, accessToken(t, f, warden, "admin")), warden.ID())))
	// A subject that is nobody's would be an entry that no node can honour.
	_, err = f.RevokeAll(t.Context(), operator, "")
	wantFault(t, "no subject", err, fault.NotFound, "")
	wantAlive(t, f, "another's token, the log being whole", accessToken(t, f, signedIn(t, f, "ada")))
}

// A token that may revoke itself alone can do nothing else, whatever asks it.
func TestTokenThatMayRevokeItselfCanDoNothingElse(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	root := person(t, f, "root", nodetest.Admin())
	app := client(t, f, directory.NewClient{ID: "app", Secret: nodetest.ClientSecret, Grants: allGrants, Audiences: []string{"https://files.example"}})
	abroad := made(t, f, root, issuance.Request{
		Kind: token.KindAccess, Scope: []string{"admin", "credentials", "introspect"}, Client: app.Principal, Audience: "https://files.example",
	})
	c := toRevoke(t, f, abroad)
	mine := apiToken(t, f, root)
	for name, err := range map[string]error{
		"administering":        second(f.UserList(t.Context(), c, records.UserQuery{})),
		"changing a user":      second(f.UpdateUser(t.Context(), c, "root", directory.UserPatch{Name: new("x")})),
		"reading the audit":    second(f.AuditEvents(t.Context(), c, audit.Filter{})),
		"listing tokens":       second(f.TokenList(t.Context(), c, records.TokenQuery{Owner: c.ID()})),
		"making an API token":  second(f.CreateAPIToken(t.Context(), c, issuance.NewCredential{Name: "x"})),
		"making an API key":    second(f.CreateAPIKey(t.Context(), c, issuance.NewCredential{})),
		"an access token":      second(f.Issue(t.Context(), c, &issuance.Request{Kind: token.KindAccess})),
		"regenerating":         second(f.Regenerate(t.Context(), c, mine.ID, 0)),
		"revoking another":     second(f.RevokeID(t.Context(), c, mine.ID)),
		"revoking all":         second(f.RevokeAll(t.Context(), c, c.ID())),
		"trading it elsewhere": second(f.Exchange(t.Context(), issuance.Exchange{Subject: abroad.Value.Reveal(), Client: app})),
	} {
		if err == nil {
			t.Errorf("%s is allowed", name)
		}
	}
	if _, _, err := f.Introspect(t.Context(), c, mine.Value.Reveal()); err == nil {
		t.Error("introspecting is allowed")
	}
	must(t, second(f.Revoke(t.Context(), c, revoking.Revocation{Token: abroad.Value.Reveal()})))
	wantDead(t, f, "itself", abroad)
	wantAlive(t, f, "another", mine)
}
