package authority_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

func toRevoke(t *testing.T, f *authoritytest.Fixture, issued *authority.Issued) *authority.Caller {
	t.Helper()
	c, err := f.BearerToRevoke(t.Context(), issued.Value.Reveal())
	must(t, err)
	return c
}

func TestWhoMayRevokeAToken(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{Policy: taskPolicy})
	ada := person(t, f, "ada", authoritytest.May("create", "/task-tokens/TES"))
	eve := person(t, f, "eve")
	warden := person(t, f, "warden", authoritytest.May("delete", authority.PathTokens))
	elsewhere := person(t, f, "elsewhere", authoritytest.May("delete", "/tokens-of-mine"), authoritytest.May("read", authority.PathTokens))
	app := client(t, f, authority.NewClient{ID: "app", Secret: authoritytest.ClientSecret, Grants: allGrants})
	other := client(t, f, authority.NewClient{ID: "other", Secret: authoritytest.ClientSecret, Grants: allGrants})
	public := client(t, f, authority.NewClient{ID: "public"})
	apps := func() *authority.Issued {
		return made(t, f, ada, authority.Request{Kind: token.KindAccess, Client: app.Principal})
	}
	publics := func() *authority.Issued {
		return made(t, f, ada, authority.Request{Kind: token.KindAccess, Client: public.Principal})
	}
	own := func() *authority.Issued { return accessToken(t, f, ada) }
	key := func() *authority.Issued { return apiKey(t, f, ada, authority.NewCredential{}) }
	task := func() *authority.Issued {
		issued, err := exchange(t, f, authority.Exchange{Subject: key().Value.Reveal(), TaskType: "TES"})
		must(t, err)
		return issued
	}
	self := func(issued *authority.Issued) *authority.Caller { return toRevoke(t, f, issued) }
	always := func(c *authority.Caller) func(*authority.Issued) *authority.Caller {
		return func(*authority.Issued) *authority.Caller { return c }
	}
	for name, c := range map[string]struct {
		token func() *authority.Issued
		by    func(*authority.Issued) *authority.Caller
		may   bool
	}{
		"the owner, by session":                    {own, always(ada), true},
		"the owner, by password":                   {own, always(&authority.Caller{Principal: ada.Principal}), true},
		"the owner, by another token":              {own, always(bearer(t, f, own())), true},
		"the owner, by an API token":               {own, always(bearer(t, f, apiToken(t, f, ada, authority.NewCredential{}))), true},
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
		"a caller of no kind":                      {own, always(&authority.Caller{}), false},
		"the operator":                             {own, always(operator), true},
	} {
		issued := c.token()
		by := c.by(issued)
		before := refusals(t, f)
		r, err := f.Revoke(t.Context(), by, authority.Revocation{Token: issued.Value.Reveal(), Wait: true})
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
	f := authoritytest.New(t, authoritytest.Options{})
	ada, eve := person(t, f, "ada"), person(t, f, "eve")
	warden := person(t, f, "warden", authoritytest.May("delete", authority.PathTokens))
	for name, c := range map[string]struct {
		by  *authority.Caller
		may bool
	}{
		"the owner, by session":                   {ada, true},
		"the owner, by Bearer":                    {bearer(t, f, accessToken(t, f, ada)), true},
		"delete on /tokens, by session":           {warden, true},
		"delete on /tokens, by Bearer with admin": {bearer(t, f, accessToken(t, f, warden, "admin")), true},
		"delete on /tokens, by a plain Bearer":    {bearer(t, f, accessToken(t, f, warden)), false},
		"somebody else":                           {eve, false},
		"an API key of the owner's":               {toRevoke(t, f, apiKey(t, f, ada, authority.NewCredential{})), false},
		"nobody":                                  {nil, false},
		"the operator":                            {operator, true},
	} {
		issued := apiToken(t, f, ada, authority.NewCredential{})
		_, err := f.RevokeID(t.Context(), c.by, issued.ID, true)
		if c.may {
			must(t, err)
			wantDead(t, f, name, issued)
			continue
		}
		wantFault(t, name, err, fault.NotFound, "there is no such token") // whether it is there is nobody else's business
		wantAlive(t, f, name, issued)
	}
	for _, id := range []string{"", "x", "../" + uuid.NewString(), uuid.NewString() + "0"} {
		_, err := f.RevokeID(t.Context(), operator, id, true)
		wantFault(t, id, err, fault.NotFound, "")
	}
}

func TestWhoMayRevokeAllOfAUser(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	ada, eve := person(t, f, "ada"), person(t, f, "eve")
	warden := person(t, f, "warden", authoritytest.May("delete", authority.PathTokens))
	public := client(t, f, authority.NewClient{ID: "public"})
	for name, c := range map[string]struct {
		by   *authority.Caller
		kind fault.Kind // 0: may
	}{
		"somebody else":                        {eve, fault.Forbidden},
		"delete on /tokens, by a plain Bearer": {bearer(t, f, accessToken(t, f, warden)), fault.InsufficientScope},
		"an API key of the user's":             {toRevoke(t, f, apiKey(t, f, ada, authority.NewCredential{})), fault.Unauthenticated},
		"delete on /tokens":                    {warden, 0},
		"by Bearer with admin":                 {bearer(t, f, accessToken(t, f, warden, "admin")), 0},
		"the operator":                         {operator, 0},
	} {
		issued := accessToken(t, f, signedIn(t, f, "ada"))
		before := refusals(t, f)
		_, err := f.RevokeAll(t.Context(), c.by, ada.Subject(), true)
		_, byName := f.RevokeAllOf(t.Context(), c.by, "ada", true)
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
	for _, subject := range []string{ada.Subject(), public.Subject()} {
		_, err := f.RevokeAll(t.Context(), public, subject, true)
		wantFault(t, "a public client, which anybody can name", err, fault.Unauthenticated, "")
	}
	_, err := f.RevokeAll(t.Context(), nil, ada.Subject(), true)
	wantFault(t, "nobody", err, fault.Unauthenticated, "")
	_, err = f.RevokeAllOf(t.Context(), nil, "ada", true)
	wantFault(t, "nobody, by name", err, fault.Unauthenticated, "")
	_, err = f.RevokeAllOf(t.Context(), operator, "nobody", true)
	wantFault(t, "an unknown user", err, fault.NotFound, "")
	_, err = f.RevokeAllOf(t.Context(), eve, "nobody", true)
	wantFault(t, "an unknown user, to somebody", err, fault.Forbidden, "")
	must(t, second(f.RevokeAllOf(t.Context(), eve, "eve", true)))
	// A subject that is nobody's would be an entry that no node can honour.
	_, err = f.RevokeAll(t.Context(), operator, "", true)
	wantFault(t, "no subject", err, fault.NotFound, "")
	wantAlive(t, f, "another's token, the log being whole", accessToken(t, f, signedIn(t, f, "ada")))
}

// A token that may revoke itself alone can do nothing else, whatever asks it.
func TestTokenThatMayRevokeItselfCanDoNothingElse(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	root := person(t, f, "root", authoritytest.Admin())
	app := client(t, f, authority.NewClient{ID: "app", Secret: authoritytest.ClientSecret, Grants: allGrants, Audiences: []string{"https://files.example"}})
	abroad := made(t, f, root, authority.Request{
		Kind: token.KindAccess, Scope: []string{"admin", "credentials", "introspect"}, Client: app.Principal, Audience: "https://files.example",
	})
	c := toRevoke(t, f, abroad)
	mine := apiToken(t, f, root, authority.NewCredential{})
	for name, err := range map[string]error{
		"administering":        second(f.UserList(t.Context(), c, records.UserQuery{})),
		"changing a user":      second(f.UpdateUser(t.Context(), c, "root", authority.UserPatch{Name: new("x")})),
		"reading the audit":    second(f.AuditEvents(t.Context(), c, audit.Filter{})),
		"listing tokens":       second(f.TokenList(t.Context(), c, records.TokenQuery{Owner: c.Subject()})),
		"making an API token":  second(f.CreateAPIToken(t.Context(), c, authority.NewCredential{Name: "x"})),
		"making an API key":    second(f.CreateAPIKey(t.Context(), c, authority.NewCredential{})),
		"an access token":      second(f.Issue(t.Context(), c, &authority.Request{Kind: token.KindAccess})),
		"regenerating":         second(f.Regenerate(t.Context(), c, mine.ID, 0)),
		"revoking another":     second(f.RevokeID(t.Context(), c, mine.ID, true)),
		"revoking all":         second(f.RevokeAll(t.Context(), c, c.Subject(), true)),
		"reading revocations":  c.RequireRevocations(),
		"trading it elsewhere": second(f.Exchange(t.Context(), authority.Exchange{Subject: abroad.Value.Reveal(), Client: app})),
	} {
		if err == nil {
			t.Errorf("%s is allowed", name)
		}
	}
	if _, _, err := f.Introspect(t.Context(), c, mine.Value.Reveal()); err == nil {
		t.Error("introspecting is allowed")
	}
	must(t, second(f.Revoke(t.Context(), c, authority.Revocation{Token: abroad.Value.Reveal()})))
	wantDead(t, f, "itself", abroad)
	wantAlive(t, f, "another", mine)
}
