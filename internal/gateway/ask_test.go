package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

func TestVerifyRefusesEveryQueryThatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	base := w.verifier(t) + "/auth/verify?"
	good := w.issue(t, nil)
	for query, why := range map[string]string{
		"scopes=read":                    `unknown query parameter "scopes"`,
		"Scope=read":                     `unknown query parameter "Scope"`,
		"collection=4&colection=5":       `unknown query parameter "colection"`,
		"scope=read&scope=write":         "repeated",
		"audience=a&audience=a":          "repeated",
		"optional=true&optional=false":   "repeated",
		"scope=a%22b":                    "query parameter scope",
		"scope=a%5Cb":                    "query parameter scope",
		"scope=a%0Ab":                    "query parameter scope",
		"scope=%ff":                      "not well formed",
		"collection=abc":                 "query parameter collection",
		"collection=-1":                  "query parameter collection",
		"collection=%2B4":                "query parameter collection",
		"collection=04":                  "query parameter collection",
		"collection=4.0":                 "query parameter collection",
		"collection=4+":                  "query parameter collection",
		"collection=9223372036854775808": "query parameter collection",
		"action=read":                    "need each other",
		"path=/things":                   "need each other",
		"action=&path=/things":           "need each other",
		"action=re+ad&path=/things":      "query parameter action",
		"action=read&path=things":        "query parameter path",
		"action=read&path=/things/":      "query parameter path",
		"action=read&path=/things//a":    "query parameter path",
		"action=read&path=/things/../a":  "query parameter path",
		"action=read&path=/things/%252e": "query parameter path",
		"optional=yes":                   "query parameter optional",
		"optional=1":                     "query parameter optional",
		"optional=TRUE":                  "query parameter optional",
		"%zz=1":                          "not well formed",
		"audience=%zz":                   "not well formed",
		"audience=%00":                   "not well formed",
		strings.Repeat("x", 5000) + "=1": "unknown query parameter",
	} {
		for _, header := range []http.Header{bearer(good), nil} {
			got := get(t, base+query, header)
			m := got.members(t)
			detail, _ := m["detail"].(string)
			if got.status != http.StatusBadRequest || !strings.Contains(detail, why) || m["code"] != "invalid_request" || len(detail) > 300 {
				t.Errorf("%.80s: %d %s, want 400 with %q", query, got.status, got.body, why)
			}
			if got.header.Get("WWW-Authenticate") != "" || got.header.Get("Remote-User") != "" {
				t.Errorf("%.80s: %v", query, got.header)
			}
		}
	}
}

func TestQueriesThatFallIntoOnePlaceAreNotConfused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	mux := http.NewServeMux()
	(&gateway.ForwardAuth{Gate: w.gate}).Register(mux)
	good := w.issue(t, nil)
	// Far more queries than there are places, each of them twice.
	for range 2 {
		for n := range 2000 {
			query, want := "scope=s"+strings.Repeat("x", n%7)+"&optional=true", http.StatusForbidden
			if n%2 == 0 {
				query, want = "optional=true&audience="+url.QueryEscape(nodetest.Issuer)+strings.Repeat("&", n), http.StatusOK
			}
			r := httptest.NewRequest(http.MethodGet, "/auth/verify?"+query, nil)
			r.Header = bearer(good)
			rec := httptest.NewRecorder()
			mux.ServeHTTP(rec, r)
			if rec.Code != want {
				t.Fatalf("%.80s: %d, want %d", query, rec.Code, want)
			}
		}
	}
}
