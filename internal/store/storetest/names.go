package storetest

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
)

// named returns user n with another username.
func named(n int, username string) identity.User {
	u := user(n)
	u.Username = username
	return u
}

// testUsernames has spellings of one name: they find one user, and there is no second.
func testUsernames(t *testing.T, s *Suite) {
	ctx := t.Context()
	ada, zoe := named(1, "Ada"), named(2, "zo\u00eb")
	s.do(t, op.CreateUser{User: ada}, op.CreateUser{User: zoe})
	for spelling, want := range map[string]identity.User{
		"Ada": ada, "ada": ada, "ADA": ada, " ada ": ada, "ａｄａ": ada, "a\u200bda": ada, "zo\u00eb": zoe, "zoe\u0308": zoe, "ZOE\u0308": zoe,
	} {
		same(t, "the user named "+spelling, *must[records.Principal](t)(s.store.Principal(ctx, records.Who{Username: spelling})).User, want)
	}
	for _, other := range []string{"", " ", "adam", "zoe", "a\x00da", "\xff", "ada\n\x07"} {
		_, err := s.store.Principal(ctx, records.Who{Username: other})
		wantFault(t, err, fault.NotFound)
	}
	for _, spelling := range []string{"Ada", "ada", "ADA"} {
		s.refuse(t, fault.Conflict, op.CreateUser{User: named(3, spelling)})
		s.refuse(t, fault.Conflict, op.UpdateUser{ID: zoe.ID, Username: &spelling})
	}

	other, spelled := "grace", "ADA"
	s.do(t, op.UpdateUser{ID: ada.ID, Username: &spelled}) // another spelling of their own
	s.do(t, op.UpdateUser{ID: zoe.ID, Username: &other})
	s.do(t, op.CreateUser{User: named(3, "Zo\u00eb")}) // the name is free
	ada.Username, zoe.Username = spelled, other
	same(t, "the user spelled otherwise", *must[records.Principal](t)(s.principal(ctx, ada.ID)).User, ada)
	same(t, "the renamed user", *must[records.Principal](t)(s.store.Principal(ctx, records.Who{Username: "Grace"})).User, zoe)
	if page := must[records.Page[identity.User]](t)(s.store.Users(ctx, records.UserQuery{Search: "grace"})); len(page.Items) != 1 {
		t.Errorf("the new name is found %d times", len(page.Items))
	}
}

// testOwners tests the owner of objects, which only an owner's own change alters.
func testOwners(t *testing.T, s *Suite) {
	ctx := t.Context()
	u := user(1)
	u.Owner, u.PasswordChangedAt = "django", time.Unix(1_700_000_000, 123_000).UTC()
	s.do(t, op.CreateUser{User: u},
		op.CreateRole{Role: access.Role{Name: "r", Owner: "django"}},
		op.CreateCollection{Collection: records.Collection{ID: 4, Name: "Fish", Owner: "django"}},
		op.CreateClient{Client: identity.Client{ID: "ci", Owner: "django"}},
		op.AddBinding{Binding: access.Binding{ID: "b", User: u.ID, Role: "r", Path: "/", Owner: "django"}})
	name := "Other"
	s.do(t, op.UpdateUser{ID: u.ID, Name: &name}, op.UpdateRole{Role: access.Role{Name: "r"}},
		op.UpdateCollection{Collection: records.Collection{ID: 4, Name: "Fishes"}}, op.UpdateClient{Client: identity.Client{ID: "ci"}})
	u.Name = name
	same(t, "the user", *must[records.Principal](t)(s.principal(ctx, u.ID)).User, u)
	same(t, "the role", must[[]access.Role](t)(s.store.Roles(ctx)), []access.Role{{Name: "r", Owner: "django"}})
	same(t, "the collection", must[[]records.Collection](t)(s.store.Collections(ctx)), []records.Collection{{ID: 4, Name: "Fishes", Owner: "django"}})
	same(t, "the client", must[[]identity.Client](t)(s.store.Clients(ctx)), []identity.Client{{ID: "ci", Owner: "django"}})
	same(t, "the binding", must[[]access.Binding](t)(s.store.Bindings(ctx, records.BindingQuery{})),
		[]access.Binding{{ID: "b", User: u.ID, Role: "r", Path: "/", Owner: "django"}})
	owner, later := "", u.PasswordChangedAt.Add(time.Hour)
	s.do(t, op.UpdateUser{ID: u.ID, Owner: &owner, PasswordChangedAt: &later})
	u.Owner, u.PasswordChangedAt = owner, later
	same(t, "the user of nobody", *must[records.Principal](t)(s.principal(ctx, u.ID)).User, u)
}

// testLinks tests the links of users to sources: one user for each external id, any
// number of links for each user, and none that outlives its user.
func testLinks(t *testing.T, s *Suite) {
	ctx := t.Context()
	at := time.Unix(1_700_000_000, 0).UTC()
	one, two := user(1), user(2)
	links := []records.Link{
		{Source: "django", ExternalID: "7", UserID: one.ID, LinkedAt: at},
		{Source: "django", ExternalID: "71", UserID: two.ID, LinkedAt: at},
		{Source: "orcid", ExternalID: "7", UserID: one.ID, LinkedAt: at},
	}
	s.do(t, op.CreateUser{User: one}, op.CreateUser{User: two})
	for _, l := range links {
		s.do(t, op.AddLink{Link: l})
	}
	s.refuse(t, fault.Conflict, op.AddLink{Link: records.Link{Source: "django", ExternalID: "7", UserID: two.ID}})
	s.refuse(t, fault.Invalid, op.AddLink{Link: records.Link{Source: "django", ExternalID: "8", UserID: "nobody"}})
	same(t, "nobody's, of no source", must[[]records.Link](t)(s.store.Links(ctx, records.LinkQuery{})), []records.Link(nil))
	same(t, "another source's", must[[]records.Link](t)(s.store.Links(ctx, records.LinkQuery{Source: "orcid"})), links[2:])
	same(t, "a source's", must[[]records.Link](t)(s.store.Links(ctx, records.LinkQuery{Source: "django"})), links[:2])
	same(t, "a user's", must[[]records.Link](t)(s.store.Links(ctx, records.LinkQuery{User: one.ID})), []records.Link{links[0], links[2]})
	testLinkedUsers(t, s, one, two)
	s.do(t, op.RemoveUser{ID: one.ID})
	same(t, "after the user", must[[]records.Link](t)(s.store.Links(ctx, records.LinkQuery{Source: "django"})), links[1:2])
	same(t, "after the user, of the other source", must[[]records.Link](t)(s.store.Links(ctx, records.LinkQuery{Source: "orcid"})), []records.Link(nil))
}

// testLinkedUsers tests that the users of the source django are read page by page, by
// their external ids, with what is known of them.
func testLinkedUsers(t *testing.T, s *Suite, one, two identity.User) {
	t.Helper()
	ctx := t.Context()
	q := records.LinkedQuery{Source: "django", Limit: 1}
	first := must[records.Page[records.LinkedUser]](t)(s.store.LinkedUsers(ctx, q))
	same(t, "the first page", first.Items, []records.LinkedUser{{ExternalID: "7", User: one}})
	q.After = first.Next
	second := must[records.Page[records.LinkedUser]](t)(s.store.LinkedUsers(ctx, q))
	same(t, "the second page", second, records.Page[records.LinkedUser]{Items: []records.LinkedUser{{ExternalID: "71", User: two}}})
	q.After = "x"
	_, err := s.store.LinkedUsers(ctx, q)
	wantFault(t, err, fault.Invalid)
	if none := must[records.Page[records.LinkedUser]](t)(s.store.LinkedUsers(ctx, records.LinkedQuery{Source: "Django"})); len(none.Items) != 0 {
		t.Errorf("a source of another spelling has %v", none.Items)
	}
}

// testAuditNames tests the names in events: those that users have when the event is
// written, unless the event has one. They stay when the user is deleted.
func testAuditNames(t *testing.T, s *Suite) {
	ctx := t.Context()
	u := named(1, "Ada")
	s.do(t, op.CreateUser{User: u})
	at := time.Unix(1_700_000_000, 0).UTC()
	event := audit.Event{At: at, Actor: u.ID, Action: audit.UserUpdate, Target: u.ID, Outcome: audit.OK}
	typed := event
	typed.Actor, typed.Action, typed.TargetName = "", audit.Login, "ADA "
	before := typed
	before.Target, before.TargetName = "ada", "aDa"
	must[any](t)(s.store.Commit(ctx, op.Batch{Audit: []audit.Event{event, typed, before}}))
	must[any](t)(s.store.Commit(ctx, op.Batch{
		Ops:   []op.Op{op.RemoveUser{ID: u.ID}},
		Audit: []audit.Event{{At: at, Actor: "cli", Action: audit.UserRemove, Target: u.ID, TargetName: "Ada", Outcome: audit.OK}},
	}))
	var got [][3]string
	for _, e := range must[[]audit.Event](t)(s.store.AuditEvents(ctx, audit.Filter{Target: u.ID, TargetTyped: "ada"})) {
		got = append(got, [3]string{e.Action, e.ActorName, e.TargetName})
	}
	same(t, "the names, of both targets, newest first", got, [][3]string{
		{audit.UserRemove, "", "Ada"}, {audit.Login, "", "aDa"}, {audit.Login, "", "ADA "}, {audit.UserUpdate, "Ada", "Ada"},
	})
	first := must[[]audit.Event](t)(s.store.AuditEvents(ctx, audit.Filter{Target: u.ID, TargetTyped: "ada", Limit: 2}))
	rest := must[[]audit.Event](t)(s.store.AuditEvents(ctx, audit.Filter{Target: u.ID, TargetTyped: "ada", Limit: 2, Cursor: first[1].ID}))
	if len(first) != 2 || len(rest) != 2 || first[1].ID <= rest[0].ID {
		t.Errorf("pages %v and %v", first, rest)
	}
}
