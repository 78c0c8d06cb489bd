package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

func FuzzVerifyQuery(f *testing.F) {
	w := newWorld(f, nodetest.Options{})
	mux := http.NewServeMux()
	(&gateway.ForwardAuth{Gate: w.gate}).Register(mux)
	good := bearer(w.issue(f, nil))
	for _, seed := range []string{
		"", "audience=x", "scope=read+write", "collection=4", "action=read&path=/things", "optional=true", "optional=false&scope=",
		"collection=99999999999999999999", "%zz", "a=b&a=b", "path=%2e%2e&action=*", "scope=%22", "collection=٤",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, query string, withToken bool) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/auth/verify", nil)
		r.URL.RawQuery = query
		if withToken {
			r.Header = good.Clone()
		}
		var got [2]*httptest.ResponseRecorder
		for i := range got { // parsed, and perhaps remembered
			got[i] = httptest.NewRecorder()
			mux.ServeHTTP(got[i], r)
		}
		if got[0].Code != got[1].Code || got[0].Body.String() != got[1].Body.String() {
			t.Fatalf("%q: %d, and then %d", query, got[0].Code, got[1].Code)
		}
		identity := identityIn(t, got[0].Header())
		values, err := httpkit.Query(r)
		switch got[0].Code {
		case http.StatusOK:
			if err != nil || (identity["Remote-User"] == "ada") != withToken || !withToken && values.Get("optional") != "true" {
				t.Fatalf("%q: a yes for %v", query, identity)
			}
			if values.Get("scope") != "" && strings.TrimSpace(values.Get("scope")) != "" && withToken {
				t.Fatalf("%q: a yes for a scope that the token doesn't have", query)
			}
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
			if identity["Remote-User"] != "" {
				t.Fatalf("%q: %d for %v", query, got[0].Code, identity)
			}
		default:
			t.Fatalf("%q: %d %s", query, got[0].Code, got[0].Body)
		}
	})
}

// roundTrip is an application that is a function.
type roundTrip func(*http.Request) *http.Response

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

func FuzzForwardedHeaders(f *testing.F) {
	for _, seed := range [][3]string{
		{"Remote-User", "root", "1.2.3.4"},
		{"remote_user", "root", ""},
		{"Remote.User", "root", "a, b"},
		{"X-BEARERD-SUBJECT", "x", ",,"},
		{"X-Forwarded-For", "1.2.3.4", "127.0.0.1"},
		{"X_Forwarded_For", "1.2.3.4", "[::1]:80"},
		{"Forwarded", "for=x", "x"},
		{"Connection", "X-Forwarded-For, Remote-User", "1.1.1.1"},
		{"Cookie", "x=bds_1; y=2", ""},
		{"Upgrade", "websocket", ""},
		{"X-Real-Ip", "1.2.3.4", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], true)
		f.Add(seed[0], seed[1], seed[2], false)
	}
	var out *http.Request
	app := roundTrip(func(r *http.Request) *http.Response {
		out = r
		return &http.Response{StatusCode: http.StatusTeapot, Header: http.Header{}, Body: http.NoBody}
	})
	proxy := func(trusted ...netip.Prefix) http.Handler {
		p, err := gateway.NewProxy(gateway.ProxyConfig{
			Gate: &gateway.Gate{}, Upstream: &url.URL{Scheme: "http", Host: "app"}, Transport: app,
			Routes: []gateway.Route{{Path: "/", Require: gateway.RequireNone}}, TrustedProxies: trusted,
		})
		must(f, err)
		return p
	}
	stranger, trusting := proxy(), proxy(netip.MustParsePrefix("192.0.2.0/24"))
	f.Fuzz(func(t *testing.T, name, value, forwarded string, trusted bool) {
		if name == "" || strings.Trim(name, headerName) != "" || strings.ContainsFunc(value+forwarded, isControl) {
			return // net/http refuses the request
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil) // from 192.0.2.1
		r.Header.Set("X-Forwarded-For", forwarded)
		r.Header.Add(name, value)
		p := stranger
		if trusted {
			p = trusting
		}
		out = nil
		rec := httptest.NewRecorder()
		p.ServeHTTP(rec, r)
		if out == nil && rec.Code == http.StatusBadRequest && strings.EqualFold(name, "Upgrade") {
			return // to a protocol whose name is none
		}
		if rec.Code != http.StatusTeapot || out == nil {
			t.Fatalf("%s: %q: %d %s", name, value, rec.Code, rec.Body)
		}
		for got, values := range out.Header {
			folded := strings.Map(fold, got)
			if isIdentity(folded) {
				t.Fatalf("%s: %q reached the application", got, values)
			}
			if !trusted && strings.HasPrefix(folded, "X_FORWARDED_") && (got != "X-Forwarded-For" && got != "X-Forwarded-Host" && got != "X-Forwarded-Proto" || len(values) != 1) {
				t.Fatalf("%s: %q is a stranger's word", got, values)
			}
			for pair := range strings.SplitSeq(strings.Join(values, ";"), ";") {
				if _, v, _ := strings.Cut(pair, "="); got == "Cookie" && strings.HasPrefix(strings.Trim(v, ` "`), "bds_") {
					t.Fatalf("a session reached the application: %q", values)
				}
			}
		}
		hops := strings.Join(out.Header["X-Forwarded-For"], ", ")
		if last := hops[strings.LastIndex(hops, " ")+1:]; last != "192.0.2.1" || !trusted && hops != last {
			t.Fatalf("X-Forwarded-For: %q", hops)
		}
	})
}

// headerName are the characters of a header's name (RFC 9110 §5.6.2).
const headerName = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// fold spells a header's name as CGI does.
func fold(c rune) rune {
	switch {
	case 'a' <= c && c <= 'z':
		return c - 'a' + 'A'
	case 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return c
	}
	return '_'
}

func isIdentity(folded string) bool {
	for _, name := range identityHeaders {
		if strings.Map(fold, name) == folded {
			return true
		}
	}
	return false
}
