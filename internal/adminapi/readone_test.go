package adminapi_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a list has is read by its id too, equal to the item of the list.
func TestThingsAreReadByTheirIDs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.asAdmin(t, 201, "POST", "/collections", `{"id":4,"name":"Fish"}`)
	s.asAdmin(t, 201, "POST", "/roles", `{"name":"reader","permissions":[{"action":"access","path":"/"}]}`)
	binding := s.asAdmin(t, 201, "POST", "/bindings", `{"user":"ada","role":"reader","path":"/collections/4"}`)
	s.asAdmin(t, 201, "POST", "/clients", `{"id":"ci","grants":["client_credentials"],"scopes":["read"]}`)
	for _, c := range []struct{ list, id string }{
		{"/collections", "4"},
		{"/roles", "reader"},
		{"/bindings", to[string](t, binding["id"])},
		{"/clients", "ci"},
	} {
		got := s.asAdmin(t, 200, "GET", c.list+"/"+c.id, "")
		all, _ := items(t, s.asAdmin(t, 200, "GET", c.list, ""))
		found := false
		for _, item := range all {
			found = found || cmp.Equal(item, got)
		}
		if !found {
			t.Errorf("%s/%s is %v, which is not in %v", c.list, c.id, got, all)
		}
		s.asAdmin(t, 404, "GET", c.list+"/4242", "")
		s.as(t, s.ada, "GET", c.list+"/"+c.id, "").Is(403)
	}
}
