package gateway_test

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/shadow"
)

// watched counts what report-only routes would have refused.
func (w *world) watched(t testing.TB) {
	t.Helper()
	log, err := shadow.New(shadow.Config{Store: w.Store, Now: w.Time})
	nodetest.Must(t, err)
	w.gate.Shadow = log
}

// shadows returns what was counted, without times.
func (w *world) shadows(t testing.TB) []upkeep.Shadow {
	t.Helper()
	page, err := w.gate.Shadow.List(t.Context(), caller.Operator(), "", 0)
	nodetest.Must(t, err)
	for i := range page.Items {
		page.Items[i].LastAt = upkeep.Shadow{}.LastAt
		for n := range page.Items[i].Examples {
			page.Items[i].Examples[n].At = upkeep.ShadowExample{}.At
		}
	}
	return page.Items
}

// reporting serves report-only routes in front of an application with checks of its own,
// which answers 200 to Authorization: Token good and 401 else.
func (w *world) reporting(t testing.TB, got *http.Header) string {
	t.Helper()
	application := serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		*got = r.Header
		rw.Header().Set("Set-Cookie", "own=1")
		if r.Header.Get("Authorization") != "Token good" && !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
			rw.WriteHeader(http.StatusUnauthorized)
		}
	}))
	upstream, err := url.Parse(application)
	nodetest.Must(t, err)
	return w.proxy(t, func(c *gateway.ProxyConfig) {
		c.Upstream = upstream
		c.Routes = []gateway.Route{
			{Path: "/api/", Scope: []string{"read"}, TokensIn: []string{"token"}, ReportOnly: true},
			{Path: "/enforced/"},
		}
	})
}

// A report-only route lets every request go on as it came, with its own credentials and
// the headers that name the caller empty, and counts what would have been refused against
// what the application answered.
func TestAReportOnlyRouteRefusesNothingAndCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	w.watched(t)
	var got http.Header
	at := w.reporting(t, &got)
	good := w.issue(t, func(r *issuance.Request) { r.Scope = []string{"read"} })
	small := w.issue(t, nil)
	dead := w.issue(t, func(r *issuance.Request) { r.Scope = []string{"read"} })
	w.revoke(t, dead)

	for _, c := range []struct {
		header http.Header
		path   string
		status int
	}{
		{bearer(good), "/api/1", 200},
		{nil, "/api/specimens?secret=1", 401},
		{http.Header{"Authorization": {"Token good"}}, "/api/reset/0123456789abcdef0123456789abcdef", 200},
		{bearer(small), "/api/2", 200},
		{bearer(dead), "/api/3", 200},
		{http.Header{"Authorization": {"Basic YTpi"}}, "/api/4", 401},
	} {
		h := http.Header{"Cookie": {"own=2; bearerd_session=bds_x"}, "Remote-User": {"root"}, "X-Bearerd-Scope": {"all"}, "Remote_user": {"root"}}
		maps.Copy(h, c.header)
		a := get(t, at+c.path, h)
		if a.status != c.status || a.header.Get("Bearerd-Report-Only") != "true" || a.header.Get("Set-Cookie") != "own=1" || a.header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s: %d %v", c.path, a.status, a.header)
		}
		if got.Get("Authorization") != h.Get("Authorization") || got.Get("Cookie") != "own=2" {
			t.Errorf("%s: the application got %v", c.path, got)
		}
		if diff := cmp.Diff(nobody(), identityIn(t, got)); diff != "" || got["Remote_user"] != nil {
			t.Errorf("%s: the headers name somebody (-want +got):\n%s", c.path, diff)
		}
	}
	example := func(path string, status int) []upkeep.ShadowExample {
		return []upkeep.ShadowExample{{Method: "GET", Path: path, Status: status}}
	}
	want := []upkeep.Shadow{
		{Route: "/api/", Reason: "malformed or unknown token", Count: 1, Disagreed: 1, Examples: example("/api/reset/[token]", 200)},
		{Route: "/api/", Reason: "no token", Count: 1, Agreed: 1, Examples: example("/api/specimens", 401)},
		{Route: "/api/", Reason: "no token, but other credentials", Count: 1, Agreed: 1, Examples: example("/api/4", 401)},
		{Route: "/api/", Reason: "revoked", TokenID: dead.ID, Count: 1, Disagreed: 1, Examples: example("/api/3", 200)},
		{Route: "/api/", Reason: "the scope read is needed", TokenID: small.ID, Count: 1, Disagreed: 1, Examples: example("/api/2", 200)},
	}
	if diff := cmp.Diff(want, w.shadows(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Beside it a route that is enforced is as ever.
	get(t, at+"/enforced/x", bearer(dead)).refused(t, 401, "invalid_token", "revoked")
	if a := get(t, at+"/enforced/x", nil); a.status != 401 || a.header.Get("Bearerd-Report-Only") != "" {
		t.Errorf("an enforced route: %d %v", a.status, a.header)
	}
}

// Forward auth that isn't enforced answers 200 with empty headers to everybody, and counts
// without knowing what the application answers.
func TestForwardAuthReportsOnlyWhereItIsToldTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	w.watched(t)
	named, err := gateway.NewRequirements(map[string]gateway.NamedRequirement{"api": {Scope: []string{"read"}, ReportOnly: true}, "held": {}})
	nodetest.Must(t, err)
	at := edgetest.Serve(t, w.gate.Now, &gateway.ForwardAuth{Gate: w.gate, Requirements: named}).URL
	small := w.issue(t, nil)
	from := http.Header{"X-Forwarded-Uri": {"https://museum.example/api/7?x=secret"}, "X-Forwarded-Method": {"DELETE"}}
	for _, c := range []struct {
		path   string
		header http.Header
	}{
		{"/auth/verify?enforce=false", from},
		{"/auth/verify?enforce=false&scope=read", bearer(small)},
		{"/auth/verify?requirement=api", nil},
		{"/auth/verify?requirement=held&enforce=false", nil},
		{"/auth/ext-authz/api/orders/1", nil},
	} {
		a := get(t, at+c.path, c.header)
		if diff := cmp.Diff(nobody(), identityIn(t, a.header)); a.status != 200 || diff != "" || a.header.Get("Bearerd-Report-Only") != "true" {
			t.Errorf("%s: %d %v", c.path, a.status, a.header)
		}
	}
	for path, status := range map[string]int{
		"/auth/verify?enforce=true": 401, "/auth/verify": 401, "/auth/verify?requirement=held": 401, "/auth/ext-authz/held/x": 401,
		"/auth/verify?enforce=no": 400, "/auth/verify?enforce=": 401,
	} {
		if a := get(t, at+path, nil); a.status != status || a.header.Get("Bearerd-Report-Only") != "" {
			t.Errorf("%s: %d, want %d", path, a.status, status)
		}
	}
	want := []upkeep.Shadow{
		{Route: "/auth/verify", Reason: "no token", Count: 1, Examples: []upkeep.ShadowExample{{Method: "DELETE", Path: "/api/7"}}},
		{Route: "/auth/verify", Reason: "the scope read is needed", TokenID: small.ID, Count: 1, Examples: []upkeep.ShadowExample{{Method: "GET"}}},
		{Route: "requirement api", Reason: "no token", Count: 2, Examples: []upkeep.ShadowExample{{Method: "GET", Path: "/orders/1"}, {Method: "GET"}}},
		{Route: "requirement held", Reason: "no token", Count: 1, Examples: []upkeep.ShadowExample{{Method: "GET"}}},
	}
	if diff := cmp.Diff(want, w.shadows(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Where every route is report-only, a path that could be read in two ways goes on too: no
// request is refused that was allowed before.
func TestWhereNothingIsEnforcedNoPathIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	w.watched(t)
	at := w.proxy(t, func(c *gateway.ProxyConfig) {
		c.Routes = []gateway.Route{{Path: "/", ReportOnly: true}, {Path: "/api", ReportOnly: true}}
	})
	if got := get(t, at+"/api;x/y", nil).reached(t); got.Target != "/api;x/y" {
		t.Errorf("the application got %s", got.Target)
	}
	if got := send(t, http.MethodOptions, at+"/api/x", http.Header{"Origin": {"https://a.example"}, "Access-Control-Request-Method": {"GET"}}, nil).reached(t); got.Method != http.MethodOptions {
		t.Errorf("a preflight: %+v", got)
	}
	if all := w.shadows(t); len(all) != 1 || all[0].Reason != "the path can be read in more than one way" {
		t.Errorf("counted %+v", all)
	}
	if _, err := gateway.NewProxy(gateway.ProxyConfig{
		Gate: w.gate, Upstream: mirror(t), Routes: []gateway.Route{{Path: "/", Require: gateway.RequireNone, ReportOnly: true}},
	}); err == nil {
		t.Error("a route that asks for nothing reports what it refuses")
	}
}

// A method that no rule of a path names goes on where every rule of that path is
// report-only, and is counted; beside an enforced rule it is refused.
func TestAReportOnlyRouteRefusesNoMethod(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	w.watched(t)
	at := w.proxy(t, func(c *gateway.ProxyConfig) {
		c.Routes = []gateway.Route{
			{Path: "/api", Methods: []string{"GET"}, ReportOnly: true},
			{Path: "/api", Methods: []string{"PUT"}, ReportOnly: true},
			{Path: "/mixed", Methods: []string{"GET"}, ReportOnly: true},
			{Path: "/mixed", Methods: []string{"PUT"}},
		}
	})
	h := http.Header{"X-Http-Method-Override": {"PUT"}}
	if got := send(t, http.MethodPost, at+"/api/x", h, nil).reached(t); got.Method != http.MethodPost || got.Header.Get("X-Http-Method-Override") == "" {
		t.Errorf("the application got %+v", got)
	}
	want := []upkeep.Shadow{{
		Route: "GET /api", Reason: "the path is not served with this method", Count: 1, Disagreed: 1,
		Examples: []upkeep.ShadowExample{{Method: "POST", Path: "/api/x", Status: http.StatusTeapot}},
	}}
	if diff := cmp.Diff(want, w.shadows(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if a := send(t, http.MethodPost, at+"/mixed/x", nil, nil); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") == "" {
		t.Errorf("beside an enforced rule: %d %v", a.status, a.header)
	}
	// What would make the application take it for a request of the enforced rule is removed.
	if got := get(t, at+"/mixed/x", h).reached(t); got.Header.Get("X-Http-Method-Override") != "" {
		t.Errorf("the application got %v", got.Header)
	}
}

// An application that doesn't answer disagrees with nobody's request being let in.
func TestAReportOnlyRouteWithoutAnApplicationIsABadGateway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	w.watched(t)
	at := w.proxy(t, func(c *gateway.ProxyConfig) {
		c.Upstream = parseURL(t, "http://127.0.0.1:1")
		c.Routes = []gateway.Route{{Path: "/", ReportOnly: true}}
	})
	if a := get(t, at+"/x", nil); a.status != http.StatusBadGateway {
		t.Errorf("%d %s", a.status, a.body)
	}
	if all := w.shadows(t); len(all) != 1 || all[0].Disagreed != 1 || all[0].Examples[0].Status != http.StatusBadGateway {
		t.Errorf("counted %+v", all)
	}
}
