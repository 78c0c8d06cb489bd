package issuance_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/quota"
	"github.com/bearerd/bearerd/internal/store/storetest"
	"github.com/bearerd/bearerd/internal/token"
)

// limitsOf is a node whose clock stands still, with a meter of its limits, and where its
// database is.
func limitsOf(t *testing.T) (f *nodetest.Fixture, meter *nodetest.LimitMeter, database string) {
	t.Helper()
	dir := t.TempDir()
	meter = &nodetest.LimitMeter{}
	f = nodetest.New(t, nodetest.Options{Dir: dir, File: true, Meter: meter})
	f.Freeze()
	return f, meter, filepath.Join(dir, "bearerd.db")
}

// A script that has a user's session writes no more tokens than people need. Creating
// and regenerating count together, and another user's are another's.
func TestTokensThatAUserCreatesAreLimited(t *testing.T) {
	t.Parallel()
	f, meter, database := limitsOf(t)
	ada, eve := f.Person(t, "ada"), f.Person(t, "eve")
	before := storetest.Dump(t, database)
	last := f.APIToken(t, ada, credentials.NewCredential{})
	f.ExchangeKey(t, ada, credentials.NewCredential{})
	for range 298 {
		issued, err := f.Regenerate(t.Context(), ada, last.ID, 0)
		nodetest.Must(t, err)
		last = issued
	}
	for what, act := range map[string]func() error{
		"an API token": func() error {
			return nodetest.Second(f.CreateAPIToken(t.Context(), ada, credentials.NewCredential{Name: "x"}))
		},
		"an API key": func() error {
			return nodetest.Second(f.CreateExchangeKey(t.Context(), ada, credentials.NewCredential{}))
		},
		"regenerating": func() error { return nodetest.Second(f.Regenerate(t.Context(), ada, last.ID, 0)) },
		"the token of a dialect": func() error {
			return nodetest.Second(f.RenewSole(t.Context(), ada, credentials.Sole{Name: "developer", Prefix: token.PrefixAPIToken}))
		},
	} {
		for range 100 {
			err := act()
			nodetest.WantFault(t, what, err, fault.Limited, "created or regenerated")
			if fault.RetryAfter(err) != 2*time.Second {
				t.Errorf("%s: again after %v", what, fault.RetryAfter(err))
			}
		}
	}
	after := storetest.Dump(t, database)
	if n := len(after["tokens"]) - len(before["tokens"]); n != 300 || meter.Count(quota.CreateSubject) != 400 {
		t.Errorf("%d rows, %d refusals counted; want 300 and 400", n, meter.Count(quota.CreateSubject))
	}
	if n := len(after["audit_events"]) - len(before["audit_events"]); n != 300 {
		t.Errorf("%d events, want 300", n)
	}
	f.WantAlive(t, "the last one", last)
	f.APIToken(t, eve, credentials.NewCredential{})
	f.Advance(2 * time.Second)
	f.APIToken(t, ada, credentials.NewCredential{})
}

func TestTokensThatAUserExchangesAreLimited(t *testing.T) {
	t.Parallel()
	f, meter, database := limitsOf(t)
	ada := f.Person(t, "ada")
	key := f.ExchangeKey(t, ada, credentials.NewCredential{}).Value.Reveal()
	app := f.NewClient(t, identity.NewClient{
		ID: "app", Secret: nodetest.ClientSecret, Grants: []string{identity.GrantTypeTokenExchange, identity.GrantTypeRefreshToken},
	})
	exchange := func(scope ...string) (issuance.Pair, error) {
		return f.Exchange(t.Context(), issuance.Exchange{Subject: key, Client: app, Scope: scope})
	}
	pair, err := exchange("offline_access")
	nodetest.Must(t, err)
	for range 999 {
		nodetest.Must(t, nodetest.Second(exchange()))
	}
	before := storetest.Dump(t, database)
	for range 1000 {
		_, err = exchange()
		nodetest.WantFault(t, "an exchange too many", err, fault.Limited, "exchanged or refreshed")
	}
	if fault.RetryAfter(err) != 100*time.Millisecond || meter.Count(quota.ExchangeSubject) != 1000 {
		t.Errorf("again after %v, %d refusals counted", fault.RetryAfter(err), meter.Count(quota.ExchangeSubject))
	}
	refresh := issuance.Refresh{Token: pair.Refresh.Value.Reveal(), Client: app}
	nodetest.WantFault(t, "a refresh too many", nodetest.Second(f.Refresh(t.Context(), refresh)), fault.Limited, "")
	after := storetest.Dump(t, database)
	for _, table := range []string{"tokens", "audit_events"} {
		if len(after[table]) != len(before[table]) {
			t.Errorf("a refused request left a row in %s", table)
		}
	}
	f.Advance(100 * time.Millisecond)
	nodetest.Must(t, nodetest.Second(f.Refresh(t.Context(), refresh))) // it used nothing up
}

func TestAdministratorsAndClientsAreNotLimited(t *testing.T) {
	t.Parallel()
	f, _, _ := limitsOf(t)
	root := f.Person(t, "root", nodetest.Admin())
	for range 400 {
		f.APIToken(t, root, credentials.NewCredential{})
	}
	ada := f.Person(t, "ada")
	for range 400 {
		_, err := f.IssueFor(t.Context(), caller.Operator(), "ada", &issuance.Request{Kind: token.KindAPIToken, Name: "x"})
		nodetest.Must(t, err)
	}
	f.Client(t, "ci")
	ci, err := f.AuthenticateClient(t.Context(), "ci", nodetest.ClientSecret)
	nodetest.Must(t, err)
	for range 1200 {
		nodetest.Must(t, nodetest.Second(f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: ci})))
	}
	f.APIToken(t, ada, credentials.NewCredential{})
}
