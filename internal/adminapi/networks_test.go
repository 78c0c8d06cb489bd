package adminapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/identity"
)

// A token is limited to the networks that its creator names, in their one form, and says so
// wherever it is shown.
func TestTokensAreLimitedToNetworks(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	credentials := edgetest.Bearer(s.AccessToken(t, "ada", password, identity.ScopeCredentials).Value.Reveal())
	const one = `"networks":["10.0.0.0/8","192.0.2.7/32","2001:db8::/32"]`
	for _, kind := range []string{"api-token", "api-key"} {
		a := s.Do(t, "POST", root+"/tokens", `{"name":"laptop","kind":"`+kind+`","networks":["2001:db8::/32","10.128.0.0/9","192.0.2.7","10.0.0.0/9"]}`, credentials)
		m := made(t, a)
		listed := s.Do(t, "GET", root+"/tokens/"+m.ID, "", credentials)
		if !strings.Contains(a.Body, one) || !strings.Contains(listed.Body, one) {
			t.Errorf("%s: %s, listed %s", kind, a.Body, listed.Body)
		}
		if kind == "api-key" {
			continue
		}
		if me := s.Do(t, "GET", root+"/me", "", edgetest.Bearer(m.Token), edgetest.From("10.1.2.3")); me.Status != http.StatusOK || !strings.Contains(me.Body, one) {
			t.Errorf("from its network: %d %s", me.Status, me.Body)
		}
		for _, address := range []string{"198.51.100.7", "192.0.2.8"} {
			me := s.Do(t, "GET", root+"/me", "", edgetest.Bearer(m.Token), edgetest.From(address))
			if me.Status != http.StatusUnauthorized || !strings.Contains(me.Header.Get("WWW-Authenticate"), `error="invalid_token", error_description="the token is not for this network"`) {
				t.Errorf("from %s: %d %s", address, me.Status, me.Header.Get("WWW-Authenticate"))
			}
		}
		explained := func(address string) string {
			body := `{"token":"` + m.Token + `"` + address + `}`
			return s.Do(t, "POST", root+"/explain", body, credentials, edgetest.From("198.51.100.7")).Body
		}
		const passed = `{"check":"network","ok":true,"detail":"from 10.0.0.0/8 192.0.2.7/32 2001:db8::/32"}`
		const failed = `{"check":"network","ok":false,"detail":"the token is not for this network"},{"check":"scope","ok":null`
		if got := explained(`,"address":"10.1.2.3"`); !strings.Contains(got, passed) || !strings.Contains(got, `"allowed":true`) {
			t.Errorf("explained for its network: %s", got)
		}
		for _, address := range []string{"", `,"address":null`, `,"address":"11.0.0.0"`} { // without one: the asker's own
			if got := explained(address); !strings.Contains(got, failed) || !strings.Contains(got, `"allowed":false`) {
				t.Errorf("explained for elsewhere %s: %s", address, got)
			}
		}
	}
	if a := s.Do(t, "POST", root+"/tokens", `{"name":"free","networks":null}`, credentials); !strings.Contains(a.Body, `"networks":null`) {
		t.Errorf("without networks: %s", a.Body)
	}
	for _, bad := range []string{`[]`, `"10.0.0.0/8"`, `[10]`, `["10.0.0.1/8"]`, `["0.0.0.0/0"]`, `["fe80::1%eth0"]`, `["::ffff:10.0.0.0/104"]`, `[""]`, `{}`} {
		if a := s.Do(t, "POST", root+"/tokens", `{"name":"bad","networks":`+bad+`}`, credentials); a.Status != http.StatusBadRequest || !strings.Contains(a.Body, "network") {
			t.Errorf("%s: %d %s", bad, a.Status, a.Body)
		}
	}
	for _, bad := range []string{`"x"`, `7`, `"fe80::1%eth0"`, `"10.0.0.0/8"`} {
		if a := s.Do(t, "POST", root+"/explain", `{"token":"x","address":`+bad+`}`, credentials); a.Status != http.StatusBadRequest {
			t.Errorf("address %s: %d %s", bad, a.Status, a.Body)
		}
	}
	if a := s.Do(t, "POST", root+"/explain", `{"user":"ada","action":"access","path":"/x","address":"10.0.0.1"}`, credentials); a.Status != http.StatusBadRequest {
		t.Errorf("an address of a user: %d %s", a.Status, a.Body)
	}
}
