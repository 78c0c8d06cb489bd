package issuance_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// scopes is what was asked for and what came of it; nil wants a refusal.
type scopes struct {
	ask, want []string
}

func none() []string { return []string{} }

func (s scopes) check(t *testing.T, what string, issued *issuance.Issued, err error) {
	t.Helper()
	if s.want == nil {
		nodetest.WantFault(t, what, err, fault.InvalidScope, "")
		return
	}
	if err != nil {
		t.Errorf("%s, asked for %q: %v", what, s.ask, err)
		return
	}
	if diff := cmp.Diff(s.want, issued.Scope, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s, asked for %q (-want +got):\n%s", what, s.ask, diff)
	}
}

func exchange(t *testing.T, f *nodetest.Fixture, x issuance.Exchange) (*issuance.Issued, error) {
	t.Helper()
	pair, err := f.Exchange(t.Context(), x)
	return pair.Access, err
}

func TestOfASessionTheScopeIsWhatIsAskedForAndNoneByDefault(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada")
	for _, s := range []scopes{
		{nil, none()},
		{none(), none()},
		{[]string{"read"}, []string{"read"}},
		{[]string{"write", "read"}, []string{"write", "read"}},
		{[]string{"anything-goes:when/nothing.is+declared"}, []string{"anything-goes:when/nothing.is+declared"}},
		{[]string{"credentials"}, []string{"credentials"}},
		{[]string{"admin"}, []string{"admin"}}, // good for nothing without the binding
		{[]string{"introspect"}, nil},
		{[]string{"revocations"}, nil},
		{[]string{"read", "introspect"}, nil},
		{[]string{"source:museum"}, nil}, // for clients alone
		{[]string{"source:"}, nil},
		{[]string{""}, nil},
		{[]string{"two words"}, nil},
		{[]string{`quo"te`}, nil},
		{[]string{"back\\slash"}, nil},
		{[]string{"lïne"}, nil},
		{[]string{"line\nbreak"}, nil},
	} {
		issued, err := f.Ask(t, ada, issuance.Request{Kind: token.KindAccess, Scope: s.ask})
		s.check(t, "a session", issued, err)
	}
}

func TestOnlyDeclaredScopesAreIssued(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) {
		s.Policy.Scopes = map[string]string{"read": "read specimens"}
	}})
	ada := f.Person(t, "ada")
	check := func(s scopes) {
		t.Helper()
		issued, err := f.Ask(t, ada, issuance.Request{Kind: token.KindAccess, Scope: s.ask})
		s.check(t, "with declared scopes", issued, err)
	}
	check(scopes{[]string{"read"}, []string{"read"}})
	check(scopes{[]string{"credentials", "admin"}, []string{"credentials", "admin"}})
	check(scopes{[]string{"write"}, nil})
	check(scopes{[]string{"Read"}, nil})
	check(scopes{[]string{"read", "write"}, nil})
	f.Client(t, "api", "write") // what a client lists counts as declared
	check(scopes{[]string{"write"}, []string{"write"}})
	_, err := f.RemoveClient(t.Context(), caller.Operator(), "api")
	nodetest.Must(t, err)
	check(scopes{[]string{"write"}, nil})
}

func TestScopeIsWithinThatOfTheParent(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada")
	parents := map[string]*issuance.Issued{
		"API key":      f.ExchangeKey(t, ada, credentials.NewCredential{Scope: []string{"read", "write", "admin"}}),
		"API token":    f.APIToken(t, ada, credentials.NewCredential{Scope: []string{"read", "write", "admin"}}),
		"access token": f.MadeAccess(t, ada, "read", "write", "admin"),
	}
	for name, parent := range parents {
		for _, s := range []scopes{
			{nil, []string{"read", "write", "admin"}},
			{none(), none()},
			{[]string{"write"}, []string{"write"}},
			{[]string{"write", "read"}, []string{"write", "read"}},
			{[]string{"delete"}, nil},
			{[]string{"read", "delete"}, nil},
			{[]string{"credentials"}, nil},
		} {
			issued, err := exchange(t, f, issuance.Exchange{Subject: parent.Value.Reveal(), Scope: s.ask})
			s.check(t, name, issued, err)
		}
	}
}

func TestCredentialsAreNeverHandedDownFromAnExchangeKey(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: nodetest.WithTaskTypes})
	ada := f.Person(t, "ada", nodetest.May("create", "/task-tokens/TES"))
	_, err := f.CreateExchangeKey(t.Context(), ada, credentials.NewCredential{Scope: []string{"read", "credentials"}})
	nodetest.WantFault(t, "an API key with credentials", err, fault.InvalidScope, "credentials")
	key := f.ExchangeKey(t, ada, credentials.NewCredential{Scope: []string{"read"}})
	_, err = exchange(t, f, issuance.Exchange{Subject: key.Value.Reveal(), Scope: []string{"credentials"}})
	nodetest.WantFault(t, "an access token from it", err, fault.InvalidScope, "credentials")
	access, err := exchange(t, f, issuance.Exchange{Subject: key.Value.Reveal()})
	nodetest.Must(t, err)
	_, err = exchange(t, f, issuance.Exchange{Subject: access.Value.Reveal(), Scope: []string{"credentials"}})
	nodetest.WantFault(t, "an access token from that", err, fault.InvalidScope, "credentials")

	by := f.ByBearer(t, access)
	_, err = f.CreateExchangeKey(t.Context(), by, credentials.NewCredential{})
	nodetest.WantFault(t, "an API key from that", err, fault.InsufficientScope, "credentials")
	_, err = f.CreateAPIToken(t.Context(), by, credentials.NewCredential{Name: "x"})
	nodetest.WantFault(t, "an API token from that", err, fault.InsufficientScope, "credentials")

	// A task token has its parent's scope, less credentials.
	rich := f.MadeAccess(t, ada, "credentials", "read")
	task, err := exchange(t, f, issuance.Exchange{Subject: rich.Value.Reveal(), TaskType: "TES", Lifetime: 60})
	scopes{want: []string{"read"}}.check(t, "a task token", task, err)
	_, err = exchange(t, f, issuance.Exchange{Subject: rich.Value.Reveal(), TaskType: "TES", Lifetime: 60, Scope: []string{"credentials"}})
	nodetest.WantFault(t, "a task token with credentials", err, fault.InvalidScope, "credentials")
}

func TestCredentialsAreMadeBySessionOrByTheScope(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada")
	by := f.ByBearer(t, f.MadeAccess(t, ada, "credentials", "read"))
	for _, s := range []scopes{
		{nil, none()},
		{[]string{"read"}, []string{"read"}},
		{[]string{"write"}, nil}, // beyond the access token's own
	} {
		issued, err := f.CreateAPIToken(t.Context(), by, credentials.NewCredential{Name: "x", Scope: s.ask})
		s.check(t, "an API token by Bearer", issued, err)
		issued, err = f.CreateExchangeKey(t.Context(), by, credentials.NewCredential{Scope: s.ask})
		s.check(t, "an API key by Bearer", issued, err)
	}
	for name, c := range map[string]*caller.Caller{
		"an access token without the scope": f.ByBearer(t, f.MadeAccess(t, ada, "read")),
		"an API token without the scope":    f.ByBearer(t, f.APIToken(t, ada, credentials.NewCredential{Scope: []string{"read"}})),
		"an access token without any":       f.ByBearer(t, f.MadeAccess(t, ada)),
	} {
		_, err := f.CreateAPIToken(t.Context(), c, credentials.NewCredential{Name: "x"})
		nodetest.WantFault(t, name+", an API token", err, fault.InsufficientScope, "credentials")
		_, err = f.CreateExchangeKey(t.Context(), c, credentials.NewCredential{})
		nodetest.WantFault(t, name+", an API key", err, fault.InsufficientScope, "credentials")
	}
	for _, nobody := range []*caller.Caller{nil, {}} {
		_, err := f.CreateAPIToken(t.Context(), nobody, credentials.NewCredential{Name: "x"})
		nodetest.WantFault(t, "nobody", err, fault.Unauthenticated, "")
	}
}

func TestReadingScopesNeedThePermissionAsLongAsTheyAreUsed(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada")
	_, err := f.CreateBinding(t.Context(), caller.Operator(), nodetest.WithUser("ada", nodetest.May("introspect", access.PathTokens)))
	nodetest.Must(t, err)
	key := f.ExchangeKey(t, ada, credentials.NewCredential{Scope: []string{"introspect", "read"}})
	lasting := f.APIToken(t, ada, credentials.NewCredential{Scope: []string{"introspect"}})
	victim := f.MadeAccess(t, ada)
	introspects := func(by *issuance.Issued) error {
		_, _, err := f.Introspect(t.Context(), f.ByBearer(t, by), victim.Value.Reveal())
		return err
	}
	nodetest.Must(t, introspects(lasting))
	child, err := exchange(t, f, issuance.Exchange{Subject: key.Value.Reveal()})
	scopes{want: []string{"introspect", "read"}}.check(t, "with the permission", child, err)
	nodetest.Must(t, introspects(child))

	_, err = f.CreateBinding(t.Context(), caller.Operator(), nodetest.WithUser("ada", nodetest.May("revocations", access.PathTokens)))
	nodetest.Must(t, err)
	follower := f.MadeAccess(t, ada, "revocations")
	follows := func(by *issuance.Issued) error {
		return nodetest.Second(f.Verify(t.Context(), by.Value.Reveal(), verification.Requirements{
			Scope: []string{identity.ScopeRevocations}, Action: identity.ScopeRevocations, Path: access.PathTokens,
		}))
	}
	nodetest.Must(t, follows(follower))
	nodetest.WantFault(t, "another scope", follows(lasting), fault.InsufficientScope, "revocations")
	_, _, err = f.RemoveAccess(t.Context(), caller.Operator(), "ada", access.PathTokens)
	nodetest.Must(t, err)
	nodetest.WantFault(t, "a token that followed before", follows(follower), fault.InsufficientScope, "revocations")
	nodetest.WantFault(t, "an API token made before", introspects(lasting), fault.InsufficientScope, "introspect")
	nodetest.WantFault(t, "an access token made before", introspects(child), fault.InsufficientScope, "introspect")
	child, err = exchange(t, f, issuance.Exchange{Subject: key.Value.Reveal()})
	scopes{want: []string{"read"}}.check(t, "without the permission", child, err)
	child, err = exchange(t, f, issuance.Exchange{Subject: key.Value.Reveal(), Scope: []string{"introspect"}})
	scopes{}.check(t, "asked for without the permission", child, err)
}

func TestClientBoundsTheScope(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada")
	subject := f.APIToken(t, ada, credentials.NewCredential{Scope: []string{"read", "write"}}).Value.Reveal()
	exchanging := []string{identity.GrantTypeTokenExchange, identity.GrantTypeClientCredentials}
	bounded := f.NewClient(t, identity.NewClient{ID: "bounded", Secret: nodetest.ClientSecret, Grants: exchanging, Scopes: []string{"read", "delete", "introspect", "source:museum"}})
	unbounded := f.NewClient(t, identity.NewClient{ID: "unbounded", Secret: nodetest.ClientSecret, Grants: exchanging})
	for _, c := range []struct {
		client *caller.Caller
		scopes
	}{
		{bounded, scopes{nil, []string{"read"}}},
		{bounded, scopes{[]string{"read"}, []string{"read"}}},
		{bounded, scopes{[]string{"write"}, nil}},
		{bounded, scopes{[]string{"delete"}, nil}},
		{bounded, scopes{[]string{"source:museum"}, nil}},
		{unbounded, scopes{nil, []string{"read", "write"}}},
		{unbounded, scopes{[]string{"write"}, []string{"write"}}},
	} {
		issued, err := exchange(t, f, issuance.Exchange{Subject: subject, Client: c.client, Scope: c.ask})
		c.check(t, "for a user, "+c.client.ID(), issued, err)
	}
	for _, c := range []struct {
		client *caller.Caller
		scopes
	}{
		{bounded, scopes{nil, none()}},
		{bounded, scopes{[]string{"read", "introspect"}, []string{"read", "introspect"}}},
		{bounded, scopes{[]string{"source:museum"}, []string{"source:museum"}}},
		{bounded, scopes{[]string{"source:other"}, nil}},
		{unbounded, scopes{[]string{"source:museum"}, nil}},
		{bounded, scopes{[]string{"write"}, nil}},
		{bounded, scopes{[]string{"admin"}, nil}},
		{bounded, scopes{[]string{"offline_access"}, nil}},
		{unbounded, scopes{nil, none()}},
		{unbounded, scopes{[]string{"read"}, nil}},
		{unbounded, scopes{[]string{"credentials"}, nil}},
	} {
		issued, err := f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: c.client, Scope: c.ask})
		c.check(t, "for itself, "+c.client.ID(), issued, err)
	}
}

// There is a refresh token beside what a device or an exchange asks for, and
// nowhere else: nothing else has room for it in its answer.
func TestOfflineAccessIsForWhoCanGetARefreshToken(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada")
	offline := []string{"offline_access"}
	_, err := f.Ask(t, ada, issuance.Request{Kind: token.KindAccess, Scope: offline})
	nodetest.WantFault(t, "a session", err, fault.InvalidScope, "offline_access")
	_, err = f.CreateAPIToken(t.Context(), ada, credentials.NewCredential{Name: "x", Scope: offline})
	nodetest.WantFault(t, "an API token", err, fault.InvalidScope, "offline_access")
	_, err = f.CreateExchangeKey(t.Context(), ada, credentials.NewCredential{Scope: offline})
	nodetest.WantFault(t, "an API key", err, fault.InvalidScope, "offline_access")

	subject := f.APIToken(t, ada, credentials.NewCredential{Scope: []string{"read"}}).Value.Reveal()
	pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: subject, Scope: []string{"read", "offline_access"}})
	if err != nil || pair.Refresh == nil {
		t.Fatalf("an exchange: %+v, %v", pair, err)
	}
	// What is traded further has none unless it asks for it.
	further, err := f.Exchange(t.Context(), issuance.Exchange{Subject: pair.Access.Value.Reveal()})
	scopes{want: []string{"read"}}.check(t, "traded further", further.Access, err)
	if further.Refresh != nil {
		t.Error("a refresh token that nobody asked for")
	}
	for name, c := range map[string]struct {
		grants, scopes []string
		ok             bool
	}{
		"both":                        {[]string{identity.GrantTypeTokenExchange, identity.GrantTypeRefreshToken}, []string{"read", "offline_access"}, true},
		"the grant, no scopes listed": {[]string{identity.GrantTypeTokenExchange, identity.GrantTypeRefreshToken}, nil, true},
		"without the grant":           {[]string{identity.GrantTypeTokenExchange}, []string{"read", "offline_access"}, false},
		"without the scope":           {[]string{identity.GrantTypeTokenExchange, identity.GrantTypeRefreshToken}, []string{"read"}, false},
	} {
		by := f.NewClient(t, identity.NewClient{ID: name, Secret: nodetest.ClientSecret, Grants: c.grants, Scopes: c.scopes})
		pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: subject, Client: by, Scope: []string{"read", "offline_access"}})
		if c.ok && (err != nil || pair.Refresh == nil) || !c.ok && !fault.Is(err, fault.InvalidScope) {
			t.Errorf("a client with %s: %+v, %v", name, pair, err)
		}
	}
}
