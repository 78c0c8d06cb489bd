package directory_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// Removed is what was bound to the user there, through roles too. What still grants
// something there is returned, and not removed.
func TestRemoveAccessReturnsWhatItRemovedAndWhatRemains(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Collection(t, 4, "Fish")
	ctx := t.Context()
	nodetest.Must(t, f.CreateRole(ctx, operator, access.Role{Name: "curator", Permissions: []access.Permission{{Action: "access", Path: "/"}}}))
	nodetest.Must(t, f.CreateRole(ctx, operator, access.Role{Name: "fish-only", Permissions: []access.Permission{{Action: "access", Path: "/collections/4"}}}))
	permission := func(path access.Path) *access.Permission { return &access.Permission{Action: "access", Path: path} }
	ids := map[string]string{}
	bind := func(name string, b access.Binding) {
		t.Helper()
		got, err := f.CreateBinding(ctx, operator, b)
		nodetest.Must(t, err)
		ids[got.ID] = name
	}
	ada := f.Person(t, "ada")
	nodetest.Must(t, nodetest.Second(f.UpdateUser(ctx, operator, "ada", identity.UserPatch{Groups: &[]string{"fish"}})))
	bind("direct", access.Binding{User: "ada", Permission: permission("/collections/4"), Path: "/"})
	bind("direct, beneath", access.Binding{User: "ada", Permission: permission("/collections/4/loans"), Path: "/"})
	bind("a role there", access.Binding{User: "ada", Role: "curator", Path: "/collections/4"})
	bind("a role that is about it alone", access.Binding{User: "ada", Role: "fish-only", Path: "/"})
	bind("elsewhere", access.Binding{User: "ada", Permission: permission("/collections/42"), Path: "/"})
	bind("somebody else's", access.Binding{User: f.Person(t, "eve").ID(), Permission: permission("/collections/4"), Path: "/"})
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
	issued := f.Made(t, ada, issuance.Request{Kind: token.KindAccess, Collection: new(int64(4))})
	removed, remaining, err := f.RemoveAccess(ctx, operator, "ada", "/collections/4")
	nodetest.Must(t, err)
	if diff := cmp.Diff([]string{"a role that is about it alone", "a role there", "direct", "direct, beneath"}, names(removed)); diff != "" {
		t.Errorf("removed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a wider path", "the group's"}, names(remaining)); diff != "" {
		t.Errorf("remaining (-want +got):\n%s", diff)
	}
	f.WantAlive(t, "with what remains", issued)
	nodetest.Must(t, nodetest.Second(f.UpdateUser(ctx, operator, "ada", identity.UserPatch{Groups: &[]string{}})))
	f.WantAlive(t, "with the wider path", issued)
	removed, remaining, err = f.RemoveAccess(ctx, operator, "ada", "/collections")
	nodetest.Must(t, err)
	if len(removed) != 2 || len(remaining) != 0 {
		t.Errorf("removed %q, remaining %q", names(removed), names(remaining))
	}
	_, err = f.Judge(t, issued)
	nodetest.WantFault(t, "with nothing", err, fault.InsufficientScope, "no access")
	removed, remaining, err = f.RemoveAccess(ctx, operator, "ada", "/")
	if err != nil || removed != nil || remaining != nil {
		t.Errorf("again: %v, %v, %v", removed, remaining, err)
	}
}

// bound are tokens that are good in collection 4, each in its own way.
type bound struct {
	access, apiToken, traded, unbound *issuance.Issued
}

func bind(t *testing.T, f *nodetest.Fixture, c *caller.Caller) bound {
	t.Helper()
	four := new(int64(4))
	b := bound{
		access:   f.Made(t, c, issuance.Request{Kind: token.KindAccess, Collection: four}),
		apiToken: f.APIToken(t, c, credentials.NewCredential{Collection: four}),
		unbound:  f.Made(t, c, issuance.Request{Kind: token.KindAccess}),
	}
	pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: b.apiToken.Value.Reveal()})
	nodetest.Must(t, err)
	b.traded = pair.Access
	return b
}

// check fails unless every one of them is let into the collection, or none.
func (b bound) check(t *testing.T, f *nodetest.Fixture, when string, allowed bool) {
	t.Helper()
	for name, issued := range map[string]*issuance.Issued{
		"an access token": b.access, "an API token": b.apiToken, "a traded token": b.traded, "a token of no collection": b.unbound,
	} {
		for _, demand := range []verification.Requirements{{}, {Collection: new(int64(4))}, {Action: "access", Path: "/collections/4"}} {
			_, err := f.Verify(t.Context(), issued.Value.Reveal(), demand)
			free := issued == b.unbound && demand.Collection == nil && demand.Action == ""
			switch {
			case (allowed || free) && err != nil:
				t.Errorf("%s, %s: %v", when, name, err)
			case !allowed && !free:
				nodetest.WantFault(t, when+", "+name, err, fault.InsufficientScope, "")
			}
		}
	}
}

// way is a way to have access to collection 4, to lose it, and to have it back.
type way struct {
	give, take, again func(f *nodetest.Fixture) error
}

func ways(t *testing.T) map[string]way {
	ctx := t.Context()
	role := access.Role{Name: "curator", Permissions: []access.Permission{{Action: "access", Path: "/"}}}
	hollow := access.Role{Name: "curator", Permissions: []access.Permission{{Action: "read", Path: "/"}}}
	add := func(b access.Binding) func(f *nodetest.Fixture) error {
		return func(f *nodetest.Fixture) error { return nodetest.Second(f.CreateBinding(ctx, operator, b)) }
	}
	remove := func(f *nodetest.Fixture) error {
		all, err := f.BindingList(ctx, operator, records.BindingQuery{})
		if err == nil {
			_, err = f.RemoveBinding(ctx, operator, all[0].ID)
		}
		return err
	}
	groups := func(names ...string) func(f *nodetest.Fixture) error {
		return func(f *nodetest.Fixture) error {
			return nodetest.Second(f.UpdateUser(ctx, operator, "ada", identity.UserPatch{Groups: &names}))
		}
	}
	both := func(one, other func(f *nodetest.Fixture) error) func(f *nodetest.Fixture) error {
		return func(f *nodetest.Fixture) error {
			if err := one(f); err != nil {
				return err
			}
			return other(f)
		}
	}
	addRole := func(f *nodetest.Fixture) error { return f.CreateRole(ctx, operator, role) }
	setRole := func(r access.Role) func(f *nodetest.Fixture) error {
		return func(f *nodetest.Fixture) error { return f.UpdateRole(ctx, operator, r) }
	}
	dropRole := func(f *nodetest.Fixture) error { return nodetest.Second(f.RemoveRole(ctx, operator, "curator")) }
	dropCollection := func(f *nodetest.Fixture) error { return nodetest.Second(f.RemoveCollection(ctx, operator, 4)) }
	addCollection := func(f *nodetest.Fixture) error {
		return f.CreateCollection(ctx, operator, records.Collection{ID: 4, Name: "Fish again"})
	}
	away := func(f *nodetest.Fixture) error {
		_, _, err := f.RemoveAccess(ctx, operator, "ada", "/collections/4")
		return err
	}
	own := nodetest.WithUser("ada", nodetest.May("access", "/collections/4"))
	at := nodetest.WithUser("ada", access.Binding{Permission: &access.Permission{Action: "access", Path: "/"}, Path: "/collections/4"})
	wide := nodetest.WithUser("ada", nodetest.May("access", "/collections"))
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
			f := nodetest.New(t, nodetest.Options{})
			f.Collection(t, 4, "Fish")
			ada := f.Person(t, "ada")
			nodetest.Must(t, w.give(f))
			b := bind(t, f, ada)
			for range 2 {
				b.check(t, f, "with access", true)
				nodetest.Must(t, w.take(f))
				b.check(t, f, "without access", false)
				if _, err := f.Ask(t, ada, issuance.Request{Kind: token.KindAccess, Collection: new(int64(4))}); err == nil {
					t.Error("a token for a collection without access to it")
				}
				if name == "access removed" {
					return // what restores the access is wider than what was removed
				}
				nodetest.Must(t, w.again(f))
			}
			b.check(t, f, "with access again", true)
		})
	}
}

// A new collection must not be open to those who were let into an older one of the
// same number.
func TestRemovedCollectionTakesEveryBindingAboutItAlong(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
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
	nodetest.Must(t, err)
	left, err := f.BindingList(t.Context(), operator, records.BindingQuery{User: "ada"})
	nodetest.Must(t, err)
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
	f := nodetest.New(t, nodetest.Options{})
	f.Collection(t, 4, "Fish")
	ada := f.Person(t, "ada", nodetest.May("read", "/collections/4"))
	issued := f.MadeAccess(t, ada)
	demand := verification.Requirements{Action: "read", Path: "/collections/4/loans"}
	nodetest.Must(t, nodetest.Second(f.Verify(t.Context(), issued.Value.Reveal(), demand)))
	_, err := f.RemoveCollection(t.Context(), operator, 4)
	nodetest.Must(t, err)
	_, err = f.Verify(t.Context(), issued.Value.Reveal(), demand)
	nodetest.WantFault(t, "a permission about it", err, fault.InsufficientScope, "no permission")
}

func TestCollectionsOpenToACallerAreThoseWithAccess(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Collection(t, 4, "Fish")
	f.Collection(t, 42, "Birds")
	f.User(t, "ada", "", nodetest.May(access.ActionAccess, "/collections/4"))
	got, more, err := f.CollectionsOpenTo(t.Context(), f.SignedIn(t, "ada"))
	if err != nil || more || len(got) != 1 || got[0].ID != 4 {
		t.Errorf("open: %v %v", got, err)
	}
	if _, _, err := f.CollectionsOpenTo(t.Context(), nil); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("nobody: %v", err)
	}
}

// TestAChangeThatFindsNothingToDoIsAcknowledgedAlike makes a change without waiting, and
// again at once by a caller who waits and finds nothing to do.
func TestAChangeThatFindsNothingToDoIsAcknowledgedAlike(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{})
	here.Collection(t, 4, "Fish")
	ada := here.Person(t, "ada", nodetest.May("access", "/collections/4"))
	waits := []revocation.Wait{revocation.WaitNone, revocation.WaitNodes}

	inFour := here.Made(t, ada, issuance.Request{Kind: token.KindAccess, Collection: new(int64(4))})
	there.WantAlive(t, "before", inFour)
	for i, wait := range waits {
		removed, _, err := here.RemoveAccess(t.Context(), operator.Waiting(wait), "ada", "/collections/4")
		nodetest.Must(t, err)
		if (len(removed) == 0) != (i == 1) {
			t.Fatalf("removed: %v", removed)
		}
	}
	_, err := there.Judge(t, inFour)
	nodetest.WantFault(t, "access that was lost already", err, fault.InsufficientScope, "no access")

	desired := apply.Desired{Users: []apply.DesiredUser{{NewUser: identity.NewUser{Username: "ada", Disabled: true}, SetDisabled: true}}}
	living := here.MadeAccess(t, ada)
	there.WantAlive(t, "before", living)
	for _, wait := range waits {
		_, _, err := here.Apply(t.Context(), operator.Waiting(wait), desired)
		nodetest.Must(t, err)
	}
	there.WantDead(t, "disabled already", living)
}

func TestAccessChangesRefuseWhatIsWrong(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ctx := t.Context()
	f.User(t, "ada", "")
	f.Collection(t, 4, "Fish")
	nodetest.Must(t, f.CreateRole(ctx, operator, access.Role{Name: "curator"}))
	for name, c := range map[string]struct {
		err  error
		kind fault.Kind
	}{
		"a collection's id twice":     {f.CreateCollection(ctx, operator, records.Collection{ID: 4, Name: "x"}), fault.Conflict},
		"a collection's name twice":   {f.CreateCollection(ctx, operator, records.Collection{ID: 5, Name: "Fish"}), fault.Conflict},
		"a collection below nothing":  {f.CreateCollection(ctx, operator, records.Collection{ID: -1, Name: "x"}), fault.Invalid},
		"a collection without a name": {f.CreateCollection(ctx, operator, records.Collection{ID: 5}), fault.Invalid},
		"no collection to rename":     {f.UpdateCollection(ctx, operator, records.Collection{ID: 5, Name: "x"}), fault.NotFound},
		"no collection to remove":     {nodetest.Second(f.RemoveCollection(ctx, operator, 5)), fault.NotFound},
		"a role twice":                {f.CreateRole(ctx, operator, access.Role{Name: "curator"}), fault.Conflict},
		"a role with a bad path":      {f.CreateRole(ctx, operator, access.Role{Name: "x", Permissions: []access.Permission{{Action: "x", Path: "/../x"}}}), fault.Invalid},
		"no role to change":           {f.UpdateRole(ctx, operator, access.Role{Name: "x"}), fault.NotFound},
		"no role to remove":           {nodetest.Second(f.RemoveRole(ctx, operator, "x")), fault.NotFound},
		"a binding of nobody":         {nodetest.Second(f.CreateBinding(ctx, operator, access.Binding{Role: "curator"})), fault.Invalid},
		"a binding of no such user":   {nodetest.Second(f.CreateBinding(ctx, operator, access.Binding{User: "nobody", Role: "curator"})), fault.Invalid},
		"a binding of no such role":   {nodetest.Second(f.CreateBinding(ctx, operator, access.Binding{User: "ada", Role: "x"})), fault.Invalid},
		"no binding to change":        {nodetest.Second(f.UpdateBinding(ctx, operator, access.Binding{ID: "x", User: "ada", Role: "curator"})), fault.NotFound},
		"no binding to remove":        {nodetest.Second(f.RemoveBinding(ctx, operator, "x")), fault.NotFound},
	} {
		nodetest.WantFault(t, name, c.err, c.kind, "")
	}
	binding := access.Binding{User: "ada", Role: "curator"}
	nodetest.Must(t, nodetest.Second(f.CreateBinding(ctx, operator, binding)))
	_, err := f.CreateBinding(ctx, operator, binding)
	nodetest.WantFault(t, "a binding twice", err, fault.Conflict, "")
}

// A whole list is read in pages, and nothing at a page's end is left out. Anybody is offered
// one page.
func TestWholeListsAreReadInPages(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ctx := t.Context()
	const many = 2*directory.MaxChoices + 3
	var ops []op.Op
	for n := range many {
		ops = append(ops, op.CreateCollection{Collection: records.Collection{ID: int64(n), Name: strconv.Itoa(n)}})
	}
	for some := range slices.Chunk(ops, 500) {
		_, err := f.Store.Commit(ctx, op.Batch{Ops: some})
		nodetest.Must(t, err)
	}
	all, err := f.CollectionList(ctx, operator)
	nodetest.Must(t, err)
	for n, c := range all {
		if c.ID != int64(n) {
			t.Fatalf("collection %d is %d", n, c.ID)
		}
	}
	offered, err := f.PublicCollections(ctx)
	nodetest.Must(t, err)
	if len(all) != many || len(offered) != directory.MaxChoices {
		t.Errorf("%d of %d are listed, and %d offered", len(all), many, len(offered))
	}
}
