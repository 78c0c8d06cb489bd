package directory_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
)

// Whoever sets a password in clear is held to the rule; a new name counts as the name.
func TestEveryPasswordInClearIsJudged(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) { s.PasswordRule.Min = 12 }})
	f.User(t, "ada", "")
	ctx := t.Context()
	set := func(password token.Secret, rename *string) error {
		return nodetest.Second(f.UpdateUser(ctx, operator, "ada", identity.UserPatch{Username: rename, Password: &password}))
	}
	applied := func(source, username string, password token.Secret) error {
		d := apply.Desired{Source: source, Users: []apply.DesiredUser{{NewUser: identity.NewUser{Username: username, Password: password}}}}
		_, _, err := f.Apply(ctx, operator, d)
		return err
	}
	for name, err := range map[string]error{
		"a new user":           nodetest.Second(f.CreateUser(ctx, operator, identity.NewUser{Username: "bob", Password: "eleven char"})),
		"a user":               set("eleven char", nil),
		"a name that is to be": set("lady.lovelace", new("lady.lovelace")),
		"a common one":         set("password1234", nil),
		"apply, a new user":    applied("", "bob", "eleven char"),
		"apply, a user":        applied("", "ada", "eleven char"),
		"apply, of a source":   applied("museum", "bob", "eleven char"),
	} {
		if !fault.Is(err, fault.Invalid) || fault.FieldOf(err) != "password" {
			t.Errorf("%s: %v, field %q", name, err, fault.FieldOf(err))
		}
	}
	nodetest.Must(t, set("twelve chars", nil))
}

// An administrator's session sets a password only soon after the sign-in, their own too; a
// token and the command line have no sign-in.
func TestASessionSetsAPasswordWhileItIsFresh(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	root := f.Person(t, "root", nodetest.Admin())
	bearer := f.ByBearer(t, f.MadeAccess(t, root, identity.ScopeAdmin))
	set := func(c *caller.Caller) error {
		return nodetest.Second(f.UpdateUser(t.Context(), c, "ada", identity.UserPatch{Password: new(token.Secret("battery staple"))}))
	}
	f.User(t, "ada", "")
	nodetest.Must(t, set(root))
	f.Advance(15*time.Minute + time.Second)
	nodetest.WantFault(t, "too late", set(root), fault.SignInAgain, "")
	if events := f.Events(t, audit.Filter{Actor: root.ID(), Action: audit.UserPassword}); len(events) != 2 || events[0].Outcome != audit.Refused {
		t.Errorf("%+v", events)
	}
	nodetest.Must(t, nodetest.Second(f.UpdateUser(t.Context(), root, "ada", identity.UserPatch{Name: new("Ada")})))
	nodetest.Must(t, set(bearer))
	nodetest.Must(t, set(operator))
}
