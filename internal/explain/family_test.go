package explain_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
)

// family is one token of every kind, and what was made from what.
type family struct {
	*nodetest.Fixture
	owner *caller.Caller // by a session that is not of the family
	all   map[string]*issuance.Issued
}

func newFamily(t *testing.T) *family {
	t.Helper()
	f := &family{Fixture: nodetest.New(t, nodetest.Options{Settings: taskSettings}), all: map[string]*issuance.Issued{}}
	f.owner = person(t, f.Fixture, "ada", nodetest.May("create", "/task-tokens/TES"))
	session := sessionOf(t, f.Fixture, "ada")
	by, err := f.Session(t.Context(), session.Value.Reveal())
	must(t, err)
	f.all["session"] = session
	f.all["access"] = made(t, f.Fixture, by, issuance.Request{Kind: token.KindAccess})
	f.trade(t, "access.access", "access", issuance.Exchange{})
	f.all["key"] = apiKey(t, f.Fixture, by, issuance.NewCredential{})
	f.trade(t, "key.access", "key", issuance.Exchange{})
	f.trade(t, "key.access.access", "key.access", issuance.Exchange{})
	f.trade(t, "key.task", "key", issuance.Exchange{TaskType: "TES"})
	f.all["apitoken"] = apiToken(t, f.Fixture, by, issuance.NewCredential{})
	first := f.trade(t, "apitoken.access", "apitoken", issuance.Exchange{Scope: []string{"offline_access"}})
	pair, err := f.Refresh(t.Context(), issuance.Refresh{Token: first.Refresh.Value.Reveal()})
	must(t, err)
	f.all["apitoken.used"], f.all["apitoken.refresh"], f.all["apitoken.refreshed"] = first.Refresh, pair.Refresh, pair.Access
	f.trade(t, "apitoken.refreshed.access", "apitoken.refreshed", issuance.Exchange{})
	return f
}

func (f *family) trade(t *testing.T, name, from string, x issuance.Exchange) issuance.Pair {
	t.Helper()
	x.Subject = f.all[from].Value.Reveal()
	pair, err := f.Exchange(t.Context(), x)
	must(t, err)
	f.all[name] = pair.Access
	return pair
}
