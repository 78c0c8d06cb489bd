package caller_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

func grant(action string, path access.Path) access.Grant {
	return access.Grant{Action: action, Path: path}
}

func subject(id string, grants ...access.Grant) *verification.Subject {
	return &verification.Subject{ID: id, Username: id, Grants: grants}
}

// signedIn is when everybody who has a session signed in.
var signedIn = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const fresh = 15 * time.Minute

// presenting returns the caller who presented a token of a subject.
func presenting(s *verification.Subject, kind token.Kind, scope ...string) *caller.Caller {
	t := &verification.Token{Kind: kind, ID: "token of " + s.ID, Subject: s.ID, ClientID: identity.OwnClientID, Scope: scope, Seq: 7, IssuedAt: signedIn, SignedIn: signedIn}
	if s.Client {
		t.ClientID = s.ID
	}
	return caller.ByToken(&verification.Identity{Token: t, Subject: s, AsOf: 9})
}

// inCollection returns the caller as one whose token is good in a collection alone.
func inCollection(c *caller.Caller) *caller.Caller {
	c.Token.Collection = new(int64(4))
	return c
}

func byPassword(id string, grants ...access.Grant) *caller.Caller {
	return caller.ByPrincipal(&records.Principal{User: &identity.User{ID: id, Username: id}, Grants: grants})
}

func client(id string, grants ...string) *records.Principal {
	return &records.Principal{Client: &identity.Client{ID: id, Grants: grants}}
}

func scimClient() *records.Principal {
	p := client("hr")
	p.Client.Scopes = []string{identity.ScopeSCIM}
	return p
}

var (
	everything = grant(access.Any, access.Root)
	deleter    = grant(access.ActionDelete, access.PathTokens)
	reader     = grant(identity.ScopeIntrospect, access.PathTokens)
	hr         = grant(identity.ScopeSCIM, access.PathUsers)
	machine    = &verification.Subject{ID: "ci", Client: true}
)

// callers are everybody who can ask for something.
func callers() map[string]*caller.Caller {
	ada, root, eve := subject("ada"), subject("root", everything), subject("eve", deleter)
	gone := &verification.Subject{ID: "gone", Username: "gone", Disabled: true, Grants: []access.Grant{everything}}
	return map[string]*caller.Caller{
		"nobody":       nil,
		"the operator": caller.Operator(),
		"bearerd":      caller.System(),

		"a user, by password":                    byPassword("ada"),
		"an administrator, by password":          byPassword("root", everything),
		"a user's session":                       presenting(ada, token.KindSession),
		"an administrator's session":             presenting(root, token.KindSession),
		"an administrator's session, collection": inCollection(presenting(root, token.KindSession)),
		"a disabled administrator's session":     presenting(gone, token.KindSession),

		"a user's token":                             presenting(ada, token.KindAccess),
		"a user's token with credentials":            presenting(ada, token.KindAccess, identity.ScopeCredentials),
		"a user's token with every scope":            presenting(ada, token.KindAccess, identity.ScopeAdmin, identity.ScopeIntrospect),
		"an administrator's token":                   presenting(root, token.KindAccess),
		"an administrator's token with the scope":    presenting(root, token.KindAccess, identity.ScopeAdmin),
		"an administrator's API token with it":       presenting(root, token.KindAPIToken, identity.ScopeAdmin),
		"an administrator's token for a collection":  inCollection(presenting(root, token.KindAccess, identity.ScopeAdmin)),
		"an administrator's token in a dialect":      presenting(root, token.KindAccess).InDialect(),
		"a user's token in a dialect":                presenting(ada, token.KindAccess).InDialect(),
		"a user's token with a scope in a dialect":   presenting(ada, token.KindAccess, "read").InDialect(),
		"a collection's token in a dialect":          inCollection(presenting(ada, token.KindAccess)).InDialect(),
		"an administrator's token, to revoke itself": presenting(root, token.KindAccess, identity.ScopeAdmin).OnlyRevokeSelf(),

		"a deleter's session":              presenting(eve, token.KindSession),
		"a deleter's token":                presenting(eve, token.KindAccess),
		"a deleter's token with the scope": presenting(eve, token.KindAccess, identity.ScopeAdmin),

		"an introspecter's token":                presenting(subject("bob", reader), token.KindAccess, identity.ScopeIntrospect),
		"an introspecter's token without it":     presenting(subject("bob", reader), token.KindAccess),
		"an introspecter's session":              presenting(subject("bob", reader), token.KindSession),
		"an introspecter's token, revoking self": presenting(subject("bob", reader), token.KindAccess, identity.ScopeIntrospect).OnlyRevokeSelf(),

		"a client":                           caller.ByPrincipal(client("ci", identity.GrantTypeClientCredentials, identity.GrantTypeDeviceCode)),
		"a client without grants":            caller.ByPrincipal(client("ci")),
		"a public client":                    caller.PublicClient(client("ci", identity.GrantTypeClientCredentials, identity.GrantTypeDeviceCode)),
		"a public client without grants":     caller.PublicClient(client("ci")),
		"a client's token":                   presenting(machine, token.KindAccess),
		"a client's token, to introspect":    presenting(machine, token.KindAccess, identity.ScopeIntrospect),
		"a client's token with the scope":    presenting(machine, token.KindAccess, identity.ScopeAdmin),
		"a client's token, to revoke itself": presenting(machine, token.KindAccess).OnlyRevokeSelf(),

		"a provisioner's token":               presenting(subject("hr", hr), token.KindAPIToken, identity.ScopeSCIM),
		"a provisioner's token without it":    presenting(subject("hr", hr), token.KindAPIToken),
		"a provisioner's token, collection":   inCollection(presenting(subject("hr", hr), token.KindAPIToken, identity.ScopeSCIM)),
		"a provisioner's session":             presenting(subject("hr", hr), token.KindSession),
		"a user's token with scim":            presenting(ada, token.KindAPIToken, identity.ScopeSCIM),
		"a client with scim":                  caller.ByPrincipal(scimClient()),
		"a public client with scim":           caller.PublicClient(scimClient()),
		"a client's token, to provision":      presenting(machine, token.KindAccess, identity.ScopeSCIM),
		"a client's token, to provision self": presenting(machine, token.KindAccess, identity.ScopeSCIM).OnlyRevokeSelf(),
	}
}

const (
	ok           = fault.Kind(0)
	unknown      = fault.Unauthenticated
	scope        = fault.InsufficientScope
	forbidden    = fault.Forbidden
	badClient    = fault.InvalidClient
	unauthorized = fault.UnauthorizedClient
)

// gates are what an operation asks first, in the order of the columns of the table.
var gates = []struct {
	name string
	ask  func(c *caller.Caller) error
}{
	{"RequireSignedIn", (*caller.Caller).RequireSignedIn},
	{"RequireAdministrator", (*caller.Caller).RequireAdministrator},
	{"RequireDelete", (*caller.Caller).RequireDelete},
	{"RequireIntrospect", caller.RequireIntrospect},
	{"RequireRevokeAll of themselves", func(c *caller.Caller) error { return caller.RequireRevokeAll(c, ownID(c)) }},
	{"RequireRevokeAll of another", func(c *caller.Caller) error { return caller.RequireRevokeAll(c, "somebody else") }},
	{"RequireClientCredentials", caller.RequireClientCredentials},
	{"RequireDeviceGrant", caller.RequireDeviceGrant},
	{"RequireProvision", func(c *caller.Caller) error { _, err := caller.RequireProvision(c); return err }},
}

func ownID(c *caller.Caller) string {
	if id := c.ID(); id != "" {
		return id
	}
	return "somebody"
}

// TestGates is the table of who passes which gate, and how the others are refused.
func TestGates(t *testing.T) {
	t.Parallel()
	table := map[string][]fault.Kind{
		//                                             signed in, administrator, delete, introspect, all of own, all of other, client credentials, device, provision
		"nobody":       {unknown, unknown, unknown, scope, unknown, unknown, badClient, badClient, unknown},
		"the operator": {ok, ok, ok, ok, ok, ok, badClient, badClient, scope},
		"bearerd":      {ok, forbidden, forbidden, scope, forbidden, forbidden, badClient, badClient, scope},

		"a user, by password":                    {ok, forbidden, forbidden, scope, ok, forbidden, badClient, badClient, scope},
		"an administrator, by password":          {ok, ok, ok, scope, ok, ok, badClient, badClient, scope},
		"a user's session":                       {ok, forbidden, forbidden, scope, ok, forbidden, badClient, badClient, scope},
		"an administrator's session":             {ok, ok, ok, scope, ok, ok, badClient, badClient, scope},
		"an administrator's session, collection": {ok, ok, ok, scope, ok, ok, badClient, badClient, scope}, // it bounds nothing
		"a disabled administrator's session":     {ok, forbidden, forbidden, scope, ok, forbidden, badClient, badClient, scope},

		"a user's token":                             {ok, scope, scope, scope, scope, scope, badClient, badClient, scope},
		"a user's token with credentials":            {ok, scope, scope, scope, ok, scope, badClient, badClient, scope},
		"a user's token with every scope":            {ok, forbidden, forbidden, scope, scope, forbidden, badClient, badClient, scope},
		"an administrator's token":                   {ok, scope, scope, scope, scope, scope, badClient, badClient, scope},
		"an administrator's token with the scope":    {ok, ok, ok, scope, ok, ok, badClient, badClient, scope},
		"an administrator's API token with it":       {ok, ok, ok, scope, ok, ok, badClient, badClient, scope},
		"an administrator's token for a collection":  {ok, scope, scope, scope, scope, scope, badClient, badClient, scope},
		"an administrator's token in a dialect":      {ok, ok, ok, ok, ok, ok, badClient, badClient, ok},
		"a user's token in a dialect":                {ok, forbidden, forbidden, scope, ok, forbidden, badClient, badClient, scope},
		"a user's token with a scope in a dialect":   {ok, scope, scope, scope, scope, scope, badClient, badClient, scope},
		"a collection's token in a dialect":          {ok, scope, scope, scope, scope, scope, badClient, badClient, scope},
		"an administrator's token, to revoke itself": {unknown, scope, scope, scope, unknown, unknown, badClient, badClient, scope},

		"a deleter's session":              {ok, forbidden, ok, scope, ok, ok, badClient, badClient, scope},
		"a deleter's token":                {ok, scope, scope, scope, scope, scope, badClient, badClient, scope},
		"a deleter's token with the scope": {ok, forbidden, ok, scope, ok, ok, badClient, badClient, scope},

		"an introspecter's token":                {ok, scope, scope, ok, scope, scope, badClient, badClient, scope},
		"an introspecter's token without it":     {ok, scope, scope, scope, scope, scope, badClient, badClient, scope},
		"an introspecter's session":              {ok, forbidden, forbidden, scope, ok, forbidden, badClient, badClient, scope},
		"an introspecter's token, revoking self": {unknown, scope, scope, scope, unknown, unknown, badClient, badClient, scope},

		"a client":                           {ok, forbidden, forbidden, ok, ok, forbidden, ok, ok, scope},
		"a client without grants":            {ok, forbidden, forbidden, ok, ok, forbidden, unauthorized, unauthorized, scope},
		"a public client":                    {ok, forbidden, forbidden, scope, unknown, unknown, badClient, ok, scope},
		"a public client without grants":     {ok, forbidden, forbidden, scope, unknown, unknown, badClient, unauthorized, scope},
		"a client's token":                   {ok, scope, scope, scope, scope, scope, badClient, badClient, scope},
		"a client's token, to introspect":    {ok, scope, scope, ok, scope, scope, badClient, badClient, scope},
		"a client's token with the scope":    {ok, forbidden, forbidden, scope, scope, forbidden, badClient, badClient, scope},
		"a client's token, to revoke itself": {unknown, scope, scope, scope, unknown, unknown, badClient, badClient, scope},

		"a provisioner's token":               {ok, scope, scope, scope, scope, scope, badClient, badClient, ok},
		"a provisioner's token without it":    {ok, scope, scope, scope, scope, scope, badClient, badClient, scope},
		"a provisioner's token, collection":   {ok, scope, scope, scope, scope, scope, badClient, badClient, scope},
		"a provisioner's session":             {ok, forbidden, forbidden, scope, ok, forbidden, badClient, badClient, scope},
		"a user's token with scim":            {ok, scope, scope, scope, scope, scope, badClient, badClient, scope},
		"a client with scim":                  {ok, forbidden, forbidden, ok, ok, forbidden, unauthorized, unauthorized, ok},
		"a public client with scim":           {ok, forbidden, forbidden, scope, unknown, unknown, badClient, unauthorized, scope},
		"a client's token, to provision":      {ok, scope, scope, scope, scope, scope, badClient, badClient, ok},
		"a client's token, to provision self": {unknown, scope, scope, scope, unknown, unknown, badClient, badClient, scope},
	}
	all := callers()
	if len(table) != len(all) {
		t.Errorf("%d callers, and %d in the table", len(all), len(table))
	}
	for who, c := range all {
		want, there := table[who]
		if !there {
			t.Errorf("%s is not in the table", who)
			continue
		}
		for i, gate := range gates {
			err := gate.ask(c)
			if got := fault.KindOf(err); err == nil && want[i] != ok || err != nil && got != want[i] {
				t.Errorf("%s, %s: kind %d (%v), want %d", who, gate.name, got, err, want[i])
			}
		}
	}
}

// TestWhoReachesTheUsersOfASource is the gate of one source: administrators, and a client's
// token with the scope of that source and no other.
func TestWhoReachesTheUsersOfASource(t *testing.T) {
	t.Parallel()
	for who, c := range callers() {
		if c != nil && c.Token != nil && c.Subject.Client {
			continue
		}
		got, want := fault.KindOf(caller.RequireSource(c, "museum")), fault.KindOf(c.RequireAdministrator())
		if got != want {
			t.Errorf("%s: kind %d, want that of an administrator's gate, %d", who, got, want)
		}
	}
	for who, c := range map[string]struct {
		by   *caller.Caller
		want fault.Kind
	}{
		"with its scope":                    {presenting(machine, token.KindAccess, "read", "source:museum"), ok},
		"with another's":                    {presenting(machine, token.KindAccess, "source:other"), scope},
		"with the beginning of the scope":   {presenting(machine, token.KindAccess, "source:", "source"), scope},
		"with the scope admin":              {presenting(machine, token.KindAccess, "admin"), scope},
		"without a scope, in a dialect":     {presenting(machine, token.KindAccess).InDialect(), scope},
		"for a collection":                  {inCollection(presenting(machine, token.KindAccess, "source:museum")), scope},
		"to revoke itself":                  {presenting(machine, token.KindAccess, "source:museum").OnlyRevokeSelf(), scope},
		"a user's, with it":                 {presenting(subject("ada"), token.KindAPIToken, "source:museum"), scope},
		"an administrator's, with it alone": {presenting(subject("root", everything), token.KindAPIToken, "source:museum"), scope},
	} {
		if err := caller.RequireSource(c.by, "museum"); err == nil && c.want != ok || err != nil && fault.KindOf(err) != c.want {
			t.Errorf("a token %s: %v, want kind %d", who, err, c.want)
		}
	}
}

// Who may see, revoke and regenerate which of ada's tokens by their ids: her own by
// session, or by a Bearer with the scope credentials, which regenerates itself and what was
// made from it alone.
func TestGatesOfATokenByItsID(t *testing.T) {
	t.Parallel()
	other := &verification.Token{ID: "other", Subject: "ada", ClientID: identity.OwnClientID}
	child := &verification.Token{ID: "child", Subject: "ada", ClientID: identity.OwnClientID, Chain: []string{"root", "token of ada"}}
	itself := &verification.Token{ID: "token of ada", Subject: "ada", ClientID: identity.OwnClientID}
	const missing = fault.NotFound
	type row struct{ revoke, revokeItself, regenerate, regenerateItself, regenerateChild, manage, fresh fault.Kind }
	ada, eve, root, now := subject("ada"), subject("eve", deleter), subject("root", everything), signedIn.Add(fresh)
	for who, c := range map[string]struct {
		by   *caller.Caller
		want row
	}{
		"nobody":                        {nil, row{missing, missing, unknown, unknown, unknown, unknown, unknown}},
		"the owner's session":           {presenting(ada, token.KindSession), row{ok, ok, ok, ok, ok, ok, ok}},
		"the owner's password":          {byPassword("ada"), row{ok, ok, unknown, unknown, unknown, ok, unknown}},
		"a token":                       {presenting(ada, token.KindAPIToken), row{scope, ok, scope, scope, scope, scope, unknown}},
		"a token with another scope":    {presenting(ada, token.KindAccess, "read"), row{scope, ok, scope, scope, scope, scope, unknown}},
		"a token with credentials":      {presenting(ada, token.KindAPIToken, identity.ScopeCredentials), row{ok, ok, forbidden, ok, ok, ok, unknown}},
		"a token that revokes itself":   {presenting(ada, token.KindExchangeKey).OnlyRevokeSelf(), row{missing, ok, unknown, unknown, unknown, unknown, unknown}},
		"another's session":             {presenting(subject("bob"), token.KindSession), row{missing, missing, ok, ok, ok, ok, ok}}, // whose it is, is looked at before
		"another's, with credentials":   {presenting(subject("bob"), token.KindAccess, identity.ScopeCredentials), row{missing, missing, forbidden, forbidden, forbidden, ok, unknown}},
		"a deleter's session":           {presenting(eve, token.KindSession), row{ok, ok, ok, ok, ok, ok, ok}},
		"a deleter's token":             {presenting(eve, token.KindAccess), row{missing, missing, scope, scope, scope, scope, unknown}},
		"a deleter's, with the scope":   {presenting(eve, token.KindAccess, identity.ScopeAdmin), row{ok, ok, scope, scope, scope, scope, unknown}},
		"an administrator's, with both": {presenting(root, token.KindAccess, identity.ScopeAdmin, identity.ScopeCredentials), row{ok, ok, forbidden, forbidden, forbidden, ok, unknown}},
		"a public client":               {caller.PublicClient(client("ci")), row{missing, missing, unknown, unknown, unknown, unknown, unknown}},
	} {
		kind := func(err error) fault.Kind {
			if err == nil {
				return ok
			}
			return fault.KindOf(err)
		}
		got := row{
			kind(caller.RequireRevokeID(c.by, other)), kind(caller.RequireRevokeID(c.by, itself)),
			kind(caller.RequireRegenerate(c.by, other, now, fresh)), kind(caller.RequireRegenerate(c.by, itself, now, fresh)), kind(caller.RequireRegenerate(c.by, child, now, fresh)),
			kind(c.by.RequireManageTokens()), kind(c.by.RequireFreshSession(now, fresh)),
		}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", who, got, c.want)
		}
	}
}

// A session is fresh for as long as the operator says, from when its user authenticated.
func TestWhenASessionIsFresh(t *testing.T) {
	t.Parallel()
	const stale = fault.SignInAgain
	for name, row := range map[string]struct {
		at    time.Time // when the user authenticated
		after time.Duration
		fresh time.Duration
		want  fault.Kind
	}{
		"at once":                       {signedIn, 0, fresh, ok},
		"in time":                       {signedIn, fresh, fresh, ok},
		"too late":                      {signedIn, fresh + 1, fresh, stale},
		"long before the session":       {signedIn.Add(-fresh), 1, fresh, stale},
		"after the session, as is said": {signedIn.Add(time.Hour), fresh + 1, fresh, stale},
		"at no known time":              {time.Time{}, 0, fresh, stale},
		"any time will do":              {signedIn, 1000 * fresh, 0, ok},
		"any time will do, none known":  {time.Time{}, 0, 0, ok},
	} {
		c := presenting(subject("ada"), token.KindSession)
		c.Token.SignedIn = row.at
		now := signedIn.Add(row.after)
		for gate, err := range map[string]error{
			"RequireFreshSession": c.RequireFreshSession(now, row.fresh), "RequireFresh": c.RequireFresh(now, row.fresh),
			"RequireRegenerate": caller.RequireRegenerate(c, c.Token, now, row.fresh),
		} {
			if got := fault.KindOf(err); err == nil && row.want != ok || err != nil && got != row.want {
				t.Errorf("%s, %s: %v", name, gate, err)
			}
		}
	}
	if err := presenting(subject("ada"), token.KindAPIToken).RequireFresh(signedIn.Add(1000*fresh), fresh); err != nil {
		t.Errorf("a Bearer has no sign-in: %v", err)
	}
}

// The limits of what writes are for people, and for who has proved nothing.
func TestWhoseActsAreNotLimited(t *testing.T) {
	t.Parallel()
	unlimited := map[string]bool{
		"the operator": true, "bearerd": true,
		"an administrator, by password": true, "an administrator's session": true, "an administrator's session, collection": true,
		"an administrator's token": true, "an administrator's token with the scope": true, "an administrator's API token with it": true,
		"an administrator's token for a collection": true, "an administrator's token in a dialect": true,
		"an administrator's token, to revoke itself": true,
		"a client": true, "a client without grants": true,
		"a client's token": true, "a client's token, to introspect": true, "a client's token with the scope": true,
		"a client's token, to revoke itself": true,
		"a client with scim":                 true, "a client's token, to provision": true, "a client's token, to provision self": true,
	}
	for who, c := range callers() {
		if c.Unlimited() != unlimited[who] {
			t.Errorf("%s: %t", who, c.Unlimited())
		}
	}
}

// Whose token it is, and who may revoke it by its value. A public client has proved
// nothing, and revokes what it holds and was issued to it alone.
func TestOwnershipOfAToken(t *testing.T) {
	t.Parallel()
	adas := &verification.Token{ID: "x", Subject: "ada", ClientID: identity.OwnClientID}
	adasAtCI := &verification.Token{ID: "x", Subject: "ada", ClientID: "ci"}
	itself := presenting(subject("ada"), token.KindAccess)
	for name, c := range map[string]struct {
		by        *caller.Caller
		of        *verification.Token
		owns, may bool
	}{
		"nobody":                           {nil, adas, false, false},
		"the operator":                     {caller.Operator(), adas, true, true},
		"bearerd":                          {caller.System(), adas, false, false},
		"the owner, by password":           {byPassword("ada"), adas, true, true},
		"the owner, by another token":      {presenting(subject("ada"), token.KindAccess), adas, true, true},
		"the owner of a client's":          {presenting(subject("ada"), token.KindSession), adasAtCI, true, true},
		"another user":                     {presenting(subject("bob"), token.KindSession), adas, false, false},
		"a deleter":                        {presenting(subject("eve", deleter), token.KindSession), adas, false, true},
		"a deleter, to revoke itself":      {presenting(subject("eve", deleter), token.KindAccess).OnlyRevokeSelf(), adas, false, false},
		"an administrator":                 {presenting(subject("root", everything), token.KindAccess), adas, false, true},
		"the token itself":                 {itself, itself.Token, true, true},
		"the token itself, nothing else":   {itself.OnlyRevokeSelf(), itself.Token, true, true},
		"the owner's other, nothing else":  {itself.OnlyRevokeSelf(), adas, false, false},
		"the client that it was issued to": {caller.ByPrincipal(client("ci")), adasAtCI, true, true},
		"another client":                   {caller.ByPrincipal(client("web")), adasAtCI, false, false},
		"a client, of a user's own":        {caller.ByPrincipal(client("ci")), adas, false, false},
		"the public client of it":          {caller.PublicClient(client("ci")), adasAtCI, false, true},
		"another public client":            {caller.PublicClient(client("web")), adasAtCI, false, false},
	} {
		if got := caller.Owns(c.by, c.of); got != c.owns {
			t.Errorf("%s owns it: %t", name, got)
		}
		if got := caller.MayRevoke(c.by, c.of); got != c.may {
			t.Errorf("%s may revoke it: %t", name, got)
		}
	}
}

// How somebody may be meant by what a request names, and what the audit log calls them.
func TestWhoACallerIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		by        *caller.Caller
		id, actor string
		is, isNot []string
		client    bool
	}{
		"nobody":           {nil, "", "", nil, []string{"", "ada"}, false},
		"the operator":     {caller.Operator(), "", "cli", nil, []string{"", "cli"}, false},
		"bearerd":          {caller.System(), "", "system", nil, []string{"", "system"}, false},
		"a user":           {byPassword("ada"), "ada", "ada", []string{"ada"}, []string{"", "bob"}, false},
		"a user's token":   {presenting(&verification.Subject{ID: "1", Username: "ada"}, token.KindAccess), "1", "1", []string{"1", "ada"}, []string{"", "2"}, false},
		"a client":         {caller.ByPrincipal(client("ci")), "ci", "ci", nil, []string{"ci", ""}, true},
		"a public client":  {caller.PublicClient(client("ci")), "ci", "ci", nil, []string{"ci"}, false},
		"a client's token": {presenting(machine, token.KindAccess), "ci", "ci", nil, []string{"ci"}, false},
	} {
		if c.by.ID() != c.id || c.by.Actor() != c.actor || (c.by.Client() != nil) != c.client {
			t.Errorf("%s: id %q, actor %q, client %v", name, c.by.ID(), c.by.Actor(), c.by.Client())
		}
		for _, ref := range c.is {
			if !c.by.Is(ref) {
				t.Errorf("%s is not meant by %q", name, ref)
			}
		}
		for _, ref := range c.isNot {
			if c.by.Is(ref) {
				t.Errorf("%s is meant by %q", name, ref)
			}
		}
	}
}

// What was decided about a token since it was presented is no older than that: a
// token that is made from it is dated to the later of the two.
func TestACallerIsAsNewAsTheCheck(t *testing.T) {
	t.Parallel()
	c := presenting(subject("ada"), token.KindAccess)
	if got := c.AsOf(); got != 9 {
		t.Errorf("checked as of 9, says %d", got)
	}
	c.Token.Seq = 12
	if got := c.AsOf(); got != 12 {
		t.Errorf("decided as of 12, says %d", got)
	}
}

// A caller is never changed: what a copy may do is no matter of the first.
func TestRestrictionsAreOfACopy(t *testing.T) {
	t.Parallel()
	c := presenting(subject("root", everything), token.KindAccess)
	_, _, waiting := c.OnlyRevokeSelf(), c.InDialect(), c.Waiting(revocation.WaitNone)
	if c.RequireSignedIn() != nil || c.HasScope(identity.ScopeAdmin) || c.Wait != revocation.WaitDefault || waiting.Wait != revocation.WaitNone {
		t.Error("a copy changed the caller")
	}
}
