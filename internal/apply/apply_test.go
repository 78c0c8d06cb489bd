package apply_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/store/storetest"
	"github.com/bearerd/bearerd/internal/token"
)

func permission(action string, path access.Path) *access.Permission {
	return &access.Permission{Action: action, Path: path}
}

// file is what the design's example of an access file says.
func file() apply.Desired {
	return apply.Desired{
		Collections: []records.Collection{{ID: 4, Name: "KU Fish Voucher Collection"}},
		Roles:       []access.Role{{Name: "collection-admin", Permissions: []access.Permission{{Action: "*", Path: "/"}}}},
		Users: []apply.DesiredUser{
			{
				NewUser: identity.NewUser{Username: "spadmin", Password: "test#password", Name: "Sp Admin", Email: "sp@example.org", Groups: []string{"curators"}},
				SetName: true, SetEmail: true, SetGroups: true,
			},
			{NewUser: identity.NewUser{Username: "jthomas"}},
		},
		Bindings: []access.Binding{
			{User: "spadmin", Role: "collection-admin", Path: "/collections/4"},
			{Group: "curators", Permission: permission("access", "/collections/4")},
			{User: "jthomas", Permission: permission("create", "/task-tokens/FOO/100")},
		},
		Clients: []identity.NewClient{{ID: "ci", Secret: nodetest.ClientSecret, Grants: []string{identity.GrantTypeClientCredentials}, Scopes: []string{"read"}}},
	}
}

// apply applies the file and returns each action with its target.
func applied(t *testing.T, f *nodetest.Fixture, d apply.Desired) []string {
	t.Helper()
	done, _, err := f.Apply(t.Context(), operator, d)
	nodetest.Must(t, err)
	var out []string
	for _, one := range done {
		out = append(out, one.Action+" "+one.Target)
	}
	return out
}

func TestApplyMakesWhatTheFileSaysAndNothingTheSecondTime(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	want := []string{
		"collection.create KU Fish Voucher Collection", "role.create collection-admin", "user.create spadmin", "user.create jthomas",
		"binding.create spadmin: role collection-admin at /collections/4", "binding.create group curators: access /collections/4 at /",
		"binding.create jthomas: create /task-tokens/FOO/100 at /", "client.create ci",
	}
	if diff := cmp.Diff(want, applied(t, f, file())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c := f.Login(t, "spadmin", "test#password", 4)
	if !c.Principal.May("anything", "/collections/4/x").Allowed || c.Principal.User.Email != "sp@example.org" {
		t.Errorf("%+v", c.Principal)
	}
	nodetest.Must(t, nodetest.Second(f.AuthenticateClient(t.Context(), "ci", nodetest.ClientSecret)))
	issued := f.MadeAccess(t, f.SignedIn(t, "spadmin"))
	head, hash := f.Ledger.Applied(), hashOf(t, f, "spadmin")
	for range 2 {
		for _, prune := range []bool{false, true} {
			d := file()
			d.Prune = prune
			if got := applied(t, f, d); got != nil {
				t.Errorf("again, prune %t: %q", prune, got)
			}
		}
	}
	nodetest.Must(t, f.Follower.CatchUp(t.Context()))
	if f.Ledger.Applied() != head || hashOf(t, f, "spadmin") != hash {
		t.Error("saying the same again is in the log, or changed a password's hash")
	}
	f.WantAlive(t, "a token of before", issued)
	for _, e := range f.Events(t, audit.Filter{Action: audit.UserCreate}) {
		if e.Actor != audit.ActorCLI || e.Target == "" {
			t.Errorf("%+v", e)
		}
	}
}

func TestApplyChangesWhatDiffersAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(d *apply.Desired)
		want   []string
		void   bool // the user's tokens
	}{
		"a collection's name":        {func(d *apply.Desired) { d.Collections[0].Name = "Fish" }, []string{"collection.update Fish"}, false},
		"a role":                     {func(d *apply.Desired) { d.Roles[0].Permissions[0].Action = "read" }, []string{"role.update collection-admin"}, false},
		"a user's name":              {func(d *apply.Desired) { d.Users[0].Name = "x" }, []string{"user.update spadmin"}, false},
		"a name that isn't said":     {func(d *apply.Desired) { d.Users[0].Name, d.Users[0].SetName = "", false }, nil, false},
		"an email that isn't said":   {func(d *apply.Desired) { d.Users[0].Email, d.Users[0].SetEmail = "", false }, nil, false},
		"groups that aren't said":    {func(d *apply.Desired) { d.Users[0].Groups, d.Users[0].SetGroups = nil, false }, nil, false},
		"no groups":                  {func(d *apply.Desired) { d.Users[0].Groups = nil }, []string{"user.update spadmin"}, false},
		"a password":                 {func(d *apply.Desired) { d.Users[0].Password = "changed since" }, []string{"user.password spadmin"}, true},
		"a password that isn't said": {func(d *apply.Desired) { d.Users[0].Password = "" }, nil, false},
		"disabled":                   {func(d *apply.Desired) { d.Users[0].Disabled, d.Users[0].SetDisabled = true, true }, []string{"user.disable spadmin"}, true},
		"not disabled":               {func(d *apply.Desired) { d.Users[0].SetDisabled = true }, nil, false},
		"another password's hash":    {func(d *apply.Desired) { d.Users[0].Password, d.Users[0].PasswordHash = "", nodetest.CheapHash(t) }, []string{"user.password spadmin"}, true},
		"the secret":                 {func(d *apply.Desired) { d.Clients[0].Secret = "another secret that is long enough, too" }, []string{"client.update ci"}, false},
		"a secret that isn't said":   {func(d *apply.Desired) { d.Clients[0].Secret = "" }, nil, false},
		"a scope more":               {func(d *apply.Desired) { d.Clients[0].Scopes = []string{"write", "read"} }, []string{"client.update ci"}, false},
		"what it doesn't name":       {func(d *apply.Desired) { *d = apply.Desired{} }, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := nodetest.New(t, nodetest.Options{})
			applied(t, f, file())
			issued := f.MadeAccess(t, f.SignedIn(t, "spadmin"))
			d := file()
			c.change(&d)
			dry := d
			dry.Bindings, dry.DryRun = slices.Clone(d.Bindings), true
			if diff := cmp.Diff(c.want, applied(t, f, dry)); diff != "" {
				t.Errorf("dry (-want +got):\n%s", diff)
			}
			f.WantAlive(t, "after a dry run", issued)
			if diff := cmp.Diff(c.want, applied(t, f, d)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if c.void {
				f.WantDead(t, name, issued)
			} else {
				f.WantAlive(t, name, issued)
			}
			again := file()
			c.change(&again)
			if got := applied(t, f, again); got != nil {
				t.Errorf("again: %q", got)
			}
		})
	}
}

func TestApplyPrunesWhatTheFileDoesNotHave(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	applied(t, f, file())
	f.Collection(t, 5, "Birds")
	nodetest.Must(t, f.CreateRole(t.Context(), operator, access.Role{Name: "reader", Permissions: []access.Permission{{Action: "read", Path: "/"}}}))
	eve := f.Person(t, "eve", nodetest.May("access", "/collections/5"), access.Binding{Role: "reader", Path: "/"})
	nodetest.Must(t, nodetest.Second(f.CreateBinding(t.Context(), operator, nodetest.WithUser("spadmin", nodetest.Admin()))))
	f.Client(t, "old", "read")
	evil := f.MadeAccess(t, eve)
	kept := f.MadeAccess(t, f.SignedIn(t, "spadmin"))
	d := file()
	if got := applied(t, f, d); got != nil {
		t.Errorf("without prune: %q", got)
	}
	d = file()
	d.Prune, d.DryRun = true, true
	dry := applied(t, f, d)
	f.WantAlive(t, "after a dry run", evil)
	d = file()
	d.Prune = true
	got := applied(t, f, d)
	if diff := cmp.Diff(dry, got); diff != "" {
		t.Errorf("a dry run says something else (-dry +done):\n%s", diff)
	}
	for _, want := range []string{
		"client.remove old", "user.remove eve", "role.remove reader", "collection.remove Birds",
		"binding.remove spadmin: * / at /", "binding.remove eve: role reader at /",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is missing in %q", want, got)
		}
	}
	if len(got) != 6 { // a binding about the collection goes with it
		t.Errorf("%d changes: %q", len(got), got)
	}
	f.WantDead(t, "a pruned user's token", evil)
	f.WantAlive(t, "a token of who stays", kept)
	d = file()
	d.Prune = true
	if got := applied(t, f, d); got != nil {
		t.Errorf("again: %q", got)
	}
}

// A number or a name may be given to something else in the file that prunes it.
func TestApplyGivesAPrunedNameToAnother(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	applied(t, f, apply.Desired{Collections: []records.Collection{{ID: 4, Name: "Fish"}, {ID: 6, Name: "Birds"}}})
	// Nobody needs the collection to have a right about its number.
	about := access.Binding{Group: "g", Permission: permission("access", "/collections/4"), Path: "/"}
	nodetest.Must(t, nodetest.Second(f.CreateBinding(t.Context(), operator, about)))
	d := apply.Desired{Collections: []records.Collection{{ID: 5, Name: "Fish"}, {ID: 6, Name: "Birds"}}, Bindings: []access.Binding{about}, Prune: true}
	applied(t, f, d)
	if again := applied(t, f, d); again != nil {
		t.Errorf("again: %q", again)
	}
	all, err := f.CollectionList(t.Context(), operator)
	nodetest.Must(t, err)
	if diff := cmp.Diff(d.Collections, all); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestApplyIsAllOrNothingAndNamesTheMistake(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := nodetest.New(t, nodetest.Options{Dir: dir, File: true})
	f.User(t, "outsider", "")
	nodetest.Must(t, f.CreateRole(t.Context(), operator, access.Role{Name: "outside"}))
	for name, c := range map[string]struct {
		change func(d *apply.Desired)
		want   string
	}{
		"a bad collection": {func(d *apply.Desired) {
			d.Collections = append(d.Collections, records.Collection{ID: -1, Name: "x"})
		}, "collections[1]"},
		"a bad role":                 {func(d *apply.Desired) { d.Roles[0].Permissions[0].Path = "relative" }, "roles[0]"},
		"a bad user":                 {func(d *apply.Desired) { d.Users[1].Username = " x" }, "users[1]"},
		"a user like an id":          {func(d *apply.Desired) { d.Users[1].Username = "5c1e0b2a-8b6f-4b0e-9a66-0a5c0e7d3f11" }, "users[1]"},
		"a bad hash":                 {func(d *apply.Desired) { d.Users[1].PasswordHash = "plain" }, "users[1]"},
		"a binding of nobody":        {func(d *apply.Desired) { d.Bindings[0].User = "nobody" }, "bindings[0]"},
		"a binding of no role":       {func(d *apply.Desired) { d.Bindings[0].Role = "none" }, "bindings[0]"},
		"a binding of too much":      {func(d *apply.Desired) { d.Bindings[1].Role = "collection-admin" }, "bindings[1]"},
		"a bad client":               {func(d *apply.Desired) { d.Clients[0].Secret = "short" }, "clients[0]"},
		"a client named like a user": {func(d *apply.Desired) { d.Clients[0].ID = "5c1e0b2a-8b6f-4b0e-9a66-0a5c0e7d3f11" }, "clients[0]"},
		// What the same file prunes can't be what it builds on: the next time it would not be there.
		"a binding of who is pruned":  {func(d *apply.Desired) { d.Prune, d.Bindings[2].User = true, "outsider" }, "bindings[2]"},
		"a binding of what is pruned": {func(d *apply.Desired) { d.Prune, d.Bindings[0].Role = true, "outside" }, "bindings[0]"},
	} {
		d := file()
		c.change(&d)
		path := filepath.Join(dir, "bearerd.db")
		before := storetest.Dump(t, path)
		_, _, err := f.Apply(t.Context(), operator, d)
		var m *apply.MistakeError
		if !errors.As(err, &m) || !fault.Is(err, fault.Invalid) || m.Error()[:len(c.want)] != c.want {
			t.Errorf("%s: %v; want a mistake at %s", name, err, c.want)
		}
		after := storetest.Dump(t, path)
		delete(before, "nodes")
		delete(after, "nodes")
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("%s left something behind:\n%s", name, diff)
		}
	}
	nodetest.Must(t, f.CreateCollection(t.Context(), operator, records.Collection{ID: 9, Name: "KU Fish Voucher Collection"}))
	before := storetest.Dump(t, filepath.Join(dir, "bearerd.db"))
	_, _, err := f.Apply(t.Context(), operator, file())
	nodetest.WantFault(t, "a name that is taken", err, fault.Conflict, "")
	after := storetest.Dump(t, filepath.Join(dir, "bearerd.db"))
	if len(after["users"]) != len(before["users"]) || len(after["bindings"]) != len(before["bindings"]) {
		t.Error("a file that can't be carried out left something behind")
	}
}

// What a file changes reaches tokens like a revocation, on every node.
func TestApplyReachesEveryNode(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{})
	applied(t, here, file())
	c := here.SignedIn(t, "spadmin")
	issued := here.Made(t, c, issuance.Request{Kind: token.KindAccess, Collection: new(int64(4))})
	there.WantAlive(t, "before", issued)
	d := file()
	d.Bindings, d.Prune = d.Bindings[2:], true
	applied(t, here, d)
	for _, f := range []*nodetest.Fixture{here, there} {
		_, err := f.Judge(t, issued)
		nodetest.WantFault(t, "after", err, fault.InsufficientScope, "no access")
	}
	applied(t, here, apply.Desired{Users: []apply.DesiredUser{{NewUser: identity.NewUser{Username: "spadmin", Disabled: true}, SetDisabled: true}}})
	for _, f := range []*nodetest.Fixture{here, there} {
		f.WantDead(t, "disabled", issued)
	}
}

func hashOf(t *testing.T, f *nodetest.Fixture, username string) string {
	t.Helper()
	u, err := f.Directory.User(t.Context(), operator, username)
	nodetest.Must(t, err)
	return u.PasswordHash.Reveal()
}

// What is stored already isn't judged: a file that says it changes nothing. Nor is a hash.
func TestAStoredPasswordIsNotJudged(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	_, err := f.CreateUser(t.Context(), operator, identity.NewUser{Username: "ada", PasswordHash: nodetest.CheapHash(t)})
	nodetest.Must(t, err)
	d := apply.Desired{Users: []apply.DesiredUser{{NewUser: identity.NewUser{Username: "ada", Password: "right"}}}}
	if changes := applied(t, f, d); changes != nil {
		t.Errorf("%v", changes)
	}
}
