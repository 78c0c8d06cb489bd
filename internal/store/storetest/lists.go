package storetest

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
)

// lists are the tests of lists that are read a page at a time.
func lists() map[string]func(*testing.T, *Suite) {
	return map[string]func(*testing.T, *Suite){
		"ThingLists":      testThingLists,
		"ThingCursors":    testThingCursors,
		"ThingBounds":     testThingBounds,
		"BindingFilters":  testBindingFilters,
		"CommonSearches":  testCommonSearches,
		"SearchesOfLists": testSearchesOfLists,
		"ScopeListed":     testScopeListed,
	}
}

// thingPage is a page of a list of things, by the keys of its items.
type thingPage struct {
	keys  []string
	next  string
	total records.Total
}

func pageOf[T any](page records.CountedPage[T], err error, key func(T) string) (thingPage, error) {
	p := thingPage{next: page.Next, total: page.Total}
	for _, one := range page.Items {
		p.keys = append(p.keys, key(one))
	}
	return p, err
}

// thingKind is a list of things, with what adds one to it and removes one.
type thingKind struct {
	add, remove func(key string) op.Op
	page        func(q records.ThingQuery) (thingPage, error)
	prepare     []op.Op
}

// collectionKey is the id of a collection as text that sorts like it.
func collectionKey(id int64) string { return fmt.Sprintf("%03d", id) }

func collectionOf(key string) records.Collection {
	var id int64
	_, _ = fmt.Sscan(strings.TrimLeft(key, "0")+" ", &id)
	return records.Collection{ID: id, Name: "Collection " + key}
}

// someDigest returns the digest of a client's secret, which no list shows.
func someDigest() []byte { return []byte(strings.Repeat("d", 32)) }

func kindsOfThings(t *testing.T, s *Suite) map[string]thingKind {
	ctx := t.Context()
	person := user(0)
	return map[string]thingKind{
		"collections": {
			add:    func(key string) op.Op { return op.CreateCollection{Collection: collectionOf(key)} },
			remove: func(key string) op.Op { return op.RemoveCollection{ID: collectionOf(key).ID} },
			page: func(q records.ThingQuery) (thingPage, error) {
				page, err := s.store.CollectionPage(ctx, q)
				return pageOf(page, err, func(c records.Collection) string { return collectionKey(c.ID) })
			},
		},
		"roles": {
			add:    func(key string) op.Op { return op.CreateRole{Role: access.Role{Name: key}} },
			remove: func(key string) op.Op { return op.RemoveRole{Name: key} },
			page: func(q records.ThingQuery) (thingPage, error) {
				page, err := s.store.RolePage(ctx, q)
				return pageOf(page, err, func(r access.Role) string { return r.Name })
			},
		},
		"clients": {
			add: func(key string) op.Op {
				return op.CreateClient{Client: identity.Client{ID: key, SecretDigest: someDigest()}}
			},
			remove: func(key string) op.Op { return op.RemoveClient{ID: key} },
			page: func(q records.ThingQuery) (thingPage, error) {
				page, err := s.store.ClientPage(ctx, q)
				return pageOf(page, err, func(c identity.Client) string { return c.ID })
			},
		},
		"issuers": {
			add:    func(key string) op.Op { return op.AddIssuer{Issuer: issuer(key, "https://"+key, "1")} },
			remove: func(key string) op.Op { return op.RemoveIssuer{Name: key, Version: "1"} },
			page: func(q records.ThingQuery) (thingPage, error) {
				page, err := s.store.IssuerPage(ctx, q)
				return pageOf(page, err, func(i records.Issuer) string { return i.Name })
			},
		},
		"bindings": {
			prepare: []op.Op{op.CreateUser{User: person}},
			add: func(key string) op.Op {
				return op.AddBinding{Binding: access.Binding{ID: key, User: person.ID, Permission: &access.Permission{Action: "a", Path: "/" + access.Path(key)}, Path: "/x"}}
			},
			remove: func(key string) op.Op { return op.RemoveBinding{ID: key} },
			page: func(q records.ThingQuery) (thingPage, error) {
				page, err := s.store.BindingPage(ctx, records.BindingListQuery{ThingQuery: q})
				return pageOf(page, err, func(b access.Binding) string { return b.ID })
			},
		},
	}
}

// walkThings reads a list to its end, and does something after each page.
func walkThings(t *testing.T, kind thingKind, q records.ThingQuery, after func(page int)) (keys []string) {
	t.Helper()
	for n := 0; ; n++ {
		p, err := kind.page(q)
		if err != nil || q.Limit > 0 && len(p.keys) > q.Limit || n > 1000 {
			t.Fatalf("page %d of %+v: %d items, %v", n, q, len(p.keys), err)
		}
		keys = append(keys, p.keys...)
		if after != nil {
			after(n)
		}
		if q.After = p.next; p.next == "" {
			return keys
		}
	}
}

// testThingLists tests that every list is in the order of its keys, from both ends and by any
// limit, and that nothing that stays is missed or listed twice while other things come and go.
func testThingLists(t *testing.T, s *Suite) {
	for name, kind := range kindsOfThings(t, s) {
		s.do(t, kind.prepare...)
		p, err := kind.page(records.ThingQuery{Count: true})
		if err != nil || len(p.keys) != 0 || p.next != "" || p.total != (records.Total{}) {
			t.Errorf("%s, empty: %+v, %v", name, p, err)
		}
		var all []string
		for n := range 23 {
			key := fmt.Sprintf("%03d", 10+(n*7)%23*10)
			s.do(t, kind.add(key))
			all = append(all, key)
		}
		slices.Sort(all)
		back := slices.Clone(all)
		slices.Reverse(back)
		for _, limit := range []int{1, 2, 22, 23, 24, 0, -1, math.MinInt, math.MaxInt} {
			same(t, fmt.Sprint(name, " by ", limit), walkThings(t, kind, records.ThingQuery{Limit: limit}, nil), all)
			same(t, fmt.Sprint(name, " from the end by ", limit), walkThings(t, kind, records.ThingQuery{Limit: limit, Descending: true}, nil), back)
		}
		p, err = kind.page(records.ThingQuery{Limit: 2, Count: true})
		same(t, name+", the total", p.total, records.Total{Count: 23})
		p, _ = kind.page(records.ThingQuery{Limit: 2, After: p.next, Count: true})
		same(t, name+", the total from the second page", p.total, records.Total{Count: 23})
		if err != nil {
			t.Error(err)
		}
		// After the first page its last item goes, one comes before it and one behind.
		seen := walkThings(t, kind, records.ThingQuery{Limit: 5}, func(page int) {
			if page == 0 {
				s.do(t, kind.remove("050"), kind.add("001"), kind.add("055"), kind.remove("100"), kind.add("999"))
			}
		})
		want := slices.DeleteFunc(append(slices.Clone(all), "055", "999"), func(key string) bool { return key == "100" })
		slices.Sort(want)
		same(t, name+" while it changes", seen, want)
	}
}

// testThingCursors tests that a cursor of another list, of the other order or of nobody is
// refused, and that none of them reaches into the statement.
func testThingCursors(t *testing.T, s *Suite) {
	kinds := kindsOfThings(t, s)
	cursors := map[string]string{}
	for name, kind := range kinds {
		s.do(t, kind.prepare...)
		for n := range 4 {
			s.do(t, kind.add(fmt.Sprintf("%03d", n+1)))
		}
		for _, descending := range []bool{false, true} {
			p, err := kind.page(records.ThingQuery{Limit: 2, Descending: descending})
			if err != nil || p.next == "" {
				t.Fatalf("%s: %+v, %v", name, p, err)
			}
			cursors[fmt.Sprint(name, descending)] = p.next
		}
	}
	seal := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for name, kind := range kinds {
		for _, descending := range []bool{false, true} {
			own := fmt.Sprint(name, descending)
			for whose, cursor := range cursors {
				_, err := kind.page(records.ThingQuery{After: cursor, Descending: descending})
				if (err == nil) != (whose == own) || err != nil && !fault.Is(err, fault.Invalid) {
					t.Errorf("%s with the cursor of %s: %v", own, whose, err)
				}
			}
			begin := name + ":"
			if descending {
				begin = name + "-down:"
			}
			for _, place := range []string{"", `[]`, `["a"`, `["a","b","c"]`, `{"a":1}`, `[1,2]`, `null`, `["\u0000"]`, `["\u0000","x"]`, "[\"\xff\x00\"]"} {
				if _, err := kind.page(records.ThingQuery{After: seal(begin + place), Descending: descending}); !fault.Is(err, fault.Invalid) {
					t.Errorf("%s after %q: %v", own, place, err)
				}
			}
			for _, text := range []string{"' OR 1=1 --", `"; DROP TABLE users; --`, "$1", "%", "1) OR (1=1"} {
				for _, place := range []string{fmt.Sprintf("[%q]", text), fmt.Sprintf("[%q,%q]", text, text)} {
					p, err := kind.page(records.ThingQuery{After: seal(begin + place), Descending: descending})
					if err != nil && !fault.Is(err, fault.Invalid) || len(p.keys) > 4 {
						t.Errorf("%s after %q: %+v, %v", own, place, p, err)
					}
				}
			}
		}
	}
}

// testThingBounds tests that a page has at most a thousand items, and ends after so many bytes.
func testThingBounds(t *testing.T, s *Suite) {
	var ops []op.Op
	for n := range 1203 {
		ops = append(ops, op.CreateCollection{Collection: records.Collection{ID: int64(n), Name: fmt.Sprint("c", n)}})
	}
	for some := range slices.Chunk(ops, 400) {
		s.do(t, some...)
	}
	for limit, want := range map[int]int{0: 100, -5: 100, 1: 1, 1000: 1000, 1001: 1000, math.MaxInt: 1000} {
		page := must[records.CountedPage[records.Collection]](t)(s.store.CollectionPage(t.Context(), records.ThingQuery{Limit: limit, Count: true}))
		same(t, fmt.Sprint("a page by ", limit), len(page.Items), want)
		same(t, "its total", page.Total, records.Total{Count: 1203})
	}
	// Each of these roles has a fifth of a page's bytes.
	long := "/" + access.Path(strings.Repeat("x", records.MaxPageBytes/5))
	for n := range 12 {
		s.do(t, op.CreateRole{Role: access.Role{Name: fmt.Sprintf("r%02d", n), Permissions: []access.Permission{{Action: "a", Path: long}}}})
	}
	var names []string
	for q := (records.ThingQuery{Limit: 100}); ; {
		page := must[records.CountedPage[access.Role]](t)(s.store.RolePage(t.Context(), q))
		if len(page.Items) > 5 {
			t.Fatalf("a page of %d roles, of %d bytes each", len(page.Items), len(long))
		}
		for _, r := range page.Items {
			names = append(names, r.Name)
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	same(t, "the roles on all pages", len(slices.Compact(names)), 12)
}

// testBindingFilters tests each filter of bindings against what a list in memory says. The
// collection 40 is not beneath the collection 4.
func testBindingFilters(t *testing.T, s *Suite) {
	a, b := user(0), user(1)
	s.do(t, op.CreateUser{User: a}, op.CreateUser{User: b}, op.CreateRole{Role: access.Role{Name: "reader"}}, op.CreateRole{Role: access.Role{Name: "read%"}})
	var all []access.Binding
	for n, path := range []access.Path{"/", "/collections", "/collections/4", "/collections/4/x", "/collections/40", "/collections/4-5", "/collections/4é", "/collections/3", "/Collections/4"} {
		for i, one := range []access.Binding{
			{User: a.ID, Role: "reader"}, {User: b.ID, Permission: &access.Permission{Action: "Data.Read", Path: "/p"}}, {Group: "staff", Role: "read%"}, {Group: "st_ff", Role: "reader"},
		} {
			one.ID, one.Path = fmt.Sprintf("%d-%d", i, n), path
			all = append(all, one)
			s.do(t, op.AddBinding{Binding: one})
		}
	}
	slices.SortFunc(all, func(a, b access.Binding) int {
		return strings.Compare(string(a.Path)+"\x00"+a.ID, string(b.Path)+"\x00"+b.ID)
	})
	for _, q := range []records.BindingListQuery{
		{},
		{User: a.ID},
		{User: "nobody"},
		{Group: "staff"},
		{Group: "st_ff"},
		{Group: "st%"},
		{Role: "reader"},
		{Role: "read%"},
		{Role: "none"},
		{At: "/"},
		{At: "/collections/4"},
		{At: "/collections"},
		{At: "/collections/4/x"},
		{At: "/c"},
		{At: "/collections/4", Role: "reader"},
		{User: a.ID, Group: "staff"},
		{ThingQuery: records.ThingQuery{Search: "data.READ /p"}},
		{ThingQuery: records.ThingQuery{Search: "read%"}},
		{ThingQuery: records.ThingQuery{Search: "4é"}},
		{ThingQuery: records.ThingQuery{Search: "st_ff"}, At: "/collections"},
	} {
		var want []string
		for _, one := range all {
			texts := []string{one.Group, one.Role, string(one.Path)}
			if one.Permission != nil {
				texts = append(texts, one.Permission.Action+" "+string(one.Permission.Path))
			}
			beneath := q.At == "" || q.At == "/" || one.Path == q.At || strings.HasPrefix(string(one.Path), string(q.At)+"/")
			found := strings.Contains(strings.ToLower(strings.Join(texts, "\n")), strings.ToLower(q.Search))
			if (q.User == "" || one.User == q.User) && (q.Group == "" || one.Group == q.Group) && (q.Role == "" || one.Role == q.Role) && beneath && found {
				want = append(want, one.ID)
			}
		}
		for _, descending := range []bool{false, true} {
			q.Descending = descending
			kind := thingKind{page: func(things records.ThingQuery) (thingPage, error) {
				q.ThingQuery = things
				page, err := s.store.BindingPage(t.Context(), q)
				return pageOf(page, err, func(b access.Binding) string { return b.ID })
			}}
			got := walkThings(t, kind, records.ThingQuery{Limit: 4, Search: q.Search, Descending: descending}, nil)
			if descending {
				slices.Reverse(got)
			}
			same(t, fmt.Sprintf("%+v", q), got, want)
			p, err := kind.page(records.ThingQuery{Search: q.Search, Count: true})
			if err != nil {
				t.Error(err)
			}
			same(t, fmt.Sprintf("the total of %+v", q), p.total, records.Total{Count: len(want)})
		}
	}
	// A cursor is a place alone: with another filter it shows what that filter lists.
	page := must[records.CountedPage[access.Binding]](t)(s.store.BindingPage(t.Context(), records.BindingListQuery{User: a.ID, ThingQuery: records.ThingQuery{Limit: 2}}))
	rest := must[records.CountedPage[access.Binding]](t)(s.store.BindingPage(t.Context(), records.BindingListQuery{User: b.ID, ThingQuery: records.ThingQuery{After: page.Next}}))
	for _, one := range rest.Items {
		same(t, "whose binding it is", one.User, b.ID)
	}
}

// testSearchesOfLists tests that no character of a search has a meaning of its own, in any
// list, and that what is no text or too long is refused.
func testSearchesOfLists(t *testing.T, s *Suite) {
	names := []string{"Plain", "100%", "a_b", "axb", `back\slash`, `"quoted"`, "it's", "Größe", "日本語", "emoji 🙂", "tab\there"}
	for n, name := range names {
		s.do(t, op.CreateRole{Role: access.Role{Name: name}}, op.CreateCollection{Collection: records.Collection{ID: int64(n), Name: name}},
			op.CreateClient{Client: identity.Client{ID: fmt.Sprint("client-", n), Name: name, SecretDigest: someDigest()}})
	}
	kinds := kindsOfThings(t, s)
	for search, want := range map[string]int{
		"plain": 1, "PLAIN": 1, "%": 1, "0%": 1, "_": 1, "a_b": 1, `\`: 1, `"`: 1, "'": 1, "GRÖSSE": 0, "GRÖßE": 1, "größe": 1, "本": 1, "🙂": 1, "\t": 1, " OR 1=1": 0, "*": 0, "a?b": 0, "[a]": 0,
	} {
		for _, name := range []string{"roles", "collections", "clients"} {
			p, err := kinds[name].page(records.ThingQuery{Search: search, Count: true})
			if err != nil || len(p.keys) != want || p.total != (records.Total{Count: want}) {
				t.Errorf("%q in %s: %d found, %+v, %v, want %d", search, name, len(p.keys), p.total, err, want)
			}
		}
	}
	for _, search := range []string{"\xff", "a\x00b", strings.Repeat("x", 1025)} {
		for name, kind := range kinds {
			if _, err := kind.page(records.ThingQuery{Search: search}); !fault.Is(err, fault.Invalid) {
				t.Errorf("%.9q in %s: %v", search, name, err)
			}
		}
	}
}

// testCommonSearches tests searches among more users than are looked at before the index is
// asked: of characters that all of them have, of those that few have, and of both.
func testCommonSearches(t *testing.T, s *Suite) {
	var ops []op.Op
	texts := map[string]string{}
	add := func(username, name string) {
		u := user(len(ops))
		u.Username, u.Name, u.Email, u.Groups = username, name, "", nil
		u.Disabled = len(ops)%10 == 0
		ops, texts[username] = append(ops, op.CreateUser{User: u}), strings.ToLower(username+"\n"+name)
	}
	for n := range 1400 {
		add(fmt.Sprintf("m%04d", n), "aba-bab") // all of abab's threes, and not abab
	}
	for n := range 6 {
		add(fmt.Sprintf("zz%d", n), "abab 100%")
	}
	for some := range slices.Chunk(ops, 300) {
		s.do(t, some...)
	}
	for _, search := range []string{"aba", "abab", "zz3", "m1399", "zz", "100%", "%%%", "___", "aba-bab", "m13", "nothing at all", "mm0", "b-b", "a"} {
		for _, disabled := range []*bool{nil, new(true), new(false)} {
			q := records.UserQuery{Search: search, Limit: 300, Disabled: disabled}
			var got []string
			for {
				page := must[records.Page[identity.User]](t)(s.store.Users(t.Context(), q))
				for _, u := range page.Items {
					got = append(got, u.Username)
				}
				if q.After = page.Next; q.After == "" {
					break
				}
			}
			var want []string
			for n, o := range ops {
				u := o.(op.CreateUser).User //nolint:errcheck,forcetypeassert // made so above
				if strings.Contains(texts[u.Username], search) && (disabled == nil || *disabled == (n%10 == 0)) {
					want = append(want, u.Username)
				}
			}
			slices.Sort(want)
			same(t, fmt.Sprintf("%q", search), got, want)
			same(t, fmt.Sprintf("the total of %q", search), must[records.Total](t)(s.store.UserTotal(t.Context(), q)), records.Total{Count: len(want)})
		}
	}
}

// testScopeListed tests that the scopes of clients are known for as long as a client lists them.
func testScopeListed(t *testing.T, s *Suite) {
	listed := func(what string, want ...string) {
		t.Helper()
		var got []string
		for _, name := range []string{"read", "write", "re%d", "x"} {
			if must[bool](t)(s.store.ScopeListed(t.Context(), name)) {
				got = append(got, name)
			}
		}
		same(t, what, got, want)
	}
	client := func(id string, scopes ...string) identity.Client {
		return identity.Client{ID: id, Scopes: scopes, SecretDigest: someDigest()}
	}
	listed("nobody lists any")
	s.do(t, op.CreateClient{Client: client("a", "read", "write", "read")}, op.CreateClient{Client: client("b", "re%d", "read")}, op.CreateClient{Client: client("c")})
	listed("created", "read", "write", "re%d")
	s.do(t, op.UpdateClient{Client: client("a", "x")})
	listed("changed", "read", "re%d", "x")
	s.refuse(t, fault.NotFound, op.UpdateClient{Client: client("b")}, op.RemoveClient{ID: "nobody"})
	listed("refused", "read", "re%d", "x")
	s.do(t, op.RemoveClient{ID: "b"}, op.UpdateClient{Client: client("a")})
	listed("removed")
}
