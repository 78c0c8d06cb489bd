package revoking_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/token"
)

func TestWhoMayRevokeAToken(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: nodetest.WithTaskTypes})
	f.Collection(t, 4, "Fish")
	ada := f.Person(t, "ada", nodetest.May("create", "/task-tokens/TES"), nodetest.May("access", "/collections/4"))
	bound := f.Made(t, ada, issuance.Request{Kind: token.KindAccess, Scope: []string{"read"}, Collection: new(int64(4))})
	p, err := f.Store.Principal(t.Context(), records.Who{UserID: ada.ID()})
	nodetest.Must(t, err)
	byPassword := caller.ByPrincipal(&p)
	eve := f.Person(t, "eve")
	warden := f.Person(t, "warden", nodetest.May("delete", access.PathTokens))
	elsewhere := f.Person(t, "elsewhere", nodetest.May("delete", "/tokens-of-mine"), nodetest.May("read", access.PathTokens))
	app := f.NewClient(t, identity.NewClient{ID: "app", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants()})
	other := f.NewClient(t, identity.NewClient{ID: "other", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants()})
	public := f.NewClient(t, identity.NewClient{ID: "public"})
	apps := func() *issuance.Issued {
		return f.Made(t, ada, issuance.Request{Kind: token.KindAccess, Client: app.Principal})
	}
	publics := func() *issuance.Issued {
		return f.Made(t, ada, issuance.Request{Kind: token.KindAccess, Client: public.Principal})
	}
	own := func() *issuance.Issued { return f.MadeAccess(t, ada) }
	key := func() *issuance.Issued { return f.ExchangeKey(t, ada, credentials.NewCredential{}) }
	task := func() *issuance.Issued {
		pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: key().Value.Reveal(), TaskType: "TES"})
		nodetest.Must(t, err)
		return pair.Access
	}
	self := func(issued *issuance.Issued) *caller.Caller { return f.ToRevoke(t, issued) }
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
		"the owner, by another token":              {own, always(f.ByBearer(t, own())), true},
		"the owner, by a token for a collection":   {own, always(f.ByBearer(t, bound)), true},
		"the owner, a session, by another token":   {func() *issuance.Issued { return f.SessionOf(t, "ada") }, always(f.ByBearer(t, own())), true},
		"the owner, by an API token":               {own, always(f.ByBearer(t, f.APIToken(t, ada, credentials.NewCredential{}))), true},
		"the owner, what a client has":             {apps, always(ada), true},
		"the owner, a task token":                  {task, always(ada), true},
		"itself":                                   {own, self, true},
		"itself, an API key":                       {key, self, true},
		"itself, a task token":                     {task, self, true},
		"an API key, another token of its owner's": {own, always(f.ToRevoke(t, key())), false},
		"an API key, another API key":              {key, always(f.ToRevoke(t, key())), false},
		"a task token, another task token":         {task, always(f.ToRevoke(t, task())), false},
		"the client it was issued to":              {apps, always(app), true},
		"another client":                           {apps, always(other), false},
		"a client, what was issued to none":        {own, always(app), false},
		"a public client, its own":                 {publics, always(public), true},
		"a public client, another's":               {apps, always(public), false},
		"a public client, what was issued to none": {own, always(public), false},
		"delete on /tokens":                        {own, always(warden), true},
		"delete on /tokens, a client's":            {apps, always(warden), true},
		"delete on /tokens, by Bearer":             {own, always(f.ByBearer(t, f.MadeAccess(t, warden))), true},
		"delete somewhere else":                    {own, always(elsewhere), false},
		"somebody else":                            {own, always(eve), false},
		"somebody else, by Bearer":                 {own, always(f.ByBearer(t, f.MadeAccess(t, eve))), false},
		"nobody":                                   {own, always(nil), false},
		"a caller of no kind":                      {own, always(&caller.Caller{}), false},
		"the operator":                             {own, always(operator), true},
	} {
		issued := c.token()
		by := c.by(issued)
		before := f.Refusals(t)
		r, err := f.Revoke(t.Context(), by, revoking.Revocation{Token: issued.Value.Reveal()})
		if !c.may {
			nodetest.WantFault(t, name, err, fault.Forbidden, "belongs to somebody else")
			f.WantAlive(t, name, issued)
			if f.Refusals(t) != before+1 {
				t.Errorf("%s: the refusal is not in the audit log", name)
			}
			continue
		}
		if err != nil || !r.Revoked {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		f.WantDead(t, name, issued)
	}
}

func TestWhoMayRevokeByID(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada, eve := f.Person(t, "ada"), f.Person(t, "eve")
	warden := f.Person(t, "warden", nodetest.May("delete", access.PathTokens))
	const may = fault.Kind(0)
	for name, c := range map[string]struct {
		by   *caller.Caller
		kind fault.Kind
	}{
		"the owner, by session":                             {ada, may},
		"the owner, by Bearer with credentials":             {f.ByBearer(t, f.MadeAccess(t, ada, "credentials")), may},
		"the owner, by a plain Bearer":                      {f.ByBearer(t, f.MadeAccess(t, ada, "read")), fault.InsufficientScope},
		"the owner, by an API token without scopes":         {f.ByBearer(t, f.APIToken(t, ada, credentials.NewCredential{})), fault.InsufficientScope},
		"the owner, by Bearer with admin and no such right": {f.ByBearer(t, f.MadeAccess(t, ada, "admin")), fault.InsufficientScope},
		"delete on /tokens, by session":                     {warden, may},
		"delete on /tokens, by Bearer with admin":           {f.ByBearer(t, f.MadeAccess(t, warden, "admin")), may},
		"delete on /tokens, by a plain Bearer":              {f.ByBearer(t, f.MadeAccess(t, warden)), fault.NotFound},
		"delete on /tokens, by Bearer with credentials":     {f.ByBearer(t, f.MadeAccess(t, warden, "credentials")), fault.NotFound},
		"somebody else":                                     {eve, fault.NotFound},
		"somebody else, by Bearer with credentials":         {f.ByBearer(t, f.MadeAccess(t, eve, "credentials")), fault.NotFound},
		"an API key of the owner's":                         {f.ToRevoke(t, f.ExchangeKey(t, ada, credentials.NewCredential{})), fault.NotFound},
		"nobody":                                            {nil, fault.NotFound},
		"the operator":                                      {operator, may},
	} {
		issued := f.APIToken(t, ada, credentials.NewCredential{})
		_, err := f.RevokeID(t.Context(), c.by, issued.ID)
		switch c.kind { //nolint:exhaustive // what RevokeID refuses with
		case may:
			nodetest.Must(t, err)
			f.WantDead(t, name, issued)
			continue
		case fault.NotFound: // whether it is there is nobody else's business
			nodetest.WantFault(t, name, err, fault.NotFound, "there is no such token")
		default:
			nodetest.WantFault(t, name, err, c.kind, "the scope credentials is needed")
		}
		f.WantAlive(t, name, issued)
	}
	for name, issued := range map[string]*issuance.Issued{
		"an access token": f.MadeAccess(t, ada), "an API token": f.APIToken(t, ada, credentials.NewCredential{}), "an API key": f.ExchangeKey(t, ada, credentials.NewCredential{}),
	} {
		nodetest.Must(t, nodetest.Second(f.RevokeID(t.Context(), f.ToRevoke(t, issued), issued.ID)))
		f.WantDead(t, "itself: "+name, issued)
	}
	for _, id := range []string{"", "x", "../" + uuid.NewString(), uuid.NewString() + "0"} {
		_, err := f.RevokeID(t.Context(), operator, id)
		nodetest.WantFault(t, id, err, fault.NotFound, "")
	}
}

func TestWhoMayRevokeAllOfAUser(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada, eve := f.Person(t, "ada"), f.Person(t, "eve")
	warden := f.Person(t, "warden", nodetest.May("delete", access.PathTokens))
	public := f.NewClient(t, identity.NewClient{ID: "public"})
	for name, c := range map[string]struct {
		by   *caller.Caller
		kind fault.Kind // 0: may
	}{
		"somebody else":                        {eve, fault.Forbidden},
		"delete on /tokens, by a plain Bearer": {f.ByBearer(t, f.MadeAccess(t, warden)), fault.InsufficientScope},
		"an API key of the user's":             {f.ToRevoke(t, f.ExchangeKey(t, ada, credentials.NewCredential{})), fault.Unauthenticated},
		"delete on /tokens":                    {warden, 0},
		"by Bearer with admin":                 {f.ByBearer(t, f.MadeAccess(t, warden, "admin")), 0},
		"the operator":                         {operator, 0},
	} {
		issued := f.MadeAccess(t, f.SignedIn(t, "ada"))
		before := f.Refusals(t)
		_, err := f.RevokeAll(t.Context(), c.by, ada.ID())
		_, byName := f.RevokeAllOf(t.Context(), c.by, "ada")
		if c.kind == 0 {
			nodetest.Must(t, err)
			nodetest.Must(t, byName)
			f.WantDead(t, name, issued)
			continue
		}
		nodetest.WantFault(t, name, err, c.kind, "")
		nodetest.WantFault(t, name+", by name", byName, c.kind, "")
		f.WantAlive(t, name, issued)
		if got := f.Refusals(t) - before; got != 2 {
			t.Errorf("%s: %d refusals in the audit log, want 2", name, got)
		}
	}
	for _, subject := range []string{ada.ID(), public.ID()} {
		_, err := f.RevokeAll(t.Context(), public, subject)
		nodetest.WantFault(t, "a public client, which anybody can name", err, fault.Unauthenticated, "")
	}
	_, err := f.RevokeAll(t.Context(), nil, ada.ID())
	nodetest.WantFault(t, "nobody", err, fault.Unauthenticated, "")
	_, err = f.RevokeAllOf(t.Context(), nil, "ada")
	nodetest.WantFault(t, "nobody, by name", err, fault.Unauthenticated, "")
	_, err = f.RevokeAllOf(t.Context(), operator, "nobody")
	nodetest.WantFault(t, "an unknown user", err, fault.NotFound, "")
	_, err = f.RevokeAllOf(t.Context(), eve, "nobody")
	nodetest.WantFault(t, "an unknown user, to somebody", err, fault.Forbidden, "")
	for name, by := range map[string]*caller.Caller{
		"by a plain Bearer":               f.ByBearer(t, f.MadeAccess(t, eve, "read")),
		"by an API token without scopes":  f.ByBearer(t, f.APIToken(t, eve, credentials.NewCredential{})),
		"by Bearer with admin, no rights": f.ByBearer(t, f.MadeAccess(t, eve, "admin")),
	} {
		for _, ref := range []string{eve.ID(), "eve"} {
			before := f.Refusals(t)
			_, err := f.RevokeAllOf(t.Context(), by, ref)
			nodetest.WantFault(t, "one's own, "+name, err, fault.InsufficientScope, "credentials")
			nodetest.WantFault(t, "one's own, asked before, "+name, f.MayRevokeAllOf(t.Context(), by, ref), fault.InsufficientScope, "credentials")
			if got := f.Refusals(t) - before; got != 2 {
				t.Errorf("%s: %d refusals in the audit log, want 2", name, got)
			}
		}
		_, err := f.RevokeAll(t.Context(), by, eve.ID())
		nodetest.WantFault(t, "one's own, by subject, "+name, err, fault.InsufficientScope, "credentials")
	}
	nodetest.Must(t, f.MayRevokeAllOf(t.Context(), eve, "eve"))
	nodetest.Must(t, nodetest.Second(f.RevokeAllOf(t.Context(), eve, "eve")))
	nodetest.Must(t, nodetest.Second(f.RevokeAllOf(t.Context(), f.ByBearer(t, f.MadeAccess(t, f.SignedIn(t, "eve"), "credentials")), "eve")))
	nodetest.Must(t, nodetest.Second(f.RevokeAll(t.Context(), f.ByBearer(t, f.MadeAccess(t, warden, "admin")), warden.ID())))
	// An unknown subject would be an entry that no node can apply.
	_, err = f.RevokeAll(t.Context(), operator, "")
	nodetest.WantFault(t, "no subject", err, fault.NotFound, "")
	f.WantAlive(t, "another's token, the log being whole", f.MadeAccess(t, f.SignedIn(t, "ada")))
}

// A token that may revoke only itself can do nothing else, at any endpoint.
func TestTokenThatMayRevokeItselfCanDoNothingElse(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	root := f.Person(t, "root", nodetest.Admin())
	app := f.NewClient(t, identity.NewClient{ID: "app", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants(), Audiences: []string{"https://files.example"}})
	abroad := f.Made(t, root, issuance.Request{
		Kind: token.KindAccess, Scope: []string{"admin", "credentials", "introspect"}, Client: app.Principal, Audience: "https://files.example",
	})
	c := f.ToRevoke(t, abroad)
	mine := f.APIToken(t, root, credentials.NewCredential{})
	for name, err := range map[string]error{
		"administering":        nodetest.Second(f.UserList(t.Context(), c, records.UserQuery{})),
		"changing a user":      nodetest.Second(f.UpdateUser(t.Context(), c, "root", identity.UserPatch{Name: new("x")})),
		"reading the audit":    nodetest.Second(f.AuditEvents(t.Context(), c, audit.Filter{})),
		"listing tokens":       nodetest.Second(f.TokenList(t.Context(), c, records.TokenQuery{Owner: c.ID()})),
		"making an API token":  nodetest.Second(f.CreateAPIToken(t.Context(), c, credentials.NewCredential{Name: "x"})),
		"making an API key":    nodetest.Second(f.CreateExchangeKey(t.Context(), c, credentials.NewCredential{})),
		"an access token":      nodetest.Second(f.Issue(t.Context(), c, &issuance.Request{Kind: token.KindAccess})),
		"regenerating":         nodetest.Second(f.Regenerate(t.Context(), c, mine.ID, 0)),
		"revoking another":     nodetest.Second(f.RevokeID(t.Context(), c, mine.ID)),
		"revoking all":         nodetest.Second(f.RevokeAll(t.Context(), c, c.ID())),
		"trading it elsewhere": nodetest.Second(f.Exchange(t.Context(), issuance.Exchange{Subject: abroad.Value.Reveal(), Client: app})),
	} {
		if err == nil {
			t.Errorf("%s is allowed", name)
		}
	}
	if _, _, err := f.Introspect(t.Context(), c, mine.Value.Reveal()); err == nil {
		t.Error("introspecting is allowed")
	}
	nodetest.Must(t, nodetest.Second(f.Revoke(t.Context(), c, revoking.Revocation{Token: abroad.Value.Reveal()})))
	f.WantDead(t, "itself", abroad)
	f.WantAlive(t, "another", mine)
}
