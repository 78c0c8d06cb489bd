package directory_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/token"
)

func TestUserChangesRefuseWhatIsWrong(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ctx := t.Context()
	f.User(t, "ada", "")
	for name, c := range map[string]struct {
		err  error
		kind fault.Kind
	}{
		"a user twice":                {nodetest.Second(f.CreateUser(ctx, operator, identity.NewUser{Username: "ada"})), fault.Conflict},
		"a user without a name":       {nodetest.Second(f.CreateUser(ctx, operator, identity.NewUser{})), fault.Invalid},
		"a user in no group":          {nodetest.Second(f.CreateUser(ctx, operator, identity.NewUser{Username: "x", Groups: []string{""}})), fault.Invalid},
		"a user in two groups in one": {nodetest.Second(f.CreateUser(ctx, operator, identity.NewUser{Username: "x", Groups: []string{"a,b"}})), fault.Invalid},
		"no password":                 {nodetest.Second(f.UpdateUser(ctx, operator, "ada", identity.UserPatch{Password: new(token.Secret(""))})), fault.Invalid},
		"a user who isn't there":      {nodetest.Second(f.UpdateUser(ctx, operator, "nobody", identity.UserPatch{Name: new("x")})), fault.NotFound},
		"no user to remove":           {nodetest.Second(f.RemoveUser(ctx, operator, "nobody")), fault.NotFound},
	} {
		nodetest.WantFault(t, name, c.err, c.kind, "")
	}
}

func TestUserReadsThemselvesAndAdministratorsReadEverybody(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada", nodetest.May("access", "/collections/4"))
	root := f.Person(t, "root", nodetest.Admin())
	for _, c := range []*caller.Caller{ada, root} {
		for _, ref := range []string{"ada", ada.ID()} {
			u, err := f.Directory.User(t.Context(), c, ref)
			if err != nil || u.Username != "ada" {
				t.Errorf("%s: %+v, %v", ref, u, err)
			}
			subject, err := f.UserSubject(t.Context(), c, ref)
			if err != nil || subject.ID != ada.ID() || !subject.May("access", "/collections/4").Allowed {
				t.Errorf("%s: %+v, %v", ref, subject, err)
			}
			grants, err := f.UserAccess(t.Context(), c, ref)
			if err != nil || len(grants) != 1 || grants[0].Path != "/collections/4" {
				t.Errorf("access of %s: %+v, %v", ref, grants, err)
			}
		}
	}
	for _, ref := range []string{"root", root.ID(), "nobody", "\xff"} {
		_, err := f.Directory.User(t.Context(), ada, ref)
		nodetest.WantFault(t, "ada reads "+ref, err, fault.Forbidden, "")
	}
	for _, ref := range []string{"nobody", "\xff", "5c1e0b2a-8b6f-4b0e-9a66-0a5c0e7d3f11"} {
		_, err := f.Directory.User(t.Context(), root, ref)
		nodetest.WantFault(t, "root reads "+ref, err, fault.NotFound, "")
	}
	_, err := f.Directory.User(t.Context(), ada.OnlyRevokeSelf(), "ada")
	nodetest.WantFault(t, "by a token that may only revoke itself", err, fault.Unauthenticated, "")
}

func TestUsernamesAreThoseOfUsersWhoExist(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada, eve := f.User(t, "ada", ""), f.User(t, "eve", "")
	nodetest.Must(t, nodetest.Second(f.RemoveUser(t.Context(), operator, "eve")))
	got, err := f.Usernames(t.Context(), operator, []string{ada.ID, eve.ID, ada.ID, "app"})
	nodetest.Must(t, err)
	if diff := cmp.Diff(map[string]string{ada.ID: "ada"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Renaming keeps who somebody is. The name is free then, and from where its old holder
// signed in means nothing for the next one.
func TestARenamedUserIsTheSameUser(t *testing.T) {
	t.Parallel()
	nodetest.OnEngines(t, func(t *testing.T, f *nodetest.Fixture) {
		ada := f.User(t, "ada", "correct horse")
		f.User(t, "grace", "")
		issued := f.APIToken(t, f.SignedIn(t, "ada"), credentials.NewCredential{})
		name := "Ada.Lovelace"
		u, err := f.UpdateUser(t.Context(), operator, "ADA", identity.UserPatch{Username: &name})
		if nodetest.Must(t, err); u.ID != ada.ID || u.Username != name {
			t.Errorf("renamed: %+v", u)
		}
		f.WantAlive(t, "a token of before", issued)
		f.Login(t, "ada.LOVELACE ", "correct horse")
		taken, bad, subject := "GRACE", "gr\u200bace", ada.ID
		_, err = f.UpdateUser(t.Context(), operator, ada.ID, identity.UserPatch{Username: &taken})
		nodetest.WantFault(t, "a taken name", err, fault.Conflict, `a user of that name exists already, as "grace"`)
		for _, name := range []string{bad, subject, ""} {
			_, err = f.UpdateUser(t.Context(), operator, ada.ID, identity.UserPatch{Username: &name})
			nodetest.WantFault(t, "a bad name", err, fault.Invalid, "")
		}
		f.User(t, "ada", "") // is free
	})
}

// What an earlier version accepted as a username doesn't keep its user from being changed.
func TestAUserWithAnOldNameCanBeDisabled(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	nodetest.Must(t, nodetest.Second(f.Store.Commit(t.Context(), op.Batch{
		Ops: []op.Op{op.CreateUser{User: identity.User{ID: "5c1e0b2a-8b6f-4b0e-9a66-0a5c0e7d3f11", Username: "ad\u200ba"}}},
	})))
	yes := true
	if u, err := f.UpdateUser(t.Context(), operator, "ad\u200ba", identity.UserPatch{Disabled: &yes}); err != nil || !u.Disabled {
		t.Errorf("%+v, %v", u, err)
	}
}
