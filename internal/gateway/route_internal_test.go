package gateway

import (
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// table is one with something weaker and something stronger at every depth.
var table = []Route{
	{Path: "/", Require: RequireOptional},
	{Path: "/public/", Require: RequireNone},
	{Path: "/public/private", Require: RequireToken},
	{Path: "/api", Require: RequireToken, Scope: []string{"read"}},
	{Path: "/api/status", Require: RequireNone},
	{Path: "/api/admin/", Require: RequireToken, Scope: []string{"admin"}},
	{Path: "/søk/alle ting", Require: RequireNone},
}

func mustRoutes(t testing.TB, list []Route) routes {
	t.Helper()
	r, err := newRoutes(list)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTheLongestPathByWholeSegmentsDecides(t *testing.T) {
	t.Parallel()
	r := mustRoutes(t, table)
	for raw, want := range map[string]string{
		"/":                        "",
		"/x":                       "",
		"/apix":                    "",
		"/publication":             "",
		"/public":                  "public",
		"/public/":                 "public",
		"/public/logo.png":         "public",
		"/public/a%2Fb":            "public/!",
		"/publi%63/x":              "public",
		"/public/private":          "public/private",
		"/public/private/":         "public/private",
		"/public/privateer":        "public",
		"/api":                     "api",
		"/api/":                    "api",
		"/api/things/7":            "api",
		"/api/status":              "api/status",
		"/api/status/now":          "api/status",
		"/api/statuses":            "api",
		"/api/admin/users":         "api/admin",
		"/api/admin/a%2Fb;c//d%25": "api/admin", // nothing hangs on what follows
		"/s%C3%B8k/alle%20ting/x":  "søk/alle ting",
		"/søk/alle%20ting":         "søk/alle ting",
	} {
		got, err := r.find(raw, "GET")
		if strings.HasSuffix(want, "!") {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: %v, want a refusal", raw, err)
			}
			continue
		}
		if err != nil || strings.Join(got.path, "/") != want {
			t.Errorf("%s: %v %v, want %q", raw, got, err, want)
		}
	}
}

func TestWithoutARouteATokenIsNeeded(t *testing.T) {
	t.Parallel()
	for _, list := range [][]Route{nil, {{Path: "/public", Require: RequireNone}}, {{Path: "/"}}} {
		got, err := mustRoutes(t, list).find("/x", "GET")
		if err != nil || got.none || got.ask.optional {
			t.Errorf("%v: %+v %v", list, got, err)
		}
	}
}

func TestPathsWithTwoReadingsAreRefused(t *testing.T) {
	t.Parallel()
	r := mustRoutes(t, table)
	for _, raw := range []string{
		"", "*", "x", "//", "//api", "//evil.example.org/x",
		"/public/../api/admin", "/public/./x", "/public/..", "/..", "/.", "/public/.",
		"/public/%2e%2e/api/admin", "/public/%2E./api", "/public/.%2e", "/public/%2e",
		"/public/..%2fapi/admin", "/public%2f..%2fapi", "/public/%2e%2e%2fapi",
		"/public/%252e%252e/api", "/public/%25252e%25252e/api", "/public/..%252fapi", "/public/%2525252525252e",
		`/public/..\api`, "/public/..%5capi", "/public/%2e%2e%5capi",
		"/public/..;/api/admin", "/public/..;a=b/api", "/public/..%3b/api", "/public/..%23", "/public/..%3f",
		"/public/..%20/api", "/public/..%00/api", "/public/x%00", "/public/%0d%0ax", "/public/%7f", "/public/%c2%85",
		"/api/status/%252e%252e/admin", "/api/status/x%255c..", "/api/status/..%25252fadmin",
		"/public/%ff", "/public/%c0%ae%c0%ae/api",
		"/public//private", "/public/;/private", "/public%2fprivate", "/public/private;x=y", "/public/private%3b",
		"/public/private%20", "/public/private.", "/public/private%23x", "/public/private%3Fx", "/public#x/y", `/public\private`, "/public/%70rivate%2525",
		"/api//admin", "/api;x=y/admin", "/api%2fadmin", "/a%2fb", "/a;b", "/api/%2561dmin",
	} {
		if got, err := r.find(raw, "GET"); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s falls under %q", raw, strings.Join(got.path, "/"))
		}
	}
}

func TestPathsWithOneReadingAreNotRefused(t *testing.T) {
	t.Parallel()
	r := mustRoutes(t, []Route{{Path: "/public", Require: RequireNone}, {Path: "/api/v1"}})
	for _, raw := range []string{
		"/public/group%2Fproject", "/public/a;v=1", "/public/x//y", "/public/100%25", "/public/%E9%AD%9A", "/public/what%3F", "/public/...",
		"/api/v1/@@API/senaite/v1/x", "/api/v1/a:b,c+d=e&f!g$h'(i)*j~k", "/api/v1/..a/b..c/.hidden/d.tar.gz", "/public/" + strings.Repeat("a/", 3000),
	} {
		if _, err := r.find(raw, "GET"); err != nil {
			t.Errorf("%.80s: %v", raw, err)
		}
	}
}

func TestRoutesThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	for name, list := range map[string][]Route{
		"relative":                {{Path: "api"}},
		"empty":                   {{Path: ""}},
		"dots":                    {{Path: "/a/../b"}},
		"empty segment":           {{Path: "/a//b"}},
		"escape":                  {{Path: "/a%20b"}},
		"semicolon":               {{Path: "/a;b"}},
		"control":                 {{Path: "/a\x00"}},
		"twice":                   {{Path: "/a"}, {Path: "/a/"}},
		"unknown requirement":     {{Path: "/a", Require: "maybe"}},
		"none with a scope":       {{Path: "/a", Require: RequireNone, Scope: []string{"x"}}},
		"none with an audience":   {{Path: "/a", Require: RequireNone, Audience: "x"}},
		"none with a permission":  {{Path: "/a", Require: RequireNone, Permission: access.Permission{Action: "x", Path: "/"}}},
		"no scope":                {{Path: "/a", Scope: []string{`a"b`}}},
		"permission without path": {{Path: "/a", Permission: access.Permission{Action: "x"}}},
		"permission, no action":   {{Path: "/a", Permission: access.Permission{Path: "/x"}}},
	} {
		if _, err := newRoutes(list); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// readings returns what software on the way may take a path for.
func readings(raw string) []string {
	seen := []string{raw}
	for i := 0; i < len(seen) && len(seen) < 200; i++ {
		p := seen[i]
		decoded, err := url.PathUnescape(p)
		if err != nil {
			decoded = p
		}
		var stripped []string
		for s := range strings.SplitSeq(p, "/") {
			before, _, _ := strings.Cut(s, ";")
			stripped = append(stripped, before)
		}
		cut, _, _ := strings.Cut(p, "?")
		fragment, _, _ := strings.Cut(p, "#")
		for _, next := range []string{
			decoded, strings.ReplaceAll(p, `\`, "/"), strings.Join(stripped, "/"), cut, fragment,
			path.Clean("/" + p), strings.ReplaceAll(p, "//", "/"), strings.TrimRight(p, ". "),
		} {
			if !slices.Contains(seen, next) {
				seen = append(seen, next)
			}
		}
	}
	return seen
}

func FuzzNoReadingOfAPathFallsUnderAnotherRule(f *testing.F) {
	for _, seed := range []string{
		"/public/../api/admin", "/public/%2e%2e/api", "/api%2fadmin", "/public/..;/api", "/public//private", "/a;b", `/public\private`,
		"/public/%252e%252e/api", "/public/private.", "/api/%61dmin", "/public/a%2Fb", "/søk/alle%20ting", "/%70ublic/%2570rivate", "/api/status/%252e%252e/admin",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		r := mustRoutes(t, table)
		u, err := url.ParseRequestURI(raw)
		if err != nil || len(raw) > 200 {
			return
		}
		sent := pathAsSent(u)
		chosen, err := r.find(sent, "GET")
		if err != nil {
			return
		}
		for _, reading := range readings(sent) {
			if !strings.HasPrefix(reading, "/") {
				continue
			}
			var segments []string
			for s := range strings.SplitSeq(reading, "/") {
				if s != "" {
					segments = append(segments, s)
				}
			}
			decoded := make([]string, len(segments))
			for i, s := range segments {
				decoded[i] = httpkit.Unescape(s)
			}
			if other := r.longest(decoded).covering("GET"); other != chosen {
				t.Fatalf("%q falls under %q, and read as %q under %q", raw, chosen.path, reading, other.path)
			}
		}
	})
}
