package adminapi_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// addThings creates n collections, roles, clients and bindings, beside the binding that the
// site begins with.
func addThings(t *testing.T, s *site, n int) {
	t.Helper()
	for i := range n {
		s.asAdmin(t, 201, "POST", "/collections", fmt.Sprintf(`{"id":%d,"name":"Größe %d%%"}`, i+1, i))
		s.asAdmin(t, 201, "POST", "/roles", fmt.Sprintf(`{"name":"role-%02d"}`, i))
		s.asAdmin(t, 201, "POST", "/clients", fmt.Sprintf(`{"id":"client-%02d","name":"Größe %d%%"}`, i, i))
		s.asAdmin(t, 201, "POST", "/bindings", fmt.Sprintf(`{"group":"größe","role":"role-%02d","path":"/collections/%d"}`, i, i+1))
	}
}

// thingLists are the lists, by what they are sorted by.
func thingLists() map[string]string {
	return map[string]string{"/collections": "id", "/roles": "name", "/clients": "id", "/bindings": "path", "/issuers": "name"}
}

func TestAListOfThingsRefusesWhatItCantAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for list, key := range thingLists() {
		for _, query := range []string{
			"limit=0", "limit=-1", "limit=1001", "limit=01", "limit=1e2", "limit=x", "limit=99999999999999999999", "limit=", "sort=-", "sort=other", "sort=" + strings.ToUpper(key),
			"total=1", "total=TRUE", "cursor=!", "cursor=%00", "search=%FF", "search=%00", "search=" + strings.Repeat("x", 1025), "searching=x", "offset=1", "search=a&search=b",
		} {
			if query == "limit=" { // it is as if it weren't there
				s.asAdmin(t, 200, "GET", list+"?"+query, "")
				continue
			}
			s.asAdmin(t, 400, "GET", list+"?"+query, "")
		}
	}
	for _, query := range []string{"path=a", "path=/a/", "path=/a//b", "user=nobody"} {
		if a := s.as(t, s.admin, "GET", "/bindings?"+query, ""); a.Status != 400 && a.Status != 404 {
			t.Errorf("bindings?%s: %d", query, a.Status)
		}
	}
}

func TestAListOfThingsIsForAdministratorsAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	addThings(t, s, 2)
	// Somebody with access to one collection sees no list, no total and no page of one.
	s.asAdmin(t, 201, "POST", "/bindings", `{"user":"ada","permission":{"action":"*","path":"/"},"path":"/collections/1"}`)
	for list, key := range thingLists() {
		_, next := items(t, s.asAdmin(t, 200, "GET", list+"?limit=1", ""))
		for _, query := range []string{"", "?total=true", "?search=1", "?limit=1&total=true&sort=-" + key, "?cursor=" + url.QueryEscape(next)} {
			a := s.as(t, s.ada, "GET", list+query, "")
			a.Is(403)
			for _, word := range []string{"Größe", "role-", "client-", `"count"`, `"next"`} {
				if strings.Contains(a.Body, word) {
					t.Errorf("%s%s says %s", list, query, a.Body)
				}
			}
		}
	}
}

func TestAListOfThingsPagesFromBothEnds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	addThings(t, s, 7)
	for list, key := range thingLists() {
		read := func(query string) (keys []any) {
			t.Helper()
			next := ""
			for range 20 {
				var page []map[string]any
				page, next = items(t, s.asAdmin(t, 200, "GET", list+"?limit=3&"+query+"&cursor="+url.QueryEscape(next), ""))
				for _, one := range page {
					keys = append(keys, one[key])
				}
				if next == "" {
					return keys
				}
			}
			t.Fatalf("%s?%s doesn't end", list, query)
			return nil
		}
		forth, back := read("sort="+key), read("sort=-"+key)
		for i := range len(back) / 2 {
			back[i], back[len(back)-1-i] = back[len(back)-1-i], back[i]
		}
		if diff := cmp.Diff(forth, back); diff != "" {
			t.Errorf("%s (-forth +back):\n%s", list, diff)
		}
		want := map[string]int{"/bindings": 8, "/issuers": 0}
		if n, ok := want[list]; !ok && len(forth) != 7 || ok && len(forth) != n {
			t.Errorf("%s has %d items", list, len(forth))
		}
	}
	// A cursor of one order is none of the other.
	_, next := items(t, s.asAdmin(t, 200, "GET", "/roles?limit=1&sort=name", ""))
	s.asAdmin(t, 400, "GET", "/roles?sort=-name&cursor="+url.QueryEscape(next), "")
}

func TestASearchOfThingsTakesEachCharacterAsItIs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	addThings(t, s, 12)
	for query, want := range map[string]float64{
		"/collections?search=" + url.QueryEscape("größe 1"):             3,
		"/collections?search=" + url.QueryEscape("1%"):                  2,
		"/collections?search=" + url.QueryEscape("%"):                   12,
		"/collections?search=" + url.QueryEscape("_"):                   0,
		"/clients?search=CLIENT-1":                                      2,
		"/roles?search=" + url.QueryEscape("' OR '1'='1"):               0,
		"/roles?search=role-03":                                         1,
		"/bindings?search=" + url.QueryEscape("GRÖßE"):                  12,
		"/bindings?role=role-03":                                        1,
		"/bindings?path=/collections/1":                                 1,
		"/bindings?path=/collections&group=" + url.QueryEscape("größe"): 12,
		"/bindings?path=/collections&user=ada":                          0,
		"/bindings?group=" + url.QueryEscape("gr%"):                     0,
	} {
		answer := s.asAdmin(t, 200, "GET", query+"&total=true&limit=1000", "")
		list, _ := items(t, answer)
		total := to[map[string]any](t, answer["total"])
		if float64(len(list)) != want || total["count"] != want || total["more"] != false {
			t.Errorf("%s: %d items, %v, want %v", query, len(list), total, want)
		}
	}
}
