package directory_test

import (
	"slices"
	"testing"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/verification"
)

func TestANewClientSecretEndsTheOldOne(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Client(t, "ci", "read")
	old, err := f.AuthenticateClient(t.Context(), "ci", nodetest.ClientSecret)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: old})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.RenewClientSecret(t.Context(), f.Person(t, "ada"), "ci"); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a user: %v", err)
	}
	if _, err := f.RenewClientSecret(t.Context(), caller.Operator(), "nobody"); !fault.Is(err, fault.NotFound) {
		t.Errorf("no client: %v", err)
	}

	secret, err := f.RenewClientSecret(t.Context(), caller.Operator(), "ci")
	if err != nil {
		t.Fatal(err)
	}
	c, err := f.AuthenticateClient(t.Context(), "ci", secret.Reveal())
	if err != nil || len(c.Principal.Client.Scopes) != 1 {
		t.Errorf("the new secret: %+v %v", c, err)
	}
	if _, err := f.AuthenticateClient(t.Context(), "ci", nodetest.ClientSecret); !fault.Is(err, fault.InvalidClient) {
		t.Errorf("the old secret: %v", err)
	}
	if _, err := f.Verify(t.Context(), issued.Value.Reveal(), verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("what was obtained with it: %v", err)
	}
}

func TestNarrowedClientLosesWhatWasIssuedToIt(t *testing.T) {
	t.Parallel()
	before := directory.NewClient{
		ID: "app", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants(), Scopes: []string{"read", "write", "offline_access"},
		Audiences: []string{"https://a.example", "https://b.example"},
	}
	same := func(n *directory.NewClient) { n.Secret = "" }
	for name, c := range map[string]struct {
		change func(*directory.NewClient)
		dead   bool
	}{
		"the same":              {func(*directory.NewClient) {}, false},
		"in another order":      {func(n *directory.NewClient) { n.Scopes = []string{"write", "offline_access", "read"} }, false},
		"a scope more":          {func(n *directory.NewClient) { n.Scopes = append(slices.Clone(n.Scopes), "more") }, false},
		"an audience more":      {func(n *directory.NewClient) { n.Audiences = append(slices.Clone(n.Audiences), "https://c.example") }, false},
		"a scope less":          {func(n *directory.NewClient) { n.Scopes = n.Scopes[1:] }, true},
		"a scope for another":   {func(n *directory.NewClient) { n.Scopes = []string{"read", "other", "offline_access"} }, true},
		"no scopes any more":    {func(n *directory.NewClient) { n.Scopes = nil }, true},
		"an audience less":      {func(n *directory.NewClient) { n.Audiences = n.Audiences[:1] }, true},
		"a grant less":          {func(n *directory.NewClient) { n.Grants = n.Grants[:3] }, true},
		"another secret":        {func(n *directory.NewClient) { n.Secret = "another secret that is long enough, too" }, true},
		"the same secret again": {func(n *directory.NewClient) { n.Secret = nodetest.ClientSecret }, false},
	} {
		f := nodetest.New(t, nodetest.Options{})
		ada := f.Person(t, "ada")
		app := f.NewClient(t, before)
		own, apps := tokensOf(t, f, ada, app)
		after := before
		same(&after)
		c.change(&after)
		nodetest.Must(t, nodetest.Second(f.UpdateClient(t.Context(), operator, after)))
		for kind, issued := range apps {
			if c.dead {
				f.WantDead(t, name+", "+kind, issued)
				f.WantRowDead(t, name+", "+kind, issued)
			} else {
				f.WantAlive(t, name+", "+kind, issued)
			}
		}
		f.WantAlive(t, name+", what was issued to none", own)
	}
}

// tokensOf makes a token of the user's own, and those that a client gets.
func tokensOf(t *testing.T, f *nodetest.Fixture, user, app *caller.Caller) (own *issuance.Issued, apps map[string]*issuance.Issued) {
	t.Helper()
	own = f.APIToken(t, user, issuance.NewCredential{Scope: []string{"read"}})
	pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: own.Value.Reveal(), Client: app, Scope: []string{"read", "offline_access"}})
	nodetest.Must(t, err)
	itself, err := f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: app, Scope: []string{"read"}})
	nodetest.Must(t, err)
	return own, map[string]*issuance.Issued{"access token": pair.Access, "refresh token": pair.Refresh, "its own": itself}
}

func TestRemovedClientLosesWhatWasIssuedToItForGood(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	n := directory.NewClient{ID: "app", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants(), Scopes: []string{"read", "offline_access"}}
	app := f.NewClient(t, n)
	own, apps := tokensOf(t, f, f.Person(t, "ada"), app)
	nodetest.Must(t, nodetest.Second(f.RemoveClient(t.Context(), operator, "app")))
	check := func(when string) {
		t.Helper()
		for kind, issued := range apps {
			f.WantDead(t, when+", "+kind, issued)
		}
		f.WantAlive(t, when+", what was issued to none", own)
	}
	check("removed")
	for _, secret := range []string{nodetest.ClientSecret, "wrong"} {
		_, err := f.AuthenticateClient(t.Context(), "app", secret)
		nodetest.WantFault(t, "the removed client", err, fault.InvalidClient, "")
	}
	_, err := f.Refresh(t.Context(), issuance.Refresh{Token: apps["refresh token"].Value.Reveal(), Client: app})
	nodetest.WantFault(t, "a refresh by a client that had authenticated before", err, fault.InvalidGrant, "")
	issued, err := f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: app})
	nodetest.Must(t, err)
	f.WantDead(t, "a token of a client that had authenticated before", issued)
	again := f.NewClient(t, n)
	check("made again")
	issued, err = f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: again})
	nodetest.Must(t, err)
	f.WantAlive(t, "a token of the client that was made again", issued)
}

func TestClientChangesRefuseWhatIsWrong(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ctx := t.Context()
	f.Client(t, "app", "read")
	newClient := func(id string) error {
		_, _, err := f.CreateClient(ctx, operator, directory.NewClient{ID: id}, false)
		return err
	}
	for name, c := range map[string]struct {
		err  error
		kind fault.Kind
	}{
		"a client twice":                 {newClient("app"), fault.Conflict},
		"a client without an id":         {newClient(""), fault.Invalid},
		"a client that could be a user":  {newClient("{5C1E0B2A-8B6F-4B0E-9A66-0A5C0E7D3F11}"), fault.Invalid},
		"a client that stands for none":  {newClient(identity.OwnClientID), fault.Invalid},
		"a client with a short secret":   {nodetest.Second(f.UpdateClient(ctx, operator, directory.NewClient{ID: "app", Secret: "short"})), fault.Invalid},
		"a client with a public secret":  {nodetest.Second(f.UpdateClient(ctx, operator, directory.NewClient{ID: "app", Secret: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})), fault.Invalid},
		"a client with an unknown grant": {nodetest.Second(f.UpdateClient(ctx, operator, directory.NewClient{ID: "app", Grants: []string{"password"}})), fault.Invalid},
		"no client to change":            {nodetest.Second(f.UpdateClient(ctx, operator, directory.NewClient{ID: "x"})), fault.NotFound},
		"no client to remove":            {nodetest.Second(f.RemoveClient(ctx, operator, "x")), fault.NotFound},
	} {
		nodetest.WantFault(t, name, c.err, c.kind, "")
	}
}
