package storetest

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/passhash"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/token"
)

// testMemberships tests who set the groups of a user: a source replaces only its own, and
// an administrator's list is all that the user is in afterwards.
func testMemberships(t *testing.T, s *Suite) {
	ctx := t.Context()
	u := user(1)
	u.Groups = []string{"staff"}
	s.do(t, op.CreateUser{User: u})
	check := func(what string, groups []string, by map[string]string) {
		t.Helper()
		got := must[records.Principal](t)(s.principal(ctx, u.ID)).User
		same(t, what, got.Groups, groups)
		same(t, what+", set by", got.SetBy, by)
	}
	s.do(t, op.SetGroups{ID: u.ID, Source: "orcid", Groups: []string{"curators", "staff"}})
	check("a source adds", []string{"curators", "staff"}, map[string]string{"curators": "orcid"})
	s.do(t, op.SetGroups{ID: u.ID, Source: "scim:hr", Groups: []string{"visitors"}})
	s.do(t, op.SetGroups{ID: u.ID, Source: "orcid"})
	check("a source takes out its own", []string{"staff", "visitors"}, map[string]string{"visitors": "scim:hr"})
	s.do(t, op.SetGroups{ID: u.ID, Groups: []string{"readers"}})
	check("administrators replace theirs", []string{"readers", "visitors"}, map[string]string{"visitors": "scim:hr"})
	s.do(t, op.UpdateUser{ID: u.ID, Groups: &[]string{"readers", "visitors", "writers"}})
	check("a list keeps who set what stays", []string{"readers", "visitors", "writers"}, map[string]string{"visitors": "scim:hr"})
	s.do(t, op.UpdateUser{ID: u.ID, Groups: &[]string{}})
	check("a list is all", nil, nil)
	s.refuse(t, fault.NotFound, op.SetGroups{ID: "nobody", Source: "orcid"})
}

// testByLink tests that a user is found by a link, and by nothing that resembles it.
func testByLink(t *testing.T, s *Suite) {
	ctx := t.Context()
	u := user(1)
	s.do(t, op.CreateUser{User: u}, op.AddLink{Link: records.Link{Source: "orcid", ExternalID: "0000-0001", UserID: u.ID, LinkedAt: start}})
	found := must[records.Principal](t)(s.store.Principal(ctx, records.Who{Source: "orcid", ExternalID: "0000-0001"}))
	same(t, "by link", found.User.ID, u.ID)
	for _, who := range []records.Who{
		{Source: "orcid"},
		{Source: "orcid", ExternalID: u.Username},
		{Source: "orcid", ExternalID: u.ID},
		{Source: "ORCID", ExternalID: "0000-0001"},
		{Source: "other", ExternalID: "0000-0001"},
	} {
		_, err := s.store.Principal(ctx, who)
		wantFault(t, err, fault.NotFound)
	}
	s.do(t, op.RemoveLink{Source: "orcid", ExternalID: "0000-0001"})
	_, err := s.store.Principal(ctx, records.Who{Source: "orcid", ExternalID: "0000-0001"})
	wantFault(t, err, fault.NotFound)
	s.refuse(t, fault.NotFound, op.RemoveLink{Source: "orcid", ExternalID: "0000-0001"})
}

// testRequireLink tests that a user can be left with a link of one of some sources.
func testRequireLink(t *testing.T, s *Suite) {
	one, two := user(1), user(2)
	link := func(source, id, subject string) op.Op {
		return op.AddLink{Link: records.Link{Source: source, ExternalID: id, UserID: subject, LinkedAt: start}}
	}
	s.do(t, op.CreateUser{User: one}, op.CreateUser{User: two},
		link("orcid", "1", one.ID), link("museum", "1", one.ID), link("old", "1", one.ID), link("orcid", "2", two.ID))
	ways := op.RequireLink{UserID: one.ID, Sources: []string{"orcid", "museum"}}
	s.do(t, op.RemoveLink{Source: "orcid", ExternalID: "1"}, ways)
	s.refuse(t, fault.Conflict, op.RemoveLink{Source: "museum", ExternalID: "1"}, ways)
	same(t, "the last way stays", len(must[[]records.Link](t)(s.store.Links(t.Context(), records.LinkQuery{User: one.ID}))), 2)
	s.refuse(t, fault.Conflict, op.RequireLink{UserID: one.ID})
}

// testPasswordLinks tests that a user has one link to set a password, which is good once,
// until it expires or the password changes.
func testPasswordLinks(t *testing.T, s *Suite) {
	ctx, now, u := t.Context(), s.now(), user(1)
	s.do(t, op.CreateUser{User: u}, op.CreateUser{User: user(2)})
	link := func(secret, subject string) records.PasswordLink {
		return records.PasswordLink{Digest: token.Digest(secret), UserID: subject, CreatedBy: "root", CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
	}
	spend := func(secret string, at time.Time) op.Op {
		return op.SpendPasswordLink{Digest: token.Digest(secret), Now: at}
	}
	gone := func(what, secret string) {
		t.Helper()
		if _, err := s.store.PasswordLink(ctx, token.Digest(secret)); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	other := link("other", user(2).ID)
	s.do(t, op.AddPasswordLink{Link: link("first", u.ID)}, op.AddPasswordLink{Link: other})
	same(t, "as it was stored", must[records.PasswordLink](t)(s.store.PasswordLink(ctx, other.Digest)), other)
	s.do(t, op.AddPasswordLink{Link: link("second", u.ID)})
	gone("replaced", "first")
	s.refuse(t, fault.Conflict, spend("first", now))
	s.refuse(t, fault.Conflict, spend("second", now.Add(time.Hour)))
	s.do(t, spend("second", now.Add(time.Hour-time.Microsecond)))
	gone("used", "second")
	s.refuse(t, fault.Conflict, spend("second", now))
	s.refuse(t, fault.Invalid, op.AddPasswordLink{Link: link("x", "nobody")})

	s.do(t, op.AddPasswordLink{Link: link("third", u.ID)})
	s.do(t, op.UpdateUser{ID: u.ID, Name: new("Somebody")})
	must[records.PasswordLink](t)(s.store.PasswordLink(ctx, token.Digest("third")))
	s.do(t, op.UpdateUser{ID: u.ID, PasswordHash: new(passhash.Hash("another"))})
	gone("with another password", "third")
	must[records.PasswordLink](t)(s.store.PasswordLink(ctx, other.Digest))
	s.do(t, op.RemoveUser{ID: user(2).ID})
	gone("of a user who is removed", "other")
}

// testIfPassword tests that a password is replaced only if it is the one that was meant.
func testIfPassword(t *testing.T, s *Suite) {
	u := user(1)
	s.do(t, op.CreateUser{User: u})
	was, next := u.PasswordHash, passhash.Hash("another hash")
	s.refuse(t, fault.Conflict, op.UpdateUser{ID: u.ID, PasswordHash: &next, IfPassword: &next})
	s.do(t, op.UpdateUser{ID: u.ID, PasswordHash: &next, IfPassword: &was})
	s.refuse(t, fault.Conflict, op.UpdateUser{ID: u.ID, PasswordHash: &was, IfPassword: &was})
}

// testSpend tests that what is good once is used once, until it is forgotten.
func testSpend(t *testing.T, s *Suite) {
	ctx := t.Context()
	one := op.Spend{Once: records.OnceOf("assertion", "museum", "jti"), Until: s.now().Add(time.Minute)}
	s.do(t, one)
	s.refuse(t, fault.Conflict, one, op.CreateUser{User: user(1)})
	if _, err := s.principal(ctx, user(1).ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("what came with something that was used already was done: %v", err)
	}
	s.do(t, op.Spend{Once: records.OnceOf("assertion", "museum", "jti2"), Until: one.Until})
	other := one
	other.Else = fault.New(fault.InvalidClient, "used")
	s.refuse(t, fault.InvalidClient, other)
	if records.OnceOf("a", "bc") == records.OnceOf("a", "b", "c") || records.OnceOf("ab", "c") == records.OnceOf("a", "bc") {
		t.Error("different parts have the same name")
	}
	if err := s.store.Purge(ctx, s.now()); err != nil {
		t.Fatal(err)
	}
	s.refuse(t, fault.Conflict, one)
}

// testSessionsOf tests that live sessions are found by how they began, and that no session
// begins from one that its source has ended.
func testSessionsOf(t *testing.T, s *Suite) {
	ctx, now := t.Context(), s.now()
	add := func(id, owner string, in records.SignIn) {
		s.do(t, op.AddToken{Token: records.StoredToken{
			ID: id, Kind: token.KindSession, Digest: token.Digest(id), Owner: owner, CreatedAt: now, ExpiresAt: now.Add(time.Hour), SignIn: in,
		}})
	}
	add("a1", "ada", records.SignIn{Source: "sso", Session: "s1", At: now})
	add("a2", "ada", records.SignIn{Source: "sso", Session: "s2"})
	add("b1", "bob", records.SignIn{Source: "sso", Session: "s1"})
	add("own", "ada", records.SignIn{At: now})
	add("over", "ada", records.SignIn{Source: "sso", Session: "s1"})
	s.do(t, op.KillTokens{IDs: []string{"over"}, At: now, Reason: "signed out"})
	find := func(q records.SessionQuery) (ids []string) {
		for _, one := range must[[]records.StoredToken](t)(s.store.SessionsOf(ctx, q, now)) {
			ids = append(ids, one.ID)
		}
		return ids
	}
	same(t, "a session of the source's", find(records.SessionQuery{Source: "sso", Session: "s1"}), []string{"a1", "b1"})
	same(t, "a user's", find(records.SessionQuery{Source: "sso", Owner: "ada"}), []string{"a1", "a2"})
	for what, q := range map[string]records.SessionQuery{"all of a source": {Source: "sso"}, "both": {Source: "sso", Session: "s1", Owner: "ada"}} {
		if _, err := s.store.SessionsOf(ctx, q, start); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	same(t, "of no source", find(records.SessionQuery{Owner: "ada"}), []string(nil))

	for range 2 { // twice is no error
		s.do(t, op.EndSourced{Source: "sso", Session: "s9", At: now})
	}
	add("late", "ada", records.SignIn{Source: "sso", Session: "s9"})
	if s.token(t, "late").RevokedAt.IsZero() {
		t.Error("a session began from one that its source had ended")
	}
	add("another", "ada", records.SignIn{Source: "other", Session: "s9"})
	if !s.token(t, "another").RevokedAt.IsZero() {
		t.Error("a session was ended by the logout of another source's session")
	}
	testSessionsOfAPerson(t, s, add)
}

// testSessionsOfAPerson tests that no session begins from what a source said of a person
// before it ended all of theirs.
func testSessionsOfAPerson(t *testing.T, s *Suite, add func(id, owner string, in records.SignIn)) {
	now := s.now().Truncate(time.Second)
	s.do(t, op.EndSourced{Source: "sso", Person: "p1", At: now})
	s.do(t, op.EndSourced{Source: "sso", Person: "p1", At: now.Add(-time.Minute)}) // an older one, that comes late
	for id, row := range map[string]struct {
		from  records.SignIn
		ended bool
	}{
		"said-before":      {records.SignIn{Source: "sso", Person: "p1", SaidAt: now.Add(-time.Second)}, true},
		"said-then":        {records.SignIn{Source: "sso", Person: "p1", SaidAt: now}, true},
		"with-a-session":   {records.SignIn{Source: "sso", Session: "s10", Person: "p1", SaidAt: now}, true},
		"said-after":       {records.SignIn{Source: "sso", Person: "p1", SaidAt: now.Add(time.Second)}, false},
		"another-person":   {records.SignIn{Source: "sso", Person: "p2", SaidAt: now.Add(-time.Second)}, false},
		"another-source":   {records.SignIn{Source: "other", Person: "p1", SaidAt: now.Add(-time.Second)}, false},
		"at-no-known-time": {records.SignIn{Source: "sso", Person: "p1"}, false},
	} {
		add(id, "ada", row.from)
		if got := !s.token(t, id).RevokedAt.IsZero(); got != row.ended {
			t.Errorf("%s: ended %t, want %t", id, got, row.ended)
		}
	}
}
