package signin_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
)

var operator = caller.Operator()

func TestDialectBearerNeedsNoScopeButTheBinding(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Collection(t, 4, "Fish")
	f.User(t, "root", "correct horse", nodetest.Admin())
	f.User(t, "ada", "battery staple", nodetest.May("access", "/collections/4"))
	admin := f.AccessToken(t, "root", "correct horse").Value.Reveal()
	plain := f.AccessToken(t, "ada", "battery staple").Value.Reveal()

	c, err := f.DialectBearer(t.Context(), admin)
	if err != nil {
		t.Fatal(err)
	}
	if page, err := f.UserList(t.Context(), c, records.UserQuery{Limit: 10}); err != nil || len(page.Items) != 2 {
		t.Errorf("an administrator lists %d users, %v", len(page.Items), err)
	}
	if p, err := f.UserPrincipal(t.Context(), c, "ada"); err != nil || p.User.Username != "ada" || len(p.Grants) != 1 {
		t.Errorf("an administrator reads another: %+v, %v", p, err)
	}
	if _, err := f.UserPrincipal(t.Context(), c, "nobody"); !fault.Is(err, fault.NotFound) {
		t.Errorf("an administrator reads nobody: %v", err)
	}
	if _, err := f.UserPrincipal(t.Context(), c, "\xff"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a name that is no text: %v", err)
	}

	c, err = f.DialectBearer(t.Context(), plain)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.UserList(t.Context(), c, records.UserQuery{Limit: 10}); !fault.Is(err, fault.Forbidden) {
		t.Errorf("another user lists users: %v", err)
	}
	if p, err := f.UserPrincipal(t.Context(), c, "ada"); err != nil || p.User.Username != "ada" {
		t.Errorf("a user reads themselves: %+v, %v", p, err)
	}
	for _, ref := range []string{"root", "nobody"} {
		if _, err := f.UserPrincipal(t.Context(), c, ref); !fault.Is(err, fault.Forbidden) {
			t.Errorf("a user reads %s: %v", ref, err)
		}
	}

	// The management API asks for the scope all the same.
	c, err = f.Bearer(t.Context(), admin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.UserList(t.Context(), c, records.UserQuery{Limit: 10}); !fault.Is(err, fault.InsufficientScope) {
		t.Errorf("without the scope: %v", err)
	}
	if _, err := f.DialectBearer(t.Context(), "junk"); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("junk: %v", err)
	}
}

// A channel of one place: the node that returns memory to the system hears of the
// check however many there were.
func TestPasswordChecksAreSignalled(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.User(t, "ada", "correct horse")
	select {
	case <-f.PasswordChecked():
		t.Fatal("signalled before any password was checked")
	default:
	}
	for range 2 {
		nodetest.WantFault(t, "a wrong password", f.TryLogin(t, "ada", "wrong", ""), fault.BadCredentials, "")
	}
	select {
	case <-f.PasswordChecked():
	default:
		t.Error("not signalled")
	}
}

func TestIntrospectionIsForClientsAndHoldersOfTheScope(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada")
	reader := f.Person(t, "reader", nodetest.May("introspect", "/tokens"))
	rs := f.NewClient(t, identity.NewClient{ID: "rs", Secret: nodetest.ClientSecret})
	public := f.NewClient(t, identity.NewClient{ID: "public"})
	raw := f.MadeAccess(t, ada).Value.Reveal()
	for name, c := range map[string]struct {
		by  *caller.Caller
		may bool
	}{
		"a confidential client":    {rs, true},
		"the scope":                {f.ByBearer(t, f.MadeAccess(t, reader, "introspect")), true},
		"the operator":             {operator, true},
		"a public client":          {public, false},
		"a session":                {reader, false},
		"a Bearer without a scope": {f.ByBearer(t, f.MadeAccess(t, reader)), false},
		"nobody":                   {nil, false},
	} {
		got, live, err := f.Introspect(t.Context(), c.by, raw)
		if c.may && (err != nil || !live || got.Subject != ada.ID()) {
			t.Errorf("%s: %+v, %t, %v", name, got, live, err)
		}
		if !c.may {
			nodetest.WantFault(t, name, err, fault.InsufficientScope, "introspect")
		}
	}
	// What could not be used as an access token is inactive, and no error.
	for _, junk := range []string{"", "junk", raw + "x", f.SessionOf(t, "ada").Value.Reveal()} {
		if got, live, err := f.Introspect(t.Context(), rs, junk); got != nil || live || err != nil {
			t.Errorf("%.10q: %+v, %t, %v", junk, got, live, err)
		}
	}
}
