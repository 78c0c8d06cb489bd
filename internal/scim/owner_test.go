package scim_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
)

// everyone returns all users that an owner doesn't own, as they are stored, and all groups
// of other owners.
func (s *site) others(t *testing.T, owner string) (users []identity.User, groups []records.Group) {
	t.Helper()
	all, err := s.UserList(t.Context(), operator, records.UserQuery{Limit: 1000})
	nodetest.Must(t, err)
	for _, u := range all.Items {
		if u.Owner != owner {
			users = append(users, u)
		}
	}
	for _, o := range []string{"scim:hr", "scim:" + s.syncID} {
		if o == owner {
			continue
		}
		w, err := s.Store.OwnedGroups(t.Context(), records.GroupQuery{Owner: o, Members: true, Limit: 1000})
		nodetest.Must(t, err)
		groups = append(groups, w.Items...)
	}
	return users, groups
}

// Whatever a provisioner asks for, what it doesn't own is neither seen nor changed.
func TestWhatItDoesNotOwnIsNeitherSeenNorChanged(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			dice := rand.New(rand.NewPCG(seed, 1))
			s := newSite(t)
			for _, name := range []string{"n0", "n1", "n2"} {
				s.User(t, name, "")
			}
			callers := []struct {
				owner string
				by    edgetest.Option
			}{{"scim:hr", hr()}, {"scim:" + s.syncID, edgetest.Bearer(s.sync)}}
			ids, groups := []string{s.syncID, "nobody"}, []string{"none"}
			pick := func(list []string) string { return list[dice.IntN(len(list))] }
			for range 120 {
				c := callers[dice.IntN(2)]
				users, others := s.others(t, c.owner)
				name := fmt.Sprintf("n%d", dice.IntN(12))
				user, group := pick(ids), pick(groups)
				ask := [][3]string{
					{"POST", "/Users", fmt.Sprintf(`{"userName":%q,"externalId":%q,"active":%t}`, name, name, dice.IntN(4) > 0)},
					{"PUT", "/Users/" + user, fmt.Sprintf(`{"userName":%q,"displayName":"x"}`, name)},
					{"PATCH", "/Users/" + user, patch(fmt.Sprintf(`{"op":"replace","value":{"active":%t,"externalId":%q}}`, dice.IntN(2) > 0, name))},
					{"GET", "/Users/" + user, ""},
					{"GET", "/Users?filter=userName+eq+%22" + name + "%22", ""},
					{"GET", "/Users", ""},
					{"POST", "/Groups", fmt.Sprintf(`{"displayName":"g%d","members":[{"value":%q}]}`, dice.IntN(5), user)},
					{"PUT", "/Groups/" + group, fmt.Sprintf(`{"displayName":"g%d","members":[{"value":%q}]}`, dice.IntN(5), user)},
					{"PATCH", "/Groups/" + group, patch(fmt.Sprintf(`{"op":"add","path":"members","value":[{"value":%q}]}`, user))},
					{"GET", "/Groups", ""},
					{"DELETE", "/Users/" + user, ""},
					{"DELETE", "/Groups/" + group, ""},
				}[dice.IntN(12)]
				a := s.Do(t, ask[0], root+ask[1], ask[2], c.by)
				if a.Status >= 500 {
					t.Fatalf("%v: %d %s", ask, a.Status, a.Body)
				}
				after, afterOthers := s.others(t, c.owner)
				diff(t, fmt.Sprint(ask, a.Status, ", users"), after, users)
				diff(t, fmt.Sprint(ask, a.Status, ", groups"), afterOthers, others)
				for _, u := range users {
					if strings.Contains(a.Body, u.ID) && !strings.Contains(a.Body, "there is no user") {
						t.Errorf("%v shows %s of %q: %s", ask, u.Username, u.Owner, a.Body)
					}
				}
				if a.Status == 201 && ask[1] == "/Users" {
					ids = append(ids, a.Str("id"))
				} else if a.Status == 201 {
					groups = append(groups, a.Str("id"))
				}
			}
		})
	}
}

// An external id that administrators have linked leads to that user, and to nobody else's.
func TestAdoption(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ada, grace := s.User(t, "ada", "").ID, s.User(t, "grace", "").ID
	nodetest.Must(t, nodetest.Second(s.Store.Commit(t.Context(), op.Batch{Ops: []op.Op{
		op.AddLink{Link: records.Link{Source: "scim:hr", ExternalID: "7", UserID: ada, LinkedAt: s.Time()}},
		op.AddLink{Link: records.Link{Source: "scim:other", ExternalID: "8", UserID: grace, LinkedAt: s.Time()}},
	}})))
	s.as(t, "GET", "/Users/"+ada, "").Is(404)
	token := s.APIToken(t, s.SignedIn(t, "ada"), credentials.NewCredential{})

	s.as(t, "POST", "/Users", `{"userName":"ada"}`).Is(409, `"scimType":"uniqueness"`)
	s.as(t, "POST", "/Users", `{"userName":"grace","externalId":"8"}`).Is(409, `"scimType":"uniqueness"`)
	s.as(t, "POST", "/Users", `{"userName":"grace","externalId":"7"}`).Is(409, `"scimType":"uniqueness"`)
	s.as(t, "GET", "/Users", "").Is(200, `"totalResults":0`)
	got := s.as(t, "POST", "/Users", `{"userName":"lovelace","externalId":"7","displayName":"Ada L."}`).Is(201, `"externalId":"7"`, `"displayName":"Ada L."`)
	if got.Str("id") != ada {
		t.Errorf("adopted %s, want %s", got.Str("id"), ada)
	}
	s.WantAlive(t, "the token of who was adopted", token)
	s.as(t, "POST", "/Users", `{"userName":"lovelace","externalId":"7"}`).Is(409, `"scimType":"uniqueness"`)
	s.as(t, "POST", "/Users", `{"userName":"countess","externalId":"7"}`).Is(201, ada) // known by another name

	// What a file of the same source says belongs to the client too; another's doesn't.
	for source, want := range map[string]int{"scim:hr": 200, "scim:museum": 404, "hr": 404} {
		name := strings.ReplaceAll(source, ":", "-")
		_, _, err := s.Apply(t.Context(), operator, apply.Desired{Source: source, Users: []apply.DesiredUser{{NewUser: identity.NewUser{Username: name}, ExternalID: "1"}}})
		nodetest.Must(t, err)
		u, err := s.Directory.User(t.Context(), operator, name)
		nodetest.Must(t, err)
		s.as(t, "GET", "/Users/"+u.ID, "").Is(want)
	}
}

// What an administrator has disabled, the source doesn't enable by saying what it always
// says; what it has disabled itself, it does.
func TestAdministratorsDisablingStays(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.create(t, "ada")
	active := func(what string, say, want bool) {
		t.Helper()
		s.as(t, "PUT", "/Users/"+id, fmt.Sprintf(`{"userName":"ada","active":%t}`, say)).Is(200, fmt.Sprintf(`"active":%t`, want))
		u, err := s.Directory.User(t.Context(), operator, "ada")
		if nodetest.Must(t, err); u.Disabled == want {
			t.Errorf("%s: disabled %t", what, u.Disabled)
		}
	}
	disable := func(disabled bool) {
		t.Helper()
		nodetest.Must(t, nodetest.Second(s.UpdateUser(t.Context(), operator, "ada", identity.UserPatch{Disabled: &disabled})))
	}
	active("the source disables", false, false)
	active("the source says so again", false, false)
	active("the source enables", true, true)
	disable(true)
	active("an administrator has disabled", true, false)
	active("and the source says so too", false, false)
	active("and no more", true, false)
	disable(false)
	active("an administrator has enabled", true, true)
	active("the source disables again", false, false)
	disable(false)
	disable(true)
	s.as(t, "PATCH", "/Users/"+id, patch(`{"op":"replace","path":"displayName","value":"Ada"}`)).Is(200, `"active":false`)

	off := s.create(t, "off", `,"active":false`)
	s.as(t, "PATCH", "/Users/"+off, patch(`{"op":"replace","path":"active","value":true}`)).Is(200, `"active":true`)
}

// Of many who create one name, one does; of many who put somebody into one group, none is
// lost.
func TestAtTheSameTime(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const n = 8
	var wait sync.WaitGroup
	statuses, ids := make([]int, n), make([]string, n)
	for i := range n {
		wait.Go(func() { statuses[i] = s.as(t, "POST", "/Users", `{"userName":"ada","externalId":"1"}`).Status })
	}
	wait.Wait()
	count := map[int]int{}
	for _, status := range statuses {
		count[status]++
	}
	diff(t, "created", count, map[int]int{201: 1, 409: n - 1})
	for i := range n {
		ids[i] = s.create(t, fmt.Sprint("u", i))
	}
	g := s.createGroup(t, "curators")
	for i := range n {
		wait.Go(func() {
			s.as(t, "PATCH", "/Groups/"+g, patch(`{"op":"add","path":"members","value":[{"value":"`+ids[i]+`"}]}`)).Is(204)
		})
	}
	wait.Wait()
	s.as(t, "GET", "/Groups/"+g, "").Is(200, ids...)
}
