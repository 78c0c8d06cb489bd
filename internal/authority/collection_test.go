package authority_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

var operator = authority.Operator()

func TestTokenForACollectionNeedsAccessNow(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.Collection(t, 4, "Fish")
	f.Collection(t, 42, "Birds")
	ada := person(t, f, "ada", authoritytest.May("access", "/collections/4"), authoritytest.May("read", "/collections/42"),
		authoritytest.May("access", "/collections/9"))
	for _, c := range []struct {
		id   int64
		kind fault.Kind // 0: issued
	}{
		{4, 0},
		{42, fault.Forbidden}, // granted another action, and what the other's name begins
		{9, fault.Invalid},    // granted, and there is none
		{-1, fault.Invalid},
	} {
		for _, kind := range []token.Kind{token.KindAccess, token.KindAPIKey, token.KindAPIToken} {
			issued, err := ask(t, f, ada, authority.Request{Kind: kind, Name: "x", Collection: &c.id})
			switch {
			case c.kind != 0:
				wantFault(t, kind.String(), err, c.kind, "")
			case err != nil || issued.Collection == nil || *issued.Collection != c.id:
				t.Errorf("%s for %d: %+v, %v", kind, c.id, issued, err)
			}
		}
	}
	_, _, err := f.RemoveAccess(t.Context(), operator, "ada", "/collections/4")
	must(t, err)
	_, err = ask(t, f, ada, authority.Request{Kind: token.KindAccess, Collection: new(int64(4))})
	wantFault(t, "after access was lost", err, fault.Forbidden, "no access")
}

// bound are tokens that are good in collection 4, each in its own way.
type bound struct {
	access, apiToken, traded, unbound *authority.Issued
}

func bind(t *testing.T, f *authoritytest.Fixture, c *authority.Caller) bound {
	t.Helper()
	four := new(int64(4))
	b := bound{
		access:   made(t, f, c, authority.Request{Kind: token.KindAccess, Collection: four}),
		apiToken: apiToken(t, f, c, authority.NewCredential{Collection: four}),
		unbound:  made(t, f, c, authority.Request{Kind: token.KindAccess}),
	}
	pair, err := f.Exchange(t.Context(), authority.Exchange{Subject: b.apiToken.Value.Reveal()})
	must(t, err)
	b.traded = pair.Access
	return b
}

// check fails unless every one of them is let into the collection, or none.
func (b bound) check(t *testing.T, f *authoritytest.Fixture, when string, allowed bool) {
	t.Helper()
	for name, issued := range map[string]*authority.Issued{
		"an access token": b.access, "an API token": b.apiToken, "a traded token": b.traded, "a token of no collection": b.unbound,
	} {
		for _, demand := range []authority.Demand{{}, {Collection: new(int64(4))}, {Action: "access", Path: "/collections/4"}} {
			_, err := f.Verify(t.Context(), issued.Value.Reveal(), demand)
			free := issued == b.unbound && demand.Collection == nil && demand.Action == ""
			switch {
			case (allowed || free) && err != nil:
				t.Errorf("%s, %s: %v", when, name, err)
			case !allowed && !free:
				wantFault(t, when+", "+name, err, fault.InsufficientScope, "")
			}
		}
	}
}

// way is a way to have access to collection 4, to lose it, and to have it back.
type way struct {
	give, take, again func(f *authoritytest.Fixture) error
}

func ways(t *testing.T) map[string]way {
	ctx := t.Context()
	role := access.Role{Name: "curator", Permissions: []access.Permission{{Action: "access", Path: "/"}}}
	hollow := access.Role{Name: "curator", Permissions: []access.Permission{{Action: "read", Path: "/"}}}
	add := func(b access.Binding) func(f *authoritytest.Fixture) error {
		return func(f *authoritytest.Fixture) error { return second(f.CreateBinding(ctx, operator, b)) }
	}
	remove := func(f *authoritytest.Fixture) error {
		all, err := f.BindingList(ctx, operator, records.BindingQuery{})
		if err == nil {
			_, err = f.RemoveBinding(ctx, operator, all[0].ID)
		}
		return err
	}
	groups := func(names ...string) func(f *authoritytest.Fixture) error {
		return func(f *authoritytest.Fixture) error {
			return second(f.UpdateUser(ctx, operator, "ada", authority.UserPatch{Groups: &names}))
		}
	}
	both := func(one, other func(f *authoritytest.Fixture) error) func(f *authoritytest.Fixture) error {
		return func(f *authoritytest.Fixture) error {
			if err := one(f); err != nil {
				return err
			}
			return other(f)
		}
	}
	addRole := func(f *authoritytest.Fixture) error { return f.CreateRole(ctx, operator, role) }
	setRole := func(r access.Role) func(f *authoritytest.Fixture) error {
		return func(f *authoritytest.Fixture) error { return f.UpdateRole(ctx, operator, r) }
	}
	dropRole := func(f *authoritytest.Fixture) error { return second(f.RemoveRole(ctx, operator, "curator")) }
	dropCollection := func(f *authoritytest.Fixture) error { return second(f.RemoveCollection(ctx, operator, 4)) }
	addCollection := func(f *authoritytest.Fixture) error {
		return f.CreateCollection(ctx, operator, records.Collection{ID: 4, Name: "Fish again"})
	}
	away := func(f *authoritytest.Fixture) error {
		_, _, err := f.RemoveAccess(ctx, operator, "ada", "/collections/4")
		return err
	}
	own := withUser("ada", authoritytest.May("access", "/collections/4"))
	at := withUser("ada", access.Binding{Permission: &access.Permission{Action: "access", Path: "/"}, Path: "/collections/4"})
	wide := withUser("ada", authoritytest.May("access", "/collections"))
	byGroup := access.Binding{Group: "curators", Permission: own.Permission, Path: "/"}
	byRole := access.Binding{User: "ada", Role: "curator", Path: "/collections/4"}
	byBoth := access.Binding{Group: "curators", Role: "curator", Path: "/collections"}
	return map[string]way{
		"binding removed":              {add(own), remove, add(own)},
		"binding at the path removed":  {add(at), away, add(at)},
		"access removed":               {add(own), away, add(wide)},
		"group's binding removed":      {both(groups("curators"), add(byGroup)), remove, add(byGroup)},
		"left the group":               {both(groups("curators"), add(byGroup)), groups(), groups("x", "curators")},
		"role emptied":                 {both(addRole, add(byRole)), setRole(hollow), setRole(role)},
		"role removed":                 {both(addRole, add(byRole)), dropRole, both(addRole, add(byRole))},
		"access through a role":        {both(addRole, add(byRole)), away, add(byRole)},
		"left the group with the role": {both(groups("curators"), both(addRole, add(byBoth))), groups("y"), groups("curators")},
		"collection removed":           {add(at), dropCollection, both(addCollection, add(at))},
		"collection of a name removed": {add(own), dropCollection, both(addCollection, add(own))},
	}
}

func TestLostAccessIsLostAtOnceAndComesBackWhenGivenBack(t *testing.T) {
	t.Parallel()
	for name, w := range ways(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := authoritytest.New(t, authoritytest.Options{})
			f.Collection(t, 4, "Fish")
			ada := person(t, f, "ada")
			must(t, w.give(f))
			b := bind(t, f, ada)
			for range 2 {
				b.check(t, f, "with access", true)
				must(t, w.take(f))
				b.check(t, f, "without access", false)
				if _, err := ask(t, f, ada, authority.Request{Kind: token.KindAccess, Collection: new(int64(4))}); err == nil {
					t.Error("a token for a collection without access to it")
				}
				if name == "access removed" {
					return // what gives it back is wider than what takes it
				}
				must(t, w.again(f))
			}
			b.check(t, f, "with access again", true)
		})
	}
}

// A new collection must not be open to those who were let into an older one of the
// same number.
func TestRemovedCollectionTakesEveryBindingAboutItAlong(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.Collection(t, 4, "Fish")
	permission := func(path access.Path) *access.Permission { return &access.Permission{Action: "access", Path: path} }
	gone := []access.Binding{
		{Permission: permission("/collections/4"), Path: "/"},
		{Permission: permission("/collections/4/loans"), Path: "/"},
		{Permission: permission("/4"), Path: "/collections"},
		{Permission: permission("/"), Path: "/collections/4"},
		{Permission: permission("/loans"), Path: "/collections/4"},
		{Permission: permission("/"), Path: "/collections/4/loans"},
	}
	kept := []access.Binding{
		{Permission: permission("/collections/42"), Path: "/"},
		{Permission: permission("/"), Path: "/collections/42"},
		{Permission: permission("/collections"), Path: "/"},
		{Permission: permission("/collections/4"), Path: "/elsewhere"},
		{Permission: permission("/collections/40"), Path: "/"},
	}
	f.User(t, "ada", "", append(gone, kept...)...)
	_, err := f.RemoveCollection(t.Context(), operator, 4)
	must(t, err)
	left, err := f.BindingList(t.Context(), operator, records.BindingQuery{User: "ada"})
	must(t, err)
	if len(left) != len(kept) {
		t.Errorf("%d bindings are left, want %d: %+v", len(left), len(kept), left)
	}
	for _, b := range left {
		if access.CollectionPath(4).Covers(b.Path.Join(b.Permission.Path)) {
			t.Errorf("left: %s at %s", b.Permission.Path, b.Path)
		}
	}
}

// With a collection go the permissions that a remembered user had about it.
func TestRemovedCollectionIsForgottenByWhatIsRemembered(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.Collection(t, 4, "Fish")
	ada := person(t, f, "ada", authoritytest.May("read", "/collections/4"))
	issued := accessToken(t, f, ada)
	demand := authority.Demand{Action: "read", Path: "/collections/4/loans"}
	must(t, second(f.Verify(t.Context(), issued.Value.Reveal(), demand)))
	_, err := f.RemoveCollection(t.Context(), operator, 4)
	must(t, err)
	_, err = f.Verify(t.Context(), issued.Value.Reveal(), demand)
	wantFault(t, "a permission about it", err, fault.InsufficientScope, "no permission")
}

func TestTokenOfACollectionStaysBoundToIt(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.Collection(t, 4, "Fish")
	f.Collection(t, 5, "Birds")
	ada := person(t, f, "ada", authoritytest.Admin())
	b := bind(t, f, ada)
	for name, issued := range map[string]*authority.Issued{"an access token": b.access, "an API token": b.apiToken, "a traded token": b.traded} {
		if issued.Collection == nil || *issued.Collection != 4 {
			t.Errorf("%s is bound to %v", name, issued.Collection)
		}
		for _, other := range []int64{5, 6, 0, -4} {
			_, err := f.Verify(t.Context(), issued.Value.Reveal(), authority.Demand{Collection: &other})
			wantFault(t, name+" in another collection", err, fault.InsufficientScope, "another collection")
		}
		_, err := ask(t, f, bearer(t, f, issued), authority.Request{Kind: token.KindAccess, Collection: new(int64(5))})
		wantFault(t, name+" traded for another collection", err, fault.Forbidden, "another collection")
	}
	again, err := f.Exchange(t.Context(), authority.Exchange{Subject: b.traded.Value.Reveal()})
	if err != nil || again.Access.Collection == nil || *again.Access.Collection != 4 {
		t.Errorf("traded twice: %+v, %v", again.Access, err)
	}
	for _, unknown := range []int64{6, -1} {
		_, err := f.Verify(t.Context(), b.unbound.Value.Reveal(), authority.Demand{Collection: &unknown})
		wantFault(t, "an unbound token in a collection that isn't there", err, fault.InsufficientScope, "no access to the collection")
	}
	// Administering with a token for one collection would reach beyond it.
	by := bearer(t, f, made(t, f, ada, authority.Request{Kind: token.KindAccess, Scope: []string{"admin"}, Collection: new(int64(4))}))
	_, err = f.UserList(t.Context(), by, records.UserQuery{})
	wantFault(t, "a collection's token that administers", err, fault.InsufficientScope, "collection")
}

// A session remembers the collection that its user last chose; it bounds nothing.
func TestSessionIsNotBoundToItsCollection(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.Collection(t, 4, "Fish")
	f.Collection(t, 5, "Birds")
	f.User(t, "ada", "", authoritytest.May("access", "/collections/4"), authoritytest.May("access", "/collections/5"))
	session, err := f.IssueFor(t.Context(), operator, "ada", &authority.Request{Kind: token.KindSession, Collection: new(int64(4))})
	must(t, err)
	c, err := f.Session(t.Context(), session.Value.Reveal())
	must(t, err)
	issued := made(t, f, c, authority.Request{Kind: token.KindAccess, Collection: new(int64(5))})
	must(t, second(f.Verify(t.Context(), issued.Value.Reveal(), authority.Demand{Collection: new(int64(5))})))
	_, _, err = f.RemoveAccess(t.Context(), operator, "ada", "/collections/4")
	must(t, err)
	must(t, second(f.Session(t.Context(), session.Value.Reveal())))
}

func TestClientHasNoAccessToCollections(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.Collection(t, 4, "Fish")
	app := client(t, f, authority.NewClient{ID: "app", Secret: authoritytest.ClientSecret, Grants: allGrants})
	issued, err := f.ClientCredentials(t.Context(), authority.ClientCredentials{Client: app})
	must(t, err)
	_, err = f.Verify(t.Context(), issued.Value.Reveal(), authority.Demand{Collection: new(int64(4))})
	wantFault(t, "a collection", err, fault.InsufficientScope, "")
	_, err = f.Verify(t.Context(), issued.Value.Reveal(), authority.Demand{Action: "access", Path: "/"})
	wantFault(t, "a permission", err, fault.InsufficientScope, "")
}
