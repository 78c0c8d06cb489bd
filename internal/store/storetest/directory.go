package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/passhash"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
)

func testUsers(t *testing.T, s *Suite) {
	ctx := t.Context()
	u := user(1)
	s.do(t, op.CreateUser{User: u})
	same(t, "the user as created", *must[records.Principal](t)(s.principal(ctx, u.ID)).User, u)
	byName := must[records.Principal](t)(s.store.Principal(ctx, records.Who{Username: u.Username}))
	same(t, "the user by name", *byName.User, u)

	again := user(2)
	again.ID = u.ID
	s.refuse(t, fault.Conflict, op.CreateUser{User: again})
	again = user(2)
	again.Username = u.Username
	s.refuse(t, fault.Conflict, op.CreateUser{User: again})

	name, hash, disabled, groups := "New Name", passhash.Hash("new hash"), true, []string{"guests"}
	s.do(t, op.UpdateUser{ID: u.ID, Name: &name, PasswordHash: &hash, Disabled: &disabled})
	u.Name, u.PasswordHash, u.Disabled = name, hash, true
	same(t, "the user as updated", *must[records.Principal](t)(s.principal(ctx, u.ID)).User, u)
	s.do(t, op.UpdateUser{ID: u.ID, Groups: &groups})
	u.Groups = groups
	same(t, "the user in other groups", *must[records.Principal](t)(s.principal(ctx, u.ID)).User, u)

	s.do(t, op.Rehash{ID: u.ID, Old: "hash of before", New: "stale"})
	same(t, "the user after a rehash that came too late", *must[records.Principal](t)(s.principal(ctx, u.ID)).User, u)
	s.do(t, op.Rehash{ID: u.ID, Old: hash, New: "newest"})
	u.PasswordHash, u.ReplacedHash = "newest", hash.Fingerprint()
	same(t, "the rehashed user", *must[records.Principal](t)(s.principal(ctx, u.ID)).User, u)

	s.do(t, op.AddBinding{Binding: access.Binding{ID: "b", User: u.ID, Permission: &access.Permission{Action: "read", Path: "/"}, Path: "/"}})
	s.do(t, op.RemoveUser{ID: u.ID})
	_, err := s.principal(ctx, u.ID)
	wantFault(t, err, fault.NotFound)
	same(t, "bindings after their user", must[[]access.Binding](t)(s.store.Bindings(ctx, records.BindingQuery{})), []access.Binding(nil))
	s.refuse(t, fault.NotFound, op.RemoveUser{ID: u.ID})
	s.refuse(t, fault.NotFound, op.UpdateUser{ID: u.ID, Name: &name})
}

func testUserList(t *testing.T, s *Suite) {
	ctx := t.Context()
	for n := range 25 {
		s.do(t, op.CreateUser{User: user(n)})
	}
	odd := user(99)
	odd.Username, odd.Name = "Zoë_100%", `back\slash`
	s.do(t, op.CreateUser{User: odd})

	var names []string
	q := records.UserQuery{Limit: 10}
	for pages := 0; ; pages++ {
		page := must[records.Page[identity.User]](t)(s.store.Users(ctx, q))
		for _, u := range page.Items {
			names = append(names, u.Username)
		}
		if pages == 0 {
			before := user(100) // before the cursor: it must not move what follows
			before.Username = "aaa"
			s.do(t, op.CreateUser{User: before})
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	if len(names) != 26 || names[0] != "Zoë_100%" || !slices.IsSorted(names) {
		t.Fatalf("paging gave %d users: %q", len(names), names)
	}
	if len(slices.Compact(names)) != 26 {
		t.Fatal("paging gave a user twice")
	}

	for search, want := range map[string]int{
		"": 27, "e": 27, "oë_1": 1, "_100": 1, "100%": 1, "h_sl": 0, "k\\s": 1, `"`: 0, `a"b`: 0, "or 1=1": 0, "user00": 10, "example": 27,
		"USER 7": 1, "user007": 1, "7@example": 2, "zoë": 1, "ZOË": 1, "_": 1, "%": 1, `\`: 1, "user0_7": 0, "user%7": 0, "nobody": 0,
	} {
		if page := must[records.Page[identity.User]](t)(s.store.Users(ctx, records.UserQuery{Search: search})); len(page.Items) != want {
			t.Errorf("searching %q gave %d users, want %d", search, len(page.Items), want)
		}
		for _, descending := range []bool{false, true} {
			var found []string
			q := records.UserQuery{Search: search, Limit: 4, Descending: descending}
			for {
				page := must[records.Page[identity.User]](t)(s.store.Users(ctx, q))
				for _, u := range page.Items {
					found = append(found, u.Username)
				}
				if q.After = page.Next; q.After == "" {
					break
				}
			}
			sorted := slices.Sorted(slices.Values(found))
			if descending {
				slices.Reverse(sorted)
			}
			if len(found) != want || !slices.Equal(found, sorted) {
				t.Errorf("paging through %q (from the end: %t) gave %q, want %d users", search, descending, found, want)
			}
			same(t, "the total of "+search, must[records.Total](t)(s.store.UserTotal(ctx, q)), records.Total{Count: want})
		}
	}
	testUserChanges(t, s, odd)
	for _, bad := range []string{"\xff", "a\x00b"} {
		_, err := s.store.Users(ctx, records.UserQuery{Search: bad})
		wantFault(t, err, fault.Invalid)
	}
	tokens := must[records.Page[records.StoredToken]](t)(s.store.StoredTokens(ctx, records.TokenQuery{}))
	for _, bad := range []string{"!", "AAAA", "dXNlcg==", "dG9rZW46MTph", tokens.Next + "x"} {
		_, err := s.store.Users(ctx, records.UserQuery{After: bad})
		wantFault(t, err, fault.Invalid)
	}
	_, err := s.store.Users(ctx, records.UserQuery{Search: strings.Repeat("x", 100_000)})
	wantFault(t, err, fault.Invalid)
}

// testUserChanges changes and removes a user, and looks for them among 26 others.
func testUserChanges(t *testing.T, s *Suite, odd identity.User) {
	t.Helper()
	ctx := t.Context()
	disabled, enabled, renamed := true, false, "Zoë Köhler"
	s.do(t, op.UpdateUser{ID: odd.ID, Name: &renamed, Disabled: &disabled})
	for name, c := range map[string]struct {
		q    records.UserQuery
		want int
	}{
		"the old name": {records.UserQuery{Search: `back`}, 0}, "the new name": {records.UserQuery{Search: "KÖHLER"}, 1},
		"the disabled": {records.UserQuery{Disabled: &disabled}, 1}, "the others": {records.UserQuery{Disabled: &enabled}, 26},
		"a disabled one by a search": {records.UserQuery{Search: "köhler", Disabled: &disabled}, 1}, "none by a search": {records.UserQuery{Search: "köhler", Disabled: &enabled}, 0},
		"a short search": {records.UserQuery{Search: "zo", Disabled: &enabled}, 0},
	} {
		if page := must[records.Page[identity.User]](t)(s.store.Users(ctx, c.q)); len(page.Items) != c.want {
			t.Errorf("%s: %d users, want %d", name, len(page.Items), c.want)
		}
		same(t, "the total: "+name, must[records.Total](t)(s.store.UserTotal(ctx, c.q)), records.Total{Count: c.want})
	}
	s.do(t, op.RemoveUser{ID: odd.ID})
	same(t, "the total of a removed user", must[records.Total](t)(s.store.UserTotal(ctx, records.UserQuery{Search: "köhler"})), records.Total{})
}

func testPrincipal(t *testing.T, s *Suite) {
	ctx := t.Context()
	u := user(1)
	role := access.Role{Name: "admin", Permissions: []access.Permission{{Action: "*", Path: "/"}, {Action: "read", Path: "/sub"}}}
	s.do(t, op.CreateUser{User: u}, op.CreateUser{User: user(2)}, op.CreateRole{Role: role},
		op.CreateCollection{Collection: records.Collection{ID: 4, Name: "Fish"}},
		op.AddBinding{Binding: access.Binding{ID: "b1", User: u.ID, Role: "admin", Path: "/collections/4"}},
		op.AddBinding{Binding: access.Binding{ID: "b2", Group: "curators", Permission: &access.Permission{Action: "access", Path: "/x"}, Path: "/y"}},
		op.AddBinding{Binding: access.Binding{ID: "b3", Group: "others", Role: "admin", Path: "/"}},
		op.AddBinding{Binding: access.Binding{ID: "b4", User: user(2).ID, Role: "admin", Path: "/"}})

	four, five := int64(4), int64(5)
	p := must[records.Principal](t)(s.store.Principal(ctx, records.Who{UserID: u.ID, Collection: &four}))
	same(t, "grants", p.Grants, []access.Grant{
		{Action: "*", Path: "/collections/4", Binding: "b1", Via: access.ViaUser, Role: "admin"},
		{Action: "read", Path: "/collections/4/sub", Binding: "b1", Via: access.ViaUser, Role: "admin"},
		{Action: "access", Path: "/y/x", Binding: "b2", Via: access.ViaGroup("curators")},
	})
	if !p.CollectionExists {
		t.Error("collection 4 doesn't exist")
	}
	for name, who := range map[string]records.Who{"another": {UserID: u.ID, Collection: &five}, "none": {UserID: u.ID}} {
		if must[records.Principal](t)(s.store.Principal(ctx, who)).CollectionExists {
			t.Errorf("%s collection exists", name)
		}
	}
	for _, who := range []records.Who{{UserID: "nobody"}, {Username: "nobody"}, {ClientID: "nobody"}, {}} {
		_, err := s.store.Principal(ctx, who)
		wantFault(t, err, fault.NotFound)
	}
	s.do(t, op.CreateClient{Client: identity.Client{ID: u.Username, Scopes: []string{"read"}}})
	p = must[records.Principal](t)(s.store.Principal(ctx, records.Who{ClientID: u.Username, Collection: &four}))
	same(t, "the client", p, records.Principal{Client: &identity.Client{ID: u.Username, Scopes: []string{"read"}}, CollectionExists: true})

	seq := must[revocation.Seq](t)(s.store.Commit(ctx, op.Batch{Log: []revocation.Entry{entry(revocation.Access, u.ID)}}))
	for _, who := range []records.Who{{UserID: u.ID}, {Username: u.Username}, {ClientID: u.Username}} {
		if p := must[records.Principal](t)(s.store.Principal(ctx, who)); p.Seq != seq {
			t.Errorf("%+v was read as of %d, want %d", who, p.Seq, seq)
		}
	}
}

// testSnapshot makes changes that must be seen together while others read.
func testSnapshot(t *testing.T, s *Suite) {
	u := user(1)
	s.do(t, op.CreateUser{User: u})
	var writers sync.WaitGroup
	done := make(chan struct{})
	writers.Go(func() {
		defer close(done)
		for n := range 40 {
			b := access.Binding{ID: "b", User: u.ID, Permission: &access.Permission{Action: "read", Path: "/"}, Path: "/"}
			disabled := n%2 == 0
			var o op.Op = op.RemoveBinding{ID: b.ID}
			if disabled {
				o = op.AddBinding{Binding: b}
			}
			_, err := s.store.Commit(t.Context(), op.Batch{
				Ops: []op.Op{o, op.UpdateUser{ID: u.ID, Disabled: &disabled}}, Log: []revocation.Entry{entry(revocation.Access, u.ID)},
			})
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	defer writers.Wait()
	for {
		p, err := s.principal(t.Context(), u.ID)
		if err != nil {
			t.Fatal(err)
		}
		if odd := p.Seq%2 == 1; odd != p.User.Disabled || odd != (len(p.Grants) == 1) {
			t.Fatalf("a mixture: as of %d, disabled %t, %d grants", p.Seq, p.User.Disabled, len(p.Grants))
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

func testDecoy(t *testing.T, s *Suite) {
	ctx := t.Context()
	decoy := func(after string) passhash.Hash {
		return must[passhash.Hash](t)(s.store.DecoyHash(ctx, after))
	}
	if h := decoy("x"); h != "" {
		t.Fatal("a decoy without users")
	}
	without := user(2)
	without.PasswordHash = ""
	s.do(t, op.CreateUser{User: user(1)}, op.CreateUser{User: without}, op.CreateUser{User: user(3)})
	for after, want := range map[string]passhash.Hash{
		"": "hash1", user(1).ID: "hash3", user(2).ID: "hash3", user(3).ID: "hash1", "ffff": "hash1",
	} {
		if decoy(after) != want {
			t.Errorf("after %q: %s, want %s", after, decoy(after).Reveal(), want.Reveal())
		}
	}
}

func testCollections(t *testing.T, s *Suite) {
	ctx := t.Context()
	fish, birds := records.Collection{ID: 42, Name: "Fish"}, records.Collection{ID: 4, Name: "Birds"}
	s.do(t, op.CreateCollection{Collection: fish}, op.CreateCollection{Collection: birds})
	s.refuse(t, fault.Conflict, op.CreateCollection{Collection: records.Collection{ID: 42, Name: "Other"}})
	s.refuse(t, fault.Conflict, op.CreateCollection{Collection: records.Collection{ID: 43, Name: "Fish"}})
	s.refuse(t, fault.Conflict, op.UpdateCollection{Collection: records.Collection{ID: 42, Name: "Birds"}})
	fish.Name = "Fishes"
	s.do(t, op.UpdateCollection{Collection: fish})
	s.do(t, op.UpdateCollection{Collection: fish})
	same(t, "collections", must[[]records.Collection](t)(s.store.Collections(ctx)), []records.Collection{birds, fish})

	s.do(t, op.CreateUser{User: user(1)})
	for id, path := range map[string]access.Path{
		"at": "/collections/4", "beneath": "/collections/4/x/y", "longer": "/collections/42", "longer still": "/collections/4x/y",
		"above": "/collections", "root": "/", "elsewhere": "/other/collections/4", "before": "/collections/4!", "after": "/collections/40",
	} {
		s.do(t, op.AddBinding{Binding: access.Binding{ID: id, User: user(1).ID, Permission: &access.Permission{Action: "read", Path: "/"}, Path: path}})
	}
	s.do(t, op.RemoveCollection{ID: 4})
	var left []string
	for _, b := range must[[]access.Binding](t)(s.store.Bindings(ctx, records.BindingQuery{})) {
		left = append(left, b.ID)
	}
	slices.Sort(left)
	same(t, "bindings left", left, []string{"above", "after", "before", "elsewhere", "longer", "longer still", "root"})
	s.refuse(t, fault.NotFound, op.RemoveCollection{ID: 4})
	s.refuse(t, fault.NotFound, op.UpdateCollection{Collection: records.Collection{ID: 4, Name: "Gone"}})
}

func testRoles(t *testing.T, s *Suite) {
	ctx := t.Context()
	r := access.Role{Name: "reader", Permissions: []access.Permission{{Action: "read", Path: "/a"}}}
	empty := access.Role{Name: "empty"}
	s.do(t, op.CreateRole{Role: r}, op.CreateRole{Role: empty}, op.CreateUser{User: user(1)})
	s.refuse(t, fault.Conflict, op.CreateRole{Role: access.Role{Name: "reader"}})
	r.Permissions = append(r.Permissions, access.Permission{Action: "*", Path: `/quote"<&`})
	s.do(t, op.UpdateRole{Role: r})
	same(t, "roles", must[[]access.Role](t)(s.store.Roles(ctx)), []access.Role{empty, r})

	s.do(t, op.AddBinding{Binding: access.Binding{ID: "b", User: user(1).ID, Role: "reader", Path: "/"}})
	s.do(t, op.RemoveRole{Name: "reader"})
	if grants := must[records.Principal](t)(s.principal(ctx, user(1).ID)).Grants; len(grants) != 0 {
		t.Errorf("a removed role still grants %v", grants)
	}
	same(t, "bindings of a removed role", must[[]access.Binding](t)(s.store.Bindings(ctx, records.BindingQuery{})), []access.Binding(nil))
	s.refuse(t, fault.NotFound, op.RemoveRole{Name: "reader"})
	s.refuse(t, fault.NotFound, op.UpdateRole{Role: r})
}

func testBindings(t *testing.T, s *Suite) {
	ctx := t.Context()
	read := &access.Permission{Action: "read", Path: "/a"}
	s.do(t, op.CreateUser{User: user(1)}, op.CreateUser{User: user(2)}, op.CreateRole{Role: access.Role{Name: "role"}})
	all := []access.Binding{
		{ID: "1", User: user(1).ID, Role: "role", Path: "/a"},
		{ID: "2", Group: "curators", Role: "role", Path: "/b"},
		{ID: "3", Group: "others", Permission: read, Path: "/c"},
		{ID: "4", User: user(2).ID, Permission: read, Path: "/d"},
	}
	for _, b := range all {
		s.do(t, op.AddBinding{Binding: b})
		b.ID = "another"
		s.refuse(t, fault.Conflict, op.AddBinding{Binding: b})
	}
	s.refuse(t, fault.Conflict, op.AddBinding{Binding: access.Binding{ID: "1", Group: "x", Role: "role", Path: "/"}})
	s.refuse(t, fault.Invalid, op.AddBinding{Binding: access.Binding{ID: "5", User: "nobody", Role: "role", Path: "/"}})
	s.refuse(t, fault.Invalid, op.AddBinding{Binding: access.Binding{ID: "5", Group: "x", Role: "no role", Path: "/"}})

	for name, c := range map[string]struct {
		q    records.BindingQuery
		want []access.Binding
	}{
		"all":           {records.BindingQuery{}, all},
		"one":           {records.BindingQuery{ID: "3"}, all[2:3]},
		"none":          {records.BindingQuery{ID: "nothing"}, nil},
		"a user's own":  {records.BindingQuery{User: user(1).ID}, all[:1]},
		"a user's, all": {records.BindingQuery{User: user(1).ID, WithGroups: true}, all[:2]},
		"a group's":     {records.BindingQuery{Group: "others"}, all[2:3]},
		"nobody's":      {records.BindingQuery{User: "nobody", WithGroups: true}, nil},
	} {
		same(t, name, must[[]access.Binding](t)(s.store.Bindings(ctx, c.q)), c.want)
	}
	s.do(t, op.RemoveBinding{ID: "1"})
	s.refuse(t, fault.NotFound, op.RemoveBinding{ID: "1"})
	s.do(t, op.AddBinding{Binding: all[0]})
}

func testClients(t *testing.T, s *Suite) {
	ctx := t.Context()
	ci := identity.Client{
		ID: "ci", SecretDigest: []byte(strings.Repeat("d", 32)), Grants: []string{"client_credentials", "refresh_token"},
		Scopes: []string{"read", "write"}, Audiences: []string{"https://a.example/?q=1&r=<2>"}, ExchangeFrom: []string{"web", "ph%ne"},
	}
	public := identity.Client{ID: "app"}
	s.do(t, op.CreateClient{Client: ci}, op.CreateClient{Client: public})
	s.refuse(t, fault.Conflict, op.CreateClient{Client: identity.Client{ID: "ci"}})
	same(t, "clients", must[[]identity.Client](t)(s.store.Clients(ctx)), []identity.Client{public, ci})

	change := identity.Client{ID: "ci", Scopes: []string{"read"}}
	s.do(t, op.UpdateClient{Client: change})
	change.SecretDigest = ci.SecretDigest
	same(t, "a client with its old secret", *must[records.Principal](t)(s.store.Principal(ctx, records.Who{ClientID: "ci"})).Client, change)
	change.SecretDigest = []byte(strings.Repeat("e", 32))
	s.do(t, op.UpdateClient{Client: change})
	same(t, "a client with a new secret", *must[records.Principal](t)(s.store.Principal(ctx, records.Who{ClientID: "ci"})).Client, change)

	// Keys end the secret, and the old one; without them the client has neither.
	s.do(t, op.RotateSecret{ID: "ci", SecretDigest: ci.SecretDigest, OldUntil: start.Add(time.Hour)})
	for _, keys := range []identity.ClientKeys{{JWKS: `{"keys":[]}`}, {URI: "https://ci.example/jwks"}, {}} {
		change := identity.Client{ID: "ci", Keys: keys}
		s.do(t, op.UpdateClient{Client: change})
		same(t, "a client with keys", *must[records.Principal](t)(s.store.Principal(ctx, records.Who{ClientID: "ci"})).Client, change)
	}
	app2 := identity.Client{ID: "app2", Keys: identity.ClientKeys{JWKS: `{"keys":[1]}`}}
	s.do(t, op.CreateClient{Client: app2})
	same(t, "a new client with keys", *must[records.Principal](t)(s.store.Principal(ctx, records.Who{ClientID: "app2"})).Client, app2)

	s.do(t, op.RemoveClient{ID: "ci"}, op.RemoveClient{ID: "app2"})
	s.refuse(t, fault.NotFound, op.RemoveClient{ID: "ci"})
	s.refuse(t, fault.NotFound, op.UpdateClient{Client: ci})
}

// testDocuments: the keys of a client that nobody registered are those that were remembered
// last, until the latest time of all.
func testDocuments(t *testing.T, s *Suite) {
	ctx := t.Context()
	const id = "https://app.example/client"
	is := func(what string, want identity.ClientKeys) {
		t.Helper()
		same(t, what, must[identity.ClientKeys](t)(s.store.DocumentKeys(ctx, id)), want)
	}
	know := func(k identity.ClientKeys, until time.Time) {
		t.Helper()
		s.do(t, op.KnowDocument{ClientID: id, Keys: k, Until: until})
	}
	purge := func(after time.Duration) {
		t.Helper()
		s.pass(after)
		s.tick(t)
		if err := s.store.Purge(ctx, s.now()); err != nil {
			t.Fatal(err)
		}
	}
	is("unknown", identity.ClientKeys{})
	know(identity.ClientKeys{}, s.now().Add(time.Hour))
	is("without keys", identity.ClientKeys{})
	first, second := identity.ClientKeys{URI: "https://app.example/jwks"}, identity.ClientKeys{JWKS: `{"keys":[]}`}
	know(first, s.now().Add(2*time.Hour))
	know(second, s.now().Add(time.Hour))
	is("changed", second)
	purge(90 * time.Minute)
	is("before the later end", second)
	know(identity.ClientKeys{}, s.now().Add(time.Hour))
	is("with none any more", identity.ClientKeys{})
	know(first, s.now().Add(time.Minute))
	is("again", first)
	purge(time.Hour)
	is("after the end", identity.ClientKeys{})
}

// testRotateSecret: there are two secrets at most, and nothing but a rotation or a new
// secret ends the old one.
func testRotateSecret(t *testing.T, s *Suite) {
	ctx := t.Context()
	digest := func(letter string) []byte { return []byte(strings.Repeat(letter, 32)) }
	ci := identity.Client{ID: "ci", SecretDigest: digest("a"), Grants: []string{"client_credentials"}}
	s.do(t, op.CreateClient{Client: ci}, op.CreateClient{Client: identity.Client{ID: "app"}})
	is := func(what, id string, secret, old []byte, until time.Time) {
		t.Helper()
		c := must[records.Principal](t)(s.store.Principal(ctx, records.Who{ClientID: id})).Client
		same(t, what+": the secret", c.SecretDigest, secret)
		same(t, what+": the old one", c.OldSecretDigest, old)
		same(t, what+": its end", c.OldSecretUntil, until)
	}
	rotate := func(id, letter string, until time.Time) {
		t.Helper()
		s.do(t, op.RotateSecret{ID: id, SecretDigest: digest(letter), OldUntil: until})
	}
	until := start.Add(time.Hour)
	rotate("ci", "b", until)
	is("with an overlap", "ci", digest("b"), digest("a"), until)
	ci.Scopes, ci.SecretDigest = []string{"read"}, nil
	s.do(t, op.UpdateClient{Client: ci})
	is("changed", "ci", digest("b"), digest("a"), until)
	rotate("ci", "c", until.Add(time.Hour))
	is("again", "ci", digest("c"), digest("b"), until.Add(time.Hour))
	rotate("ci", "d", time.Time{})
	is("without an overlap", "ci", digest("d"), nil, time.Time{})
	rotate("ci", "e", until)
	ci.SecretDigest = digest("f")
	s.do(t, op.UpdateClient{Client: ci})
	is("with a new secret", "ci", digest("f"), nil, time.Time{})
	rotate("app", "b", until)
	is("a public client", "app", digest("b"), nil, time.Time{})
	s.refuse(t, fault.NotFound, op.RotateSecret{ID: "nobody", SecretDigest: digest("b")})
}

// testIdentifiers has names that some databases take for equal.
func testIdentifiers(t *testing.T, s *Suite) {
	ctx := t.Context()
	names := []string{"Zoe\u0301", "Zo\u00e9", "zo\u00e9", "zo\u00e9 ", "zoe", "ZOE", "zo\u00e9\u00a0", "stra\u00dfe", "strasse", "'); DROP TABLE users; --", `\`, "%", "_"}
	username := func(n int) string { return fmt.Sprintf("user %d", n) } // those are compared by their folded form
	for n, name := range names {
		u := user(n)
		u.Username, u.ID, u.Groups = username(n), "id-"+name, []string{"group-" + name}
		s.do(t, op.CreateUser{User: u}, op.CreateRole{Role: access.Role{Name: name, Permissions: []access.Permission{{Action: "read", Path: "/"}}}},
			op.CreateClient{Client: identity.Client{ID: name}},
			op.CreateCollection{Collection: records.Collection{ID: int64(n), Name: name}},
			op.AddBinding{Binding: access.Binding{ID: name, User: u.ID, Role: name, Path: "/own"}},
			op.AddBinding{Binding: access.Binding{ID: "g-" + name, Group: "group-" + name, Role: name, Path: "/group"}})
	}
	for n, name := range names {
		p := must[records.Principal](t)(s.store.Principal(ctx, records.Who{UserID: "id-" + name}))
		if p.User.Username != username(n) || p.User.ID != "id-"+name {
			t.Errorf("%q is %q", name, p.User.Username)
		}
		same(t, "grants of "+name, p.Grants, []access.Grant{
			{Action: "read", Path: "/group", Binding: "g-" + name, Via: access.ViaGroup("group-" + name), Role: name},
			{Action: "read", Path: "/own", Binding: name, Via: access.ViaUser, Role: name},
		})
		if c := must[records.Principal](t)(s.store.Principal(ctx, records.Who{ClientID: name})); c.Client.ID != name {
			t.Errorf("client %q is %q", name, c.Client.ID)
		}
	}
	if _, err := s.store.Principal(ctx, records.Who{UserID: "id-zOe"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("zOe: %v", err)
	}
}
