package directory_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

var operator = caller.Operator()

// adminActs are all operations that need an administrator, those of other packages
// included, and the audit actions of those that change something. Each names things
// that don't exist, or that are new by n, so that for an administrator only the gate
// is passed.
func adminActs(t *testing.T, f *nodetest.Fixture, n *int) map[string]func(c *caller.Caller) (event string, err error) {
	ctx := t.Context()
	name := func() string { *n++; return "new-" + strconv.Itoa(*n) }
	b := access.Binding{Group: "g", Permission: &access.Permission{Action: "x", Path: "/x"}, Path: "/"}
	type act = func(c *caller.Caller) (string, error)
	one := func(event string, do func(c *caller.Caller) error) act {
		return func(c *caller.Caller) (string, error) { return event, do(c) }
	}
	return map[string]act{
		"CreateUser": one(audit.UserCreate, func(c *caller.Caller) error {
			return nodetest.Second(f.CreateUser(ctx, c, identity.NewUser{Username: name()}))
		}),
		"UpdateUser": one(audit.UserUpdate, func(c *caller.Caller) error {
			return nodetest.Second(f.UpdateUser(ctx, c, "victim", identity.UserPatch{Name: new(name())}))
		}),
		"RemoveUser":   one(audit.UserRemove, func(c *caller.Caller) error { return nodetest.Second(f.RemoveUser(ctx, c, "nobody")) }),
		"RemoveAccess": one(audit.UserAccess, func(c *caller.Caller) error { _, _, err := f.RemoveAccess(ctx, c, "victim", "/"); return err }),
		"CreateCollection": one(audit.CollectionCreate, func(c *caller.Caller) error {
			*n++
			return f.CreateCollection(ctx, c, records.Collection{ID: int64(*n), Name: name()})
		}),
		"UpdateCollection": one(audit.CollectionUpdate, func(c *caller.Caller) error {
			return f.UpdateCollection(ctx, c, records.Collection{ID: 999, Name: name()})
		}),
		"RemoveCollection": one(audit.CollectionRemove, func(c *caller.Caller) error { return nodetest.Second(f.RemoveCollection(ctx, c, 999)) }),
		"CreateRole":       one(audit.RoleCreate, func(c *caller.Caller) error { return f.CreateRole(ctx, c, access.Role{Name: name()}) }),
		"UpdateRole":       one(audit.RoleUpdate, func(c *caller.Caller) error { return f.UpdateRole(ctx, c, access.Role{Name: "none"}) }),
		"RemoveRole":       one(audit.RoleRemove, func(c *caller.Caller) error { return nodetest.Second(f.RemoveRole(ctx, c, "none")) }),
		"CreateBinding": one(audit.BindingCreate, func(c *caller.Caller) error {
			b.Group = name()
			return nodetest.Second(f.CreateBinding(ctx, c, b))
		}),
		"UpdateBinding": one(audit.BindingUpdate, func(c *caller.Caller) error { return nodetest.Second(f.UpdateBinding(ctx, c, b)) }),
		"RemoveBinding": one(audit.BindingRemove, func(c *caller.Caller) error { return nodetest.Second(f.RemoveBinding(ctx, c, "none")) }),
		"CreateClient": one(audit.ClientCreate, func(c *caller.Caller) error {
			_, _, err := f.CreateClient(ctx, c, identity.NewClient{ID: name()}, true)
			return err
		}),
		"UpdateClient": one(audit.ClientUpdate, func(c *caller.Caller) error {
			return nodetest.Second(f.UpdateClient(ctx, c, identity.NewClient{ID: "none"}))
		}),
		"RemoveClient": one(audit.ClientRemove, func(c *caller.Caller) error { return nodetest.Second(f.RemoveClient(ctx, c, "none")) }),
		"RotateSecret": one(audit.ClientSecret, func(c *caller.Caller) error {
			_, _, err := f.RotateSecret(ctx, c, identity.Rotation{ID: "none"})
			return err
		}),
		"RotateKeys": one(audit.KeyRotate, func(c *caller.Caller) error { return f.RotateKeys(ctx, c, false) }),
		"RetireKey":  one(audit.KeyRetire, func(c *caller.Caller) error { return nodetest.Second(f.RetireKey(ctx, c, "none")) }),
		"Apply":      one(audit.Apply, func(c *caller.Caller) error { _, _, err := f.Apply(ctx, c, apply.Desired{}); return err }),

		"UserList":       one("", func(c *caller.Caller) error { return nodetest.Second(f.UserList(ctx, c, records.UserQuery{})) }),
		"User":           one("", func(c *caller.Caller) error { return nodetest.Second(f.Directory.User(ctx, c, "victim")) }),
		"UserPrincipal":  one("", func(c *caller.Caller) error { return nodetest.Second(f.UserPrincipal(ctx, c, "victim")) }),
		"UserAccess":     one("", func(c *caller.Caller) error { return nodetest.Second(f.UserAccess(ctx, c, "victim")) }),
		"ExplainUser":    one("", func(c *caller.Caller) error { return nodetest.Second(f.ExplainUser(ctx, c, "victim", "x", "/")) }),
		"CollectionList": one("", func(c *caller.Caller) error { return nodetest.Second(f.CollectionList(ctx, c)) }),
		"RoleList":       one("", func(c *caller.Caller) error { return nodetest.Second(f.RoleList(ctx, c)) }),
		"BindingList":    one("", func(c *caller.Caller) error { return nodetest.Second(f.BindingList(ctx, c, records.BindingQuery{})) }),
		"Binding":        one("", func(c *caller.Caller) error { return nodetest.Second(f.Binding(ctx, c, "none")) }),
		"ClientList":     one("", func(c *caller.Caller) error { return nodetest.Second(f.ClientList(ctx, c)) }),
		"Client":         one("", func(c *caller.Caller) error { return nodetest.Second(f.Directory.Client(ctx, c, "none")) }),
		"KeyList":        one("", func(c *caller.Caller) error { return nodetest.Second(f.KeyList(ctx, c)) }),
		"AuditEvents":    one("", func(c *caller.Caller) error { return nodetest.Second(f.AuditEvents(ctx, c, audit.Filter{})) }),
		"Usernames":      one("", func(c *caller.Caller) error { return nodetest.Second(f.Usernames(ctx, c, nil)) }),
		"TokenList":      one("", func(c *caller.Caller) error { return nodetest.Second(f.TokenList(ctx, c, records.TokenQuery{})) }),
	}
}

func TestOnlyAdministratorsAdminister(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) { s.Wait = revocation.WaitNone }})
	f.Collection(t, 4, "Fish")
	f.User(t, "victim", "")
	eve := f.Person(t, "eve", nodetest.May("*", "/collections"), nodetest.May("access", "/"), nodetest.May("admin", "/"))
	root := f.Person(t, "root", nodetest.Admin())
	app := f.NewClient(t, identity.NewClient{ID: "app", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants(), Scopes: []string{"admin"}})
	apps, err := f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: app, Scope: []string{"admin"}})
	nodetest.Must(t, err)
	n := 1000
	for act, do := range adminActs(t, f, &n) {
		for name, c := range map[string]struct {
			by   *caller.Caller
			kind fault.Kind // 0: may
		}{
			"nobody":                          {nil, fault.Unauthenticated},
			"a caller of no kind":             {&caller.Caller{}, fault.Forbidden},
			"a user with many rights":         {eve, fault.Forbidden},
			"the same by Bearer":              {f.ByBearer(t, f.MadeAccess(t, eve, "admin")), fault.Forbidden},
			"a client":                        {app, fault.Forbidden},
			"a client's token":                {f.ByBearer(t, apps), fault.Forbidden},
			"an administrator's plain Bearer": {f.ByBearer(t, f.MadeAccess(t, root, "read")), fault.InsufficientScope},
			"an administrator's collection":   {f.ByBearer(t, f.Made(t, root, issuance.Request{Kind: token.KindAccess, Scope: []string{"admin"}, Collection: new(int64(4))})), fault.InsufficientScope},
			"an administrator":                {root, 0},
			"an administrator by Bearer":      {f.ByBearer(t, f.MadeAccess(t, root, "admin")), 0},
			"an administrator's API token":    {f.ByBearer(t, f.APIToken(t, root, credentials.NewCredential{Scope: []string{"admin"}})), 0},
			"the operator":                    {operator, 0},
		} {
			before := f.Refusals(t)
			event, err := do(c.by)
			refused := f.Refusals(t) - before
			switch {
			case c.kind == 0 && (fault.Is(err, fault.Forbidden) || fault.Is(err, fault.InsufficientScope) || fault.Is(err, fault.Unauthenticated) || refused != 0):
				t.Errorf("%s by %s: %v, %d refusals", act, name, err, refused)
			case c.kind != 0:
				nodetest.WantFault(t, act+" by "+name, err, c.kind, "")
				want := 0
				if event != "" && c.by != nil {
					want = 1
				}
				if refused != want {
					t.Errorf("%s by %s: %d refusals recorded, want %d", act, name, refused, want)
				}
			}
		}
	}
	if u, err := f.Directory.User(t.Context(), operator, "victim"); err != nil || u.Username != "victim" {
		t.Errorf("%+v, %v", u, err)
	}
}

// An administrator whose right is removed can't administer with an older token.
func TestAdministratorLosesTheRightAtOnce(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	root := f.Person(t, "root", nodetest.Admin())
	lasting := f.APIToken(t, root, credentials.NewCredential{Scope: []string{"admin"}})
	nodetest.Must(t, nodetest.Second(f.UserList(t.Context(), f.ByBearer(t, lasting), records.UserQuery{})))
	_, _, err := f.RemoveAccess(t.Context(), operator, "root", "/")
	nodetest.Must(t, err)
	_, err = f.UserList(t.Context(), f.ByBearer(t, lasting), records.UserQuery{})
	nodetest.WantFault(t, "after that", err, fault.Forbidden, "")
}

func TestEveryChangeIsRecordedWithActorAndTarget(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	root := f.Person(t, "root", nodetest.Admin())
	ctx := audit.WithOrigin(t.Context(), audit.Origin{Address: "192.0.2.7", RequestID: "r-1"})
	u, err := f.CreateUser(ctx, root, identity.NewUser{Username: "ada", Password: "correct horse"})
	nodetest.Must(t, err)
	nodetest.Must(t, nodetest.Second(f.UpdateUser(ctx, root, "ada", identity.UserPatch{Email: new("ada@example.org")})))
	nodetest.Must(t, nodetest.Second(f.UpdateUser(ctx, root, "ada", identity.UserPatch{Password: new(token.Secret("battery staple"))})))
	nodetest.Must(t, nodetest.Second(f.UpdateUser(ctx, root, "ada", identity.UserPatch{Disabled: new(true)})))
	nodetest.Must(t, nodetest.Second(f.UpdateUser(ctx, root, "ada", identity.UserPatch{Disabled: new(false)})))
	nodetest.Must(t, nodetest.Second(f.UpdateUser(ctx, root, "ada", identity.UserPatch{}))) // nothing to record
	nodetest.Must(t, f.CreateCollection(ctx, root, records.Collection{ID: 4, Name: "Fish"}))
	nodetest.Must(t, f.UpdateCollection(ctx, root, records.Collection{ID: 4, Name: "Fishes"}))
	nodetest.Must(t, f.CreateRole(ctx, root, access.Role{Name: "curator"}))
	nodetest.Must(t, f.UpdateRole(ctx, root, access.Role{Name: "curator", Permissions: []access.Permission{{Action: "*", Path: "/"}}}))
	b, err := f.CreateBinding(ctx, root, access.Binding{User: "ada", Role: "curator", Path: "/collections/4"})
	nodetest.Must(t, err)
	b.Path = "/collections"
	nodetest.Must(t, nodetest.Second(f.UpdateBinding(ctx, root, b)))
	_, _, err = f.RemoveAccess(ctx, root, "ada", "/collections")
	nodetest.Must(t, err)
	g, err := f.CreateBinding(ctx, root, access.Binding{Group: "fish", Role: "curator"})
	nodetest.Must(t, err)
	nodetest.Must(t, nodetest.Second(f.RemoveBinding(ctx, root, g.ID)))
	_, secret, err := f.CreateClient(ctx, root, identity.NewClient{ID: "app", Grants: []string{identity.GrantTypeClientCredentials}}, true)
	nodetest.Must(t, err)
	nodetest.Must(t, nodetest.Second(f.UpdateClient(ctx, root, identity.NewClient{ID: "app"})))
	nodetest.Must(t, f.RotateKeys(ctx, root, true))
	key, err := f.Ring.Signing()
	nodetest.Must(t, err)
	nodetest.Must(t, nodetest.Second(f.RetireKey(ctx, root, key.KID)))
	root = f.SignedIn(t, "root")
	nodetest.Must(t, nodetest.Second(f.RemoveClient(ctx, root, "app")))
	nodetest.Must(t, nodetest.Second(f.RemoveRole(ctx, root, "curator")))
	nodetest.Must(t, nodetest.Second(f.RemoveCollection(ctx, root, 4)))
	nodetest.Must(t, nodetest.Second(f.RemoveUser(ctx, root, "ada")))

	want := [][2]string{
		{audit.UserCreate, u.ID},
		{audit.UserUpdate, u.ID},
		{audit.UserPassword, u.ID},
		{audit.UserDisable, u.ID},
		{audit.UserEnable, u.ID},
		{audit.CollectionCreate, "4"},
		{audit.CollectionUpdate, "4"},
		{audit.RoleCreate, "curator"},
		{audit.RoleUpdate, "curator"},
		{audit.BindingCreate, u.ID},
		{audit.BindingUpdate, u.ID},
		{audit.UserAccess, u.ID},
		{audit.BindingCreate, "fish"},
		{audit.BindingRemove, "fish"},
		{audit.ClientCreate, "app"},
		{audit.ClientUpdate, "app"},
		{audit.KeyRotate, ""},
		{audit.KeyRetire, key.KID},
		{audit.ClientRemove, "app"},
		{audit.RoleRemove, "curator"},
		{audit.CollectionRemove, "4"},
		{audit.UserRemove, u.ID},
	}
	var got [][2]string
	for _, e := range f.Events(t, audit.Filter{Actor: root.ID(), Limit: audit.MaxLimit}) {
		if e.Address != "192.0.2.7" {
			continue // the fixture's own
		}
		got = append(got, [2]string{e.Action, e.Target})
		if e.Outcome != audit.OK || e.RequestID != "r-1" || e.At.IsZero() {
			t.Errorf("%+v", e)
		}
		for _, text := range []string{"correct horse", "battery staple", secret.Reveal(), "argon2"} {
			if strings.Contains(e.Reason+e.Target+e.TokenID, text) {
				t.Errorf("a secret in %+v", e)
			}
		}
	}
	slices.Reverse(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A caller who may not is refused before anybody judges what was sent.
func TestGateComesBeforeValidation(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	eve := f.Person(t, "eve")
	ctx := t.Context()
	bad := access.Role{Name: " "}
	for action, do := range map[string]func(c *caller.Caller) error{
		audit.UserCreate: func(c *caller.Caller) error { return nodetest.Second(f.CreateUser(ctx, c, identity.NewUser{})) },
		audit.UserUpdate: func(c *caller.Caller) error {
			return nodetest.Second(f.UpdateUser(ctx, c, "\xff", identity.UserPatch{}))
		},
		audit.UserRemove:       func(c *caller.Caller) error { return nodetest.Second(f.RemoveUser(ctx, c, "\xff")) },
		audit.UserAccess:       func(c *caller.Caller) error { _, _, err := f.RemoveAccess(ctx, c, "\xff", ""); return err },
		audit.CollectionCreate: func(c *caller.Caller) error { return f.CreateCollection(ctx, c, records.Collection{ID: -1}) },
		audit.CollectionUpdate: func(c *caller.Caller) error { return f.UpdateCollection(ctx, c, records.Collection{ID: -1}) },
		audit.RoleCreate:       func(c *caller.Caller) error { return f.CreateRole(ctx, c, bad) },
		audit.RoleUpdate:       func(c *caller.Caller) error { return f.UpdateRole(ctx, c, bad) },
		audit.BindingCreate:    func(c *caller.Caller) error { return nodetest.Second(f.CreateBinding(ctx, c, access.Binding{})) },
		audit.BindingUpdate:    func(c *caller.Caller) error { return nodetest.Second(f.UpdateBinding(ctx, c, access.Binding{})) },
		audit.ClientCreate: func(c *caller.Caller) error {
			_, _, err := f.CreateClient(ctx, c, identity.NewClient{Secret: "short"}, false)
			return err
		},
		audit.ClientUpdate: func(c *caller.Caller) error {
			return nodetest.Second(f.UpdateClient(ctx, c, identity.NewClient{Secret: "short"}))
		},
		audit.Apply: func(c *caller.Caller) error {
			_, _, err := f.Apply(ctx, c, apply.Desired{Roles: []access.Role{bad}})
			return err
		},
	} {
		nodetest.WantFault(t, action, do(eve), fault.Forbidden, "")
		nodetest.WantFault(t, action+" by nobody", do(nil), fault.Unauthenticated, "")
		events := f.Events(t, audit.Filter{Action: action, Actor: eve.ID()})
		if len(events) != 1 || events[0].Outcome != audit.Refused {
			t.Errorf("%s by eve recorded %+v, want one refusal", action, events)
		}
	}
}

func TestNewRefusesAnIncompleteConfig(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	forms, err := token.NewForms(token.PrefixAPIToken)
	nodetest.Must(t, err)
	editor, err := changes.New(changes.Config{Store: f.Store, Journal: f.Journal, Hasher: f.Hasher, Passwords: identity.PasswordRule{Min: 8}})
	nodetest.Must(t, err)
	whole := directory.Config{Store: f.Store, Journal: f.Journal, Editor: editor, Ring: f.Ring, Forms: forms}
	nodetest.Must(t, nodetest.Second(directory.New(whole)))
	for name, remove := range map[string]func(*directory.Config){
		"the store":   func(c *directory.Config) { c.Store = nil },
		"the journal": func(c *directory.Config) { c.Journal = nil },
		"the editor":  func(c *directory.Config) { c.Editor = nil },
		"the ring":    func(c *directory.Config) { c.Ring = nil },
		"the forms":   func(c *directory.Config) { c.Forms = token.Forms{} },
	} {
		cfg := whole
		remove(&cfg)
		if _, err := directory.New(cfg); err == nil {
			t.Errorf("a directory without %s", name)
		}
	}
}
