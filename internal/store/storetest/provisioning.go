package storetest

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/op"
)

const hr, other = "scim:hr", "scim:other"

// owned returns a user of an owner.
func owned(n int, owner string) identity.User {
	u := user(n)
	u.Owner, u.Groups = owner, nil
	return u
}

func ids(w records.Window[records.OwnedUser]) (list []string) {
	for _, u := range w.Items {
		list = append(list, u.ID)
	}
	return list
}

// testOwnedUsers tests that an owner finds its own users, by what it calls them, and
// nobody else's.
func testOwnedUsers(t *testing.T, s *Suite) {
	ctx := t.Context()
	for i := range 5 {
		s.do(t, op.CreateUser{User: owned(i, hr)})
	}
	s.do(t, op.CreateUser{User: owned(7, other)}, op.CreateUser{User: owned(8, "")})
	find := func(q records.OwnedQuery) records.Window[records.OwnedUser] {
		t.Helper()
		return must[records.Window[records.OwnedUser]](t)(s.store.OwnedUsers(ctx, q))
	}
	all := find(records.OwnedQuery{Owner: hr, Limit: 10})
	same(t, "all of an owner", ids(all), []string{owned(0, hr).ID, owned(1, hr).ID, owned(2, hr).ID, owned(3, hr).ID, owned(4, hr).ID})
	same(t, "their number", all.Total, 5)
	some := find(records.OwnedQuery{Owner: hr, Skip: 3, Limit: 1})
	same(t, "a part", ids(some), []string{owned(3, hr).ID})
	same(t, "the number of all", some.Total, 5)
	same(t, "counted only", find(records.OwnedQuery{Owner: hr}), records.Window[records.OwnedUser]{Total: 5})
	same(t, "beyond the end", find(records.OwnedQuery{Owner: hr, Skip: 9, Limit: 9}).Total, 5)
	same(t, "of nobody", find(records.OwnedQuery{Limit: 10}).Total, 0)
	same(t, "another's", find(records.OwnedQuery{Owner: hr, ID: owned(7, "").ID, Limit: 10}).Total, 0)
	same(t, "another's by name", find(records.OwnedQuery{Owner: hr, Username: owned(7, "").Username, Limit: 10}).Total, 0)
	same(t, "no possible name", find(records.OwnedQuery{Owner: hr, Username: "\n", Limit: 10}).Total, 0)

	one := owned(1, hr)
	person := records.Person{GivenName: "Ada", FamilyName: "Lovelace", EmailType: "home", Inactive: true}
	s.do(t, op.AddLink{Link: records.Link{Source: hr, ExternalID: "x-1", UserID: one.ID, LinkedAt: start}},
		op.AddLink{Link: records.Link{Source: other, ExternalID: "o-1", UserID: one.ID, LinkedAt: start}},
		op.DescribeUser{ID: one.ID, Person: &person}, op.DescribeUser{ID: one.ID, Inactive: new(true)})
	for what, q := range map[string]records.OwnedQuery{
		"by id": {ID: one.ID}, "by name": {Username: " " + one.Username + " "}, "by external id": {ExternalID: "x-1"},
		"by all": {ID: one.ID, Username: one.Username, ExternalID: "x-1"},
	} {
		q.Owner, q.Limit = hr, 10
		got := find(q)
		same(t, what, ids(got), []string{one.ID})
		same(t, what+", external id", got.Items[0].ExternalID, "x-1")
		same(t, what+", person", got.Items[0].Person, person)
	}
	same(t, "by another's external id", find(records.OwnedQuery{Owner: hr, ExternalID: "o-1", Limit: 10}).Total, 0)
	same(t, "an external id in another case", find(records.OwnedQuery{Owner: hr, ExternalID: "X-1", Limit: 10}).Total, 0)
	s.do(t, op.DescribeUser{ID: one.ID, Person: &records.Person{GivenName: "A"}})
	same(t, "described again", find(records.OwnedQuery{Owner: hr, ID: one.ID, Limit: 1}).Items[0].Person, records.Person{GivenName: "A", Inactive: true})
	s.refuse(t, fault.NotFound, op.DescribeUser{ID: "nobody"})
	s.refuse(t, fault.NotFound, op.AdoptUser{ID: "nobody", Owner: hr})
	s.refuse(t, fault.Conflict, op.AdoptUser{ID: owned(7, "").ID, Owner: hr})
	s.do(t, op.AdoptUser{ID: owned(8, "").ID, Owner: hr})
	same(t, "adopted", find(records.OwnedQuery{Owner: hr, ID: owned(8, "").ID}).Total, 1)
	s.do(t, op.RemoveUser{ID: one.ID})

	found := must[[]identity.User](t)(s.store.UsersByID(ctx, []string{owned(7, "").ID, "nobody", owned(0, "").ID, owned(0, "").ID}))
	same(t, "users by id", len(found), 2)
	if _, err := s.store.UsersByID(ctx, make([]string, records.MaxUserIDs+1)); !fault.Is(err, fault.Invalid) {
		t.Errorf("too many ids: %v", err)
	}
}

// testOwnedWindows tests that every part of an owner's list is what a list in memory says,
// while users are created, adopted and removed.
func testOwnedWindows(t *testing.T, s *Suite) {
	ctx := t.Context()
	left := map[string][]string{hr: {}, other: {}}
	check := func(what string) {
		t.Helper()
		for owner, want := range left {
			slices.Sort(want)
			for skip := 0; skip <= len(want)+1; skip += 7 {
				w := must[records.Window[records.OwnedUser]](t)(s.store.OwnedUsers(ctx, records.OwnedQuery{Owner: owner, Skip: skip, Limit: 10}))
				from := min(skip, len(want))
				same(t, fmt.Sprintf("%s, of %s from %d", what, owner, skip), append([]string{}, ids(w)...), append([]string{}, want[from:min(from+10, len(want))]...))
				same(t, what+", the number", w.Total, len(want))
			}
		}
	}
	check("none")
	for n := range 90 {
		u := owned(n, []string{hr, other, ""}[n%3])
		u.ID = fmt.Sprintf("%x%c-%03d", (n*7)%16, 'a'+n%5, n)
		s.do(t, op.CreateUser{User: u})
		if u.Owner == "" {
			s.do(t, op.AdoptUser{ID: u.ID, Owner: hr})
			u.Owner = hr
		}
		left[u.Owner] = append(left[u.Owner], u.ID)
	}
	check("created")
	for owner := range left {
		for len(left[owner]) > 20 {
			s.do(t, op.RemoveUser{ID: left[owner][3]})
			left[owner] = slices.Delete(left[owner], 3, 4)
		}
	}
	check("removed")
	// A transaction that is rolled back counts nobody.
	s.refuse(t, fault.NotFound, op.CreateUser{User: owned(200, hr)}, op.AdoptUser{ID: "nobody", Owner: hr})
	check("refused")
	same(t, "far beyond the end", must[records.Window[records.OwnedUser]](t)(s.store.OwnedUsers(ctx, records.OwnedQuery{Owner: hr, Skip: math.MaxInt, Limit: 10})),
		records.Window[records.OwnedUser]{Total: 20})
}

// testGroups tests the groups of a source: names that are one, versions, and memberships
// of which the source changes its own alone.
func testGroups(t *testing.T, s *Suite) {
	ctx := t.Context()
	for i := range 3 {
		s.do(t, op.CreateUser{User: owned(i, hr)})
	}
	s.do(t, op.CreateUser{User: owned(3, "")})
	a, b, c := owned(0, hr).ID, owned(1, hr).ID, owned(2, hr).ID
	find := func(q records.GroupQuery) records.Window[records.Group] {
		t.Helper()
		return must[records.Window[records.Group]](t)(s.store.OwnedGroups(ctx, q))
	}
	members := func(what string, version int64, want ...string) {
		t.Helper()
		g := find(records.GroupQuery{Owner: hr, ID: "g1", Members: true, Limit: 1}).Items[0]
		same(t, what+", version", g.Version, version)
		var got []string
		for _, m := range g.Members {
			got = append(got, m.ID)
		}
		same(t, what, got, want)
	}
	s.do(t, op.CreateGroup{Group: records.Group{ID: "g1", Owner: hr, Name: "Curators", ExternalID: "e"}},
		op.UpdateGroup{ID: "g1", Version: 1, Add: []string{b, a}})
	s.do(t, op.CreateGroup{Group: records.Group{ID: "g2", Owner: other, Name: "Curators"}})
	s.refuse(t, fault.Conflict, op.CreateGroup{Group: records.Group{ID: "g3", Owner: hr, Name: "curators"}})
	members("created", 2, a, b)
	got := find(records.GroupQuery{Owner: hr, Name: "CURATORS", ExternalID: "e", Limit: 5})
	same(t, "found", got, records.Window[records.Group]{Total: 1, Items: []records.Group{{ID: "g1", Owner: hr, Name: "Curators", ExternalID: "e", Version: 2}}})
	same(t, "another's", find(records.GroupQuery{Owner: hr, ID: "g2", Limit: 5}).Total, 0)
	same(t, "counted", find(records.GroupQuery{Owner: hr}), records.Window[records.Group]{Total: 1})

	s.refuse(t, fault.Conflict, op.UpdateGroup{ID: "g1", Version: 1, Add: []string{c}})
	s.refuse(t, fault.NotFound, op.UpdateGroup{ID: "none", Version: 1})
	members("refused", 2, a, b)
	s.do(t, op.UpdateGroup{ID: "g1", Version: 2, Add: []string{c, a, "nobody"}, Remove: []string{b, "nobody"}})
	members("changed", 3, a, c)

	// An administrator has put b into the group, and c into the one that it is renamed to.
	s.do(t, op.SetGroups{ID: b, Groups: []string{"Curators"}}, op.SetGroups{ID: c, Groups: []string{"Staff"}})
	s.do(t, op.UpdateGroup{ID: "g1", Version: 3, Add: []string{b}, Remove: []string{b}})
	members("another's membership", 4, a, c)
	for what, c := range map[string]struct {
		q    records.GroupQuery
		want int
	}{
		"a member": {records.GroupQuery{ID: "g1", Member: a}, 1}, "who has left": {records.GroupQuery{ID: "g1", Member: b}, 0},
		"nobody": {records.GroupQuery{ID: "g1", Member: "nobody"}, 0}, "of another group": {records.GroupQuery{ID: "g2", Member: a}, 0},
	} {
		c.q.Owner, c.q.Limit = hr, 10
		w := find(c.q)
		same(t, "the groups of "+what, []int{w.Total, len(w.Items)}, []int{c.want, c.want})
	}
	s.do(t, op.CreateGroup{Group: records.Group{ID: "g4", Owner: hr, Name: "Taken"}})
	s.refuse(t, fault.Conflict, op.UpdateGroup{ID: "g1", Version: 4, Name: new("taken")})
	s.do(t, op.UpdateGroup{ID: "g1", Version: 4, Name: new("Staff"), ExternalID: new("f")})
	members("renamed", 5, a)
	same(t, "b", must[records.Principal](t)(s.principal(ctx, b)).User.Groups, []string{"Curators"})
	same(t, "c", len(must[records.Principal](t)(s.principal(ctx, c)).User.SetBy), 0)
	same(t, "a", must[records.Principal](t)(s.principal(ctx, a)).User.SetBy, map[string]string{"Staff": hr})
	s.refuse(t, fault.Conflict, op.RemoveGroup{ID: "g1", Version: 4})
	s.do(t, op.RemoveGroup{ID: "g1", Version: 5})
	same(t, "a, afterwards", len(must[records.Principal](t)(s.principal(ctx, a)).User.Groups), 0)
	same(t, "c, afterwards", must[records.Principal](t)(s.principal(ctx, c)).User.Groups, []string{"Staff"})
}

// testTwoNodesGroup tests that of two who change one version of a group one is refused.
func testTwoNodesGroup(t *testing.T, s *Suite) {
	nodes := []contract.Store{s.store, s.open()}
	s.do(t, op.CreateUser{User: owned(0, hr)}, op.CreateGroup{Group: records.Group{ID: "g", Owner: hr, Name: "g"}})
	for version := int64(1); version <= 10; version++ {
		errs := make([]error, len(nodes))
		var done sync.WaitGroup
		for i, node := range nodes {
			done.Go(func() {
				_, errs[i] = node.Commit(t.Context(), op.Batch{Ops: []op.Op{
					op.UpdateGroup{ID: "g", Version: version, Add: []string{owned(0, hr).ID}},
				}})
			})
		}
		done.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("version %d: %s", version, fmt.Sprint(errs))
		}
		for _, err := range errs {
			if err != nil && (!fault.Is(err, fault.Conflict) || fault.FieldOf(err) != "version") {
				t.Errorf("version %d: %v", version, err)
			}
		}
	}
}
