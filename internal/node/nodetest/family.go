package nodetest

import (
	"testing"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/token"
)

// Family is a node with one token of every kind of a user, ada, and what was made
// from what: a name is that of its parent and its own, such as key.access.
type Family struct {
	*Fixture
	Owner *caller.Caller // by a session that is not of the family
	All   map[string]*issuance.Issued
}

// NewFamily makes a family. apitoken.used is a refresh token that was used.
func NewFamily(tb testing.TB) *Family {
	tb.Helper()
	f := &Family{Fixture: New(tb, Options{Settings: WithTaskTypes}), All: map[string]*issuance.Issued{}}
	f.Owner = f.Person(tb, "ada", May("create", "/task-tokens/TES"))
	session := f.SessionOf(tb, "ada")
	by, err := f.Session(tb.Context(), session.Value.Reveal())
	Must(tb, err)
	f.All["session"] = session
	f.All["access"] = f.Made(tb, by, issuance.Request{Kind: token.KindAccess})
	f.Trade(tb, "access.access", "access", issuance.Exchange{})
	f.All["key"] = f.ExchangeKey(tb, by, credentials.NewCredential{})
	f.Trade(tb, "key.access", "key", issuance.Exchange{})
	f.Trade(tb, "key.access.access", "key.access", issuance.Exchange{})
	f.Trade(tb, "key.task", "key", issuance.Exchange{TaskType: "TES"})
	f.All["apitoken"] = f.APIToken(tb, by, credentials.NewCredential{})
	first := f.Trade(tb, "apitoken.access", "apitoken", issuance.Exchange{Scope: []string{"offline_access"}})
	pair, err := f.Refresh(tb.Context(), issuance.Refresh{Token: first.Refresh.Value.Reveal()})
	Must(tb, err)
	f.All["apitoken.used"], f.All["apitoken.refresh"], f.All["apitoken.refreshed"] = first.Refresh, pair.Refresh, pair.Access
	f.Trade(tb, "apitoken.refreshed.access", "apitoken.refreshed", issuance.Exchange{})
	return f
}

// Trade exchanges the token of a name and keeps the access token under another.
func (f *Family) Trade(tb testing.TB, name, from string, x issuance.Exchange) issuance.Pair {
	tb.Helper()
	x.Subject = f.All[from].Value.Reveal()
	pair, err := f.Exchange(tb.Context(), x)
	Must(tb, err)
	f.All[name] = pair.Access
	return pair
}
