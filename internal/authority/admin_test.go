package authority_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/token"
)

// adminActs are all acts that want an administrator, and what the audit log calls
// those that change something. Each names things that aren't there, or are new by n,
// so that whoever may do it gets past the question whether they may.
func adminActs(t *testing.T, f *authoritytest.Fixture, n *int) map[string]func(c *authority.Caller) (event string, err error) {
	ctx := t.Context()
	name := func() string { *n++; return "new-" + strconv.Itoa(*n) }
	b := access.Binding{Group: "g", Permission: &access.Permission{Action: "x", Path: "/x"}, Path: "/"}
	type act = func(c *authority.Caller) (string, error)
	one := func(event string, do func(c *authority.Caller) error) act {
		return func(c *authority.Caller) (string, error) { return event, do(c) }
	}
	return map[string]act{
		"CreateUser": one(audit.UserCreate, func(c *authority.Caller) error {
			return second(f.CreateUser(ctx, c, authority.NewUser{Username: name()}))
		}),
		"UpdateUser": one(audit.UserUpdate, func(c *authority.Caller) error {
			return second(f.UpdateUser(ctx, c, "victim", authority.UserPatch{Name: new(name())}))
		}),
		"RemoveUser":   one(audit.UserRemove, func(c *authority.Caller) error { return second(f.RemoveUser(ctx, c, "nobody")) }),
		"RemoveAccess": one(audit.UserAccess, func(c *authority.Caller) error { _, _, err := f.RemoveAccess(ctx, c, "victim", "/"); return err }),
		"CreateCollection": one(audit.CollectionCreate, func(c *authority.Caller) error {
			*n++
			return f.CreateCollection(ctx, c, records.Collection{ID: int64(*n), Name: name()})
		}),
		"UpdateCollection": one(audit.CollectionUpdate, func(c *authority.Caller) error {
			return f.UpdateCollection(ctx, c, records.Collection{ID: 999, Name: name()})
		}),
		"RemoveCollection": one(audit.CollectionRemove, func(c *authority.Caller) error { return second(f.RemoveCollection(ctx, c, 999)) }),
		"CreateRole":       one(audit.RoleCreate, func(c *authority.Caller) error { return f.CreateRole(ctx, c, access.Role{Name: name()}) }),
		"UpdateRole":       one(audit.RoleUpdate, func(c *authority.Caller) error { return f.UpdateRole(ctx, c, access.Role{Name: "none"}) }),
		"RemoveRole":       one(audit.RoleRemove, func(c *authority.Caller) error { return second(f.RemoveRole(ctx, c, "none")) }),
		"CreateBinding": one(audit.BindingCreate, func(c *authority.Caller) error {
			b.Group = name()
			return second(f.CreateBinding(ctx, c, b))
		}),
		"UpdateBinding": one(audit.BindingUpdate, func(c *authority.Caller) error { return second(f.UpdateBinding(ctx, c, b)) }),
		"RemoveBinding": one(audit.BindingRemove, func(c *authority.Caller) error { return second(f.RemoveBinding(ctx, c, "none")) }),
		"CreateClient": one(audit.ClientCreate, func(c *authority.Caller) error {
			_, _, err := f.CreateClient(ctx, c, authority.NewClient{ID: name()}, true)
			return err
		}),
		"UpdateClient": one(audit.ClientUpdate, func(c *authority.Caller) error {
			return second(f.UpdateClient(ctx, c, authority.NewClient{ID: "none"}))
		}),
		"RemoveClient": one(audit.ClientRemove, func(c *authority.Caller) error { return second(f.RemoveClient(ctx, c, "none")) }),
		"RotateKeys":   one(audit.KeyRotate, func(c *authority.Caller) error { return f.RotateKeys(ctx, c, false) }),
		"RetireKey":    one(audit.KeyRetire, func(c *authority.Caller) error { return second(f.RetireKey(ctx, c, "none")) }),
		"Apply":        one(audit.Apply, func(c *authority.Caller) error { _, _, err := f.Apply(ctx, c, authority.Desired{}); return err }),

		"UserList":       one("", func(c *authority.Caller) error { return second(f.UserList(ctx, c, records.UserQuery{})) }),
		"User":           one("", func(c *authority.Caller) error { return second(f.Authority.User(ctx, c, "victim")) }),
		"UserAccess":     one("", func(c *authority.Caller) error { return second(f.UserAccess(ctx, c, "victim")) }),
		"ExplainUser":    one("", func(c *authority.Caller) error { return second(f.ExplainUser(ctx, c, "victim", "x", "/")) }),
		"CollectionList": one("", func(c *authority.Caller) error { return second(f.CollectionList(ctx, c)) }),
		"RoleList":       one("", func(c *authority.Caller) error { return second(f.RoleList(ctx, c)) }),
		"BindingList":    one("", func(c *authority.Caller) error { return second(f.BindingList(ctx, c, records.BindingQuery{})) }),
		"Binding":        one("", func(c *authority.Caller) error { return second(f.Binding(ctx, c, "none")) }),
		"ClientList":     one("", func(c *authority.Caller) error { return second(f.ClientList(ctx, c)) }),
		"Client":         one("", func(c *authority.Caller) error { return second(f.Authority.Client(ctx, c, "none")) }),
		"KeyList":        one("", func(c *authority.Caller) error { return second(f.KeyList(ctx, c)) }),
		"AuditEvents":    one("", func(c *authority.Caller) error { return second(f.AuditEvents(ctx, c, audit.Filter{})) }),
		"Usernames":      one("", func(c *authority.Caller) error { return second(f.Usernames(ctx, c, nil)) }),
		"TokenList":      one("", func(c *authority.Caller) error { return second(f.TokenList(ctx, c, records.TokenQuery{})) }),
	}
}

func TestOnlyAdministratorsAdminister(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{Policy: func(p *authority.Policy) { p.Wait = false }})
	f.Collection(t, 4, "Fish")
	f.User(t, "victim", "")
	eve := person(t, f, "eve", authoritytest.May("*", "/collections"), authoritytest.May("access", "/"), authoritytest.May("admin", "/"))
	root := person(t, f, "root", authoritytest.Admin())
	app := client(t, f, authority.NewClient{ID: "app", Secret: authoritytest.ClientSecret, Grants: allGrants, Scopes: []string{"admin"}})
	apps, err := f.ClientCredentials(t.Context(), authority.ClientCredentials{Client: app, Scope: []string{"admin"}})
	must(t, err)
	n := 1000
	for act, do := range adminActs(t, f, &n) {
		for name, c := range map[string]struct {
			by   *authority.Caller
			kind fault.Kind // 0: may
		}{
			"nobody":                          {nil, fault.Unauthenticated},
			"a caller of no kind":             {&authority.Caller{}, fault.Forbidden},
			"a user with many rights":         {eve, fault.Forbidden},
			"the same by Bearer":              {bearer(t, f, accessToken(t, f, eve, "admin")), fault.Forbidden},
			"a client":                        {app, fault.Forbidden},
			"a client's token":                {bearer(t, f, apps), fault.Forbidden},
			"an administrator's plain Bearer": {bearer(t, f, accessToken(t, f, root, "read")), fault.InsufficientScope},
			"an administrator's collection":   {bearer(t, f, made(t, f, root, authority.Request{Kind: token.KindAccess, Scope: []string{"admin"}, Collection: new(int64(4))})), fault.InsufficientScope},
			"an administrator":                {root, 0},
			"an administrator by Bearer":      {bearer(t, f, accessToken(t, f, root, "admin")), 0},
			"an administrator's API token":    {bearer(t, f, apiToken(t, f, root, authority.NewCredential{Scope: []string{"admin"}})), 0},
			"the operator":                    {operator, 0},
		} {
			before := refusals(t, f)
			event, err := do(c.by)
			refused := refusals(t, f) - before
			switch {
			case c.kind == 0 && (fault.Is(err, fault.Forbidden) || fault.Is(err, fault.InsufficientScope) || fault.Is(err, fault.Unauthenticated) || refused != 0):
				t.Errorf("%s by %s: %v, %d refusals", act, name, err, refused)
			case c.kind != 0:
				wantFault(t, act+" by "+name, err, c.kind, "")
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
	if u, err := f.Authority.User(t.Context(), operator, "victim"); err != nil || u.Username != "victim" {
		t.Errorf("%+v, %v", u, err)
	}
}

// A right that is taken away is gone for who has it already, at once.
func TestAdministratorWhoIsOneNoMoreAdministersNoMore(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	root := person(t, f, "root", authoritytest.Admin())
	lasting := apiToken(t, f, root, authority.NewCredential{Scope: []string{"admin"}})
	must(t, second(f.UserList(t.Context(), bearer(t, f, lasting), records.UserQuery{})))
	_, _, err := f.RemoveAccess(t.Context(), operator, "root", "/")
	must(t, err)
	_, err = f.UserList(t.Context(), bearer(t, f, lasting), records.UserQuery{})
	wantFault(t, "after that", err, fault.Forbidden, "")
}

func TestEachActIsRecordedWithWhoAndWhat(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	root := person(t, f, "root", authoritytest.Admin())
	ctx := audit.WithOrigin(t.Context(), audit.Origin{Address: "192.0.2.7", RequestID: "r-1"})
	u, err := f.CreateUser(ctx, root, authority.NewUser{Username: "ada", Password: "correct horse"})
	must(t, err)
	must(t, second(f.UpdateUser(ctx, root, "ada", authority.UserPatch{Email: new("ada@example.org")})))
	must(t, second(f.UpdateUser(ctx, root, "ada", authority.UserPatch{Password: new(token.Secret("battery staple"))})))
	must(t, second(f.UpdateUser(ctx, root, "ada", authority.UserPatch{Disabled: new(true)})))
	must(t, second(f.UpdateUser(ctx, root, "ada", authority.UserPatch{Disabled: new(false)})))
	must(t, second(f.UpdateUser(ctx, root, "ada", authority.UserPatch{}))) // nothing to record
	must(t, f.CreateCollection(ctx, root, records.Collection{ID: 4, Name: "Fish"}))
	must(t, f.UpdateCollection(ctx, root, records.Collection{ID: 4, Name: "Fishes"}))
	must(t, f.CreateRole(ctx, root, access.Role{Name: "curator"}))
	must(t, f.UpdateRole(ctx, root, access.Role{Name: "curator", Permissions: []access.Permission{{Action: "*", Path: "/"}}}))
	b, err := f.CreateBinding(ctx, root, access.Binding{User: "ada", Role: "curator", Path: "/collections/4"})
	must(t, err)
	b.Path = "/collections"
	must(t, second(f.UpdateBinding(ctx, root, b)))
	_, _, err = f.RemoveAccess(ctx, root, "ada", "/collections")
	must(t, err)
	g, err := f.CreateBinding(ctx, root, access.Binding{Group: "fish", Role: "curator"})
	must(t, err)
	must(t, second(f.RemoveBinding(ctx, root, g.ID)))
	_, secret, err := f.CreateClient(ctx, root, authority.NewClient{ID: "app", Grants: []string{identity.GrantTypeClientCredentials}}, true)
	must(t, err)
	must(t, second(f.UpdateClient(ctx, root, authority.NewClient{ID: "app"})))
	must(t, f.RotateKeys(ctx, root, true))
	key, err := f.Ring.Signing()
	must(t, err)
	must(t, second(f.RetireKey(ctx, root, key.KID)))
	root = signedIn(t, f, "root")
	must(t, second(f.RemoveClient(ctx, root, "app")))
	must(t, second(f.RemoveRole(ctx, root, "curator")))
	must(t, second(f.RemoveCollection(ctx, root, 4)))
	must(t, second(f.RemoveUser(ctx, root, "ada")))

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
	for _, e := range f.Events(t, audit.Filter{Actor: root.Subject(), Limit: audit.MaxLimit}) {
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

// What is removed is what was bound to the user there, through roles too; what still
// grants something is told, not taken.
func TestRemovedAccessIsToldHonestly(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.Collection(t, 4, "Fish")
	ctx := t.Context()
	must(t, f.CreateRole(ctx, operator, access.Role{Name: "curator", Permissions: []access.Permission{{Action: "access", Path: "/"}}}))
	must(t, f.CreateRole(ctx, operator, access.Role{Name: "fish-only", Permissions: []access.Permission{{Action: "access", Path: "/collections/4"}}}))
	permission := func(path access.Path) *access.Permission { return &access.Permission{Action: "access", Path: path} }
	ids := map[string]string{}
	bind := func(name string, b access.Binding) {
		t.Helper()
		got, err := f.CreateBinding(ctx, operator, b)
		must(t, err)
		ids[got.ID] = name
	}
	ada := person(t, f, "ada")
	must(t, second(f.UpdateUser(ctx, operator, "ada", authority.UserPatch{Groups: &[]string{"fish"}})))
	bind("direct", access.Binding{User: "ada", Permission: permission("/collections/4"), Path: "/"})
	bind("direct, beneath", access.Binding{User: "ada", Permission: permission("/collections/4/loans"), Path: "/"})
	bind("a role there", access.Binding{User: "ada", Role: "curator", Path: "/collections/4"})
	bind("a role that is about it alone", access.Binding{User: "ada", Role: "fish-only", Path: "/"})
	bind("elsewhere", access.Binding{User: "ada", Permission: permission("/collections/42"), Path: "/"})
	bind("somebody else's", access.Binding{User: person(t, f, "eve").Subject(), Permission: permission("/collections/4"), Path: "/"})
	bind("the group's", access.Binding{Group: "fish", Permission: permission("/collections/4"), Path: "/"})
	bind("another group's", access.Binding{Group: "birds", Permission: permission("/collections/4"), Path: "/"})
	bind("a wider path", access.Binding{User: "ada", Permission: permission("/collections"), Path: "/"})
	names := func(list []access.Binding) (out []string) {
		for _, b := range list {
			out = append(out, ids[b.ID])
		}
		slices.Sort(out)
		return out
	}
	issued := made(t, f, ada, authority.Request{Kind: token.KindAccess, Collection: new(int64(4))})
	removed, remaining, err := f.RemoveAccess(ctx, operator, "ada", "/collections/4")
	must(t, err)
	if diff := cmp.Diff([]string{"a role that is about it alone", "a role there", "direct", "direct, beneath"}, names(removed)); diff != "" {
		t.Errorf("removed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a wider path", "the group's"}, names(remaining)); diff != "" {
		t.Errorf("remaining (-want +got):\n%s", diff)
	}
	wantAlive(t, f, "with what remains", issued)
	must(t, second(f.UpdateUser(ctx, operator, "ada", authority.UserPatch{Groups: &[]string{}})))
	wantAlive(t, f, "with the wider path", issued)
	removed, remaining, err = f.RemoveAccess(ctx, operator, "ada", "/collections")
	must(t, err)
	if len(removed) != 2 || len(remaining) != 0 {
		t.Errorf("removed %q, remaining %q", names(removed), names(remaining))
	}
	_, err = verify(t, f, issued)
	wantFault(t, "with nothing", err, fault.InsufficientScope, "no access")
	removed, remaining, err = f.RemoveAccess(ctx, operator, "ada", "/")
	if err != nil || removed != nil || remaining != nil {
		t.Errorf("again: %v, %v, %v", removed, remaining, err)
	}
}

func TestAdministrationRefusesWhatIsWrong(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	ctx := t.Context()
	f.User(t, "ada", "")
	f.Collection(t, 4, "Fish")
	must(t, f.CreateRole(ctx, operator, access.Role{Name: "curator"}))
	f.Client(t, "app", "read")
	newClient := func(id string) error {
		_, _, err := f.CreateClient(ctx, operator, authority.NewClient{ID: id}, false)
		return err
	}
	for name, c := range map[string]struct {
		err  error
		kind fault.Kind
	}{
		"a user twice":                   {second(f.CreateUser(ctx, operator, authority.NewUser{Username: "ada"})), fault.Conflict},
		"a user without a name":          {second(f.CreateUser(ctx, operator, authority.NewUser{})), fault.Invalid},
		"a user in no group":             {second(f.CreateUser(ctx, operator, authority.NewUser{Username: "x", Groups: []string{""}})), fault.Invalid},
		"a user in two groups in one":    {second(f.CreateUser(ctx, operator, authority.NewUser{Username: "x", Groups: []string{"a,b"}})), fault.Invalid},
		"no password":                    {second(f.UpdateUser(ctx, operator, "ada", authority.UserPatch{Password: new(token.Secret(""))})), fault.Invalid},
		"a user who isn't there":         {second(f.UpdateUser(ctx, operator, "nobody", authority.UserPatch{Name: new("x")})), fault.NotFound},
		"no user to remove":              {second(f.RemoveUser(ctx, operator, "nobody")), fault.NotFound},
		"a collection's id twice":        {f.CreateCollection(ctx, operator, records.Collection{ID: 4, Name: "x"}), fault.Conflict},
		"a collection's name twice":      {f.CreateCollection(ctx, operator, records.Collection{ID: 5, Name: "Fish"}), fault.Conflict},
		"a collection below nothing":     {f.CreateCollection(ctx, operator, records.Collection{ID: -1, Name: "x"}), fault.Invalid},
		"a collection without a name":    {f.CreateCollection(ctx, operator, records.Collection{ID: 5}), fault.Invalid},
		"no collection to rename":        {f.UpdateCollection(ctx, operator, records.Collection{ID: 5, Name: "x"}), fault.NotFound},
		"no collection to remove":        {second(f.RemoveCollection(ctx, operator, 5)), fault.NotFound},
		"a role twice":                   {f.CreateRole(ctx, operator, access.Role{Name: "curator"}), fault.Conflict},
		"a role with a bad path":         {f.CreateRole(ctx, operator, access.Role{Name: "x", Permissions: []access.Permission{{Action: "x", Path: "/../x"}}}), fault.Invalid},
		"no role to change":              {f.UpdateRole(ctx, operator, access.Role{Name: "x"}), fault.NotFound},
		"no role to remove":              {second(f.RemoveRole(ctx, operator, "x")), fault.NotFound},
		"a binding of nobody":            {second(f.CreateBinding(ctx, operator, access.Binding{Role: "curator"})), fault.Invalid},
		"a binding of no such user":      {second(f.CreateBinding(ctx, operator, access.Binding{User: "nobody", Role: "curator"})), fault.Invalid},
		"a binding of no such role":      {second(f.CreateBinding(ctx, operator, access.Binding{User: "ada", Role: "x"})), fault.Invalid},
		"no binding to change":           {second(f.UpdateBinding(ctx, operator, access.Binding{ID: "x", User: "ada", Role: "curator"})), fault.NotFound},
		"no binding to remove":           {second(f.RemoveBinding(ctx, operator, "x")), fault.NotFound},
		"a client twice":                 {newClient("app"), fault.Conflict},
		"a client without an id":         {newClient(""), fault.Invalid},
		"a client that could be a user":  {newClient("{5C1E0B2A-8B6F-4B0E-9A66-0A5C0E7D3F11}"), fault.Invalid},
		"a client that stands for none":  {newClient(authority.OwnClientID), fault.Invalid},
		"a client with a short secret":   {second(f.UpdateClient(ctx, operator, authority.NewClient{ID: "app", Secret: "short"})), fault.Invalid},
		"a client with a public secret":  {second(f.UpdateClient(ctx, operator, authority.NewClient{ID: "app", Secret: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})), fault.Invalid},
		"a client with an unknown grant": {second(f.UpdateClient(ctx, operator, authority.NewClient{ID: "app", Grants: []string{"password"}})), fault.Invalid},
		"no client to change":            {second(f.UpdateClient(ctx, operator, authority.NewClient{ID: "x"})), fault.NotFound},
		"no client to remove":            {second(f.RemoveClient(ctx, operator, "x")), fault.NotFound},
		"no key to retire":               {second(f.RetireKey(ctx, operator, "x")), fault.NotFound},
	} {
		wantFault(t, name, c.err, c.kind, "")
	}
	binding := access.Binding{User: "ada", Role: "curator"}
	must(t, second(f.CreateBinding(ctx, operator, binding)))
	_, err := f.CreateBinding(ctx, operator, binding)
	wantFault(t, "a binding twice", err, fault.Conflict, "")
}
