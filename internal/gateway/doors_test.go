package gateway_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

func TestDoorsAreOpenedByRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	w.ownOrigin(t)
	base := w.proxy(t, func(c *gateway.ProxyConfig) {
		c.Routes = []gateway.Route{
			{Path: "/git", TokensIn: []string{"basic"}},
			{Path: "/drf", TokensIn: []string{"token"}},
			{Path: "/key", TokensIn: []string{"header:X-API-Key"}},
			{Path: "/all", TokensIn: []string{"basic", "token", "header:X-API-Key"}},
		}
	})
	verify := w.verifier(t) + "/auth/verify?in="
	value := w.issue(t, nil).Value.Reveal()
	of := func(pairs ...string) http.Header { return with(nil, pairs...) }
	basicAuth := func(user, secret string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret))
	}
	for name, tc := range map[string]struct {
		path, query string
		header      http.Header
		status      int
	}{
		"the password":           {"/git", "basic", of("Authorization", basicAuth("", value)), 200},
		"by the name token":      {"/git", "basic", of("Authorization", basicAuth("token", value)), 200},
		"by the user's name":     {"/git", "basic", of("Authorization", basicAuth("ada", value)), 200},
		"however it is spelt":    {"/git", "basic", of("Authorization", basicAuth("ADA ", value)), 200},
		"by another's name":      {"/git", "basic", of("Authorization", basicAuth("bob", value)), 401},
		"the name, not password": {"/git", "basic", of("Authorization", basicAuth(value, "x")), 401},
		"Bearer is always one":   {"/git", "basic", of("Authorization", "Bearer "+value), 200},
		"Token":                  {"/drf", "token", of("Authorization", "Token "+value), 200},
		"Token in small":         {"/drf", "token", of("Authorization", "token "+value), 200},
		"Token where it isn't":   {"/git", "basic", of("Authorization", "Token "+value), 401},
		"a key":                  {"/key", "header:X-API-Key", of("X-Api-Key", value), 200},
		"a key where it isn't":   {"/git", "basic", of("X-Api-Key", value), 401},
		"two keys":               {"/key", "header:X-API-Key", of("X-Api-Key", value, "X-Api-Key", value), 400},
		"a key and a Bearer":     {"/all", "basic,token,header:X-API-Key", of("X-Api-Key", value, "Authorization", "Bearer "+value), 400},
		"a key and Basic":        {"/all", "basic,token,header:X-API-Key", of("X-Api-Key", value, "Authorization", basicAuth("", value)), 400},
		"junk":                   {"/key", "header:X-API-Key", of("X-Api-Key", "junk"), 401},
		"nothing":                {"/all", "basic,token,header:X-API-Key", nil, 401},
	} {
		got := get(t, base+tc.path+"/x", tc.header)
		if want := map[int]int{200: http.StatusTeapot}[tc.status]; got.status != max(want, tc.status) {
			t.Errorf("proxy, %s: %d %s, want %d", name, got.status, got.body, tc.status)
		}
		if got.status == http.StatusTeapot {
			s := got.reached(t)
			if s.Header.Get("Authorization") != "" || s.Header.Get("X-Api-Key") != "" || s.Header.Get("Remote-User") != "ada" {
				t.Errorf("proxy, %s: arrived as %v", name, s.Header)
			}
		}
		challenges := strings.Join(got.header["Www-Authenticate"], "\n")
		if basic := got.status == 401 && (tc.path == "/git" || tc.path == "/all"); strings.Contains(challenges, "Basic realm") != basic {
			t.Errorf("proxy, %s: the challenges %s", name, challenges)
		}
		status := tc.status
		if status == 400 {
			status = 401 // which nginx passes on
		}
		if got := get(t, verify+tc.query, tc.header); got.status != status {
			t.Errorf("forward auth, %s: %d %s, want %d", name, got.status, got.body, status)
		}
	}
	if got := get(t, base+"/key/x", of("Authorization", basicAuth("", value))); !strings.Contains(got.body, "X-Api-Key") {
		t.Errorf("a door that isn't open doesn't say which is: %s", got.body)
	}
	foreign := of("Authorization", basicAuth("", value), "Sec-Fetch-Site", "cross-site")
	if got := send(t, "POST", base+"/git/x", foreign, nil); got.status != 403 {
		t.Errorf("a browser that sends Basic unasked, by another site: %d", got.status)
	}
	if got := get(t, base+"/git/x", foreign); got.status != http.StatusTeapot {
		t.Errorf("the same, reading: %d", got.status)
	}
	if got := get(t, verify+"basic", with(foreign, "X-Forwarded-Method", "DELETE")); got.status != 403 {
		t.Errorf("the same, by forward auth: %d", got.status)
	}
}

func TestRequirementsAreAskedForByName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	four := int64(4)
	requirements, err := gateway.NewRequirements(map[string]gateway.NamedRequirement{
		"any": {}, "change": {Scope: []string{"write"}, SafeScope: []string{"read"}}, "fish": {Collection: &four}, "git": {In: []string{"basic"}},
		"other": {Audience: "https://other.example.org"},
	})
	must(t, err)
	f := &gateway.ForwardAuth{Gate: w.gate, Requirements: requirements}
	path, extAuthz := f.Beneath()
	mux := http.NewServeMux()
	f.Register(mux)
	base := serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.EscapedPath(), path) {
			extAuthz.ServeHTTP(rw, r)
			return
		}
		mux.ServeHTTP(rw, r)
	}))
	reader, fisher := bearer(w.issue(t, scope("read"))), bearer(w.issue(t, func(r *issuance.Request) { r.Collection = &four }))
	for _, tc := range []struct {
		method, path string
		header       http.Header
		status       int
	}{
		{"GET", "any/api/x", reader, 200},
		{"GET", "any", reader, 200},
		{"GET", "any/", reader, 200},
		{"GET", "any/api/x", nil, 401},
		{"POST", "any/a//b/../%2e%2e/auth/login?scope=write&optional=true", reader, 200},
		{"GET", "any/?optional=true", nil, 401},
		{"GET", "change/x", reader, 200},
		{"POST", "change/x", reader, 403},
		{"DELETE", "change/x", with(reader, "X-Forwarded-Method", "GET"), 403},
		{"GET", "fish/x", fisher, 200},
		{"GET", "fish/x", reader, 200},
		{"GET", "other/x", reader, 401},
		{"GET", "", reader, 403},
		{"GET", "unknown/any", reader, 403},
		{"GET", "ANY/x", reader, 403},
		{"GET", "%61ny/x", reader, 403},
		{"GET", "any%2fx", reader, 403},
	} {
		got := send(t, tc.method, base+"/auth/ext-authz/"+tc.path, tc.header, nil)
		if got.status != tc.status {
			t.Errorf("%s %s: %d %s, want %d", tc.method, tc.path, got.status, got.body, tc.status)
		}
		if id := identityIn(t, got.header); (id["Remote-User"] == "ada") != (tc.status == 200) {
			t.Errorf("%s %s: %v", tc.method, tc.path, id)
		}
	}
	for query, status := range map[string]int{
		"requirement=change": 403, "requirement=any": 200, "requirement=unknown": 400, "requirement=": 400,
		"requirement=any&scope=read": 400, "requirement=any&optional=true": 200,
	} {
		if got := get(t, base+"/auth/verify?"+query, with(reader, "X-Forwarded-Method", "PUT")); got.status != status {
			t.Errorf("%s: %d %s, want %d", query, got.status, got.body, status)
		}
	}
}
