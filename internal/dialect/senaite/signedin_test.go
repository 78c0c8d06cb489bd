package senaite_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/dialect/senaite"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/verification"
)

func TestWhoIsSignedInGetsATokenWithoutAPassword(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, o := range map[string]option{
		"by token": bearer(s.login("ada")), "by the header": jwtHeader(s.login("ada")),
		"by cookie": cookie(s.login("ada")), "by session": s.session("ada"),
	} {
		for _, method := range []string{"GET", "POST"} {
			a := s.do(method, "/login", "", o)
			got := decode[loggedIn](t, a)
			if a.status != http.StatusOK || got.Items[0].Username != "ada" || !got.Items[0].Authenticated || a.cookies["token"].Value != got.Token {
				t.Errorf("%s, %s: %d %s", method, name, a.status, a.text)
			}
			if a := s.do("GET", "/auth", "", bearer(got.Token)); a.status != http.StatusOK {
				t.Errorf("%s, %s: the token: %d %s", method, name, a.status, a.text)
			}
		}
	}
}

// TestATokenMadeFromATokenDiesWithIt: logging in with a token is no way to outlive it.
func TestATokenMadeFromATokenDiesWithIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.login("ada")
	parent, err := s.Verify(t.Context(), first, verification.Requirements{})
	if err != nil {
		t.Fatal(err)
	}
	second := decode[loggedIn](t, s.do("GET", "/login", "", bearer(first)))
	if second.Expires > parent.Expiry.Unix() {
		t.Errorf("it expires at %d, after what it was made from, %d", second.Expires, parent.Expiry.Unix())
	}
	if a := s.do("GET", "/logout?revoke=true", "", bearer(first)); a.status != http.StatusOK {
		t.Fatal(a.status, a.text)
	}
	s.do("GET", "/auth", "", bearer(second.Token)).refused(t, "afterwards", 401)
}

func TestTheEndpointsStandBeneathEveryPrefix(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, at := range senaite.DefaultPrefixes() {
		a := s.doAt(at, "POST", "/login", form("ada", password))
		got := decode[loggedIn](t, a)
		if a.status != http.StatusOK || got.URL != nodetest.Issuer+at+"/users" || got.Items[0].URL != nodetest.Issuer+at+"/users/ada" {
			t.Errorf("%s: %d %s", at, a.status, a.text)
		}
		for _, path := range []string{"/auth", "/users/auth", "/users", "/users/current", "/logout", "/users/logout"} {
			if a := s.doAt(at, "GET", path, "", bearer(got.Token)); a.status != http.StatusOK {
				t.Errorf("%s%s: %d %s", at, path, a.status, a.text)
			}
		}
	}
	if a := s.doAt("/lims"+prefix, "GET", "/auth", ""); a.status != http.StatusNotFound {
		t.Errorf("beneath another: %d", a.status)
	}
	paths := strings.Join((&senaite.Dialect{}).Paths(), " ")
	for _, at := range senaite.DefaultPrefixes() {
		if !strings.Contains(paths, at+"/users/login") {
			t.Errorf("the paths of %s are not reserved", at)
		}
	}
}
