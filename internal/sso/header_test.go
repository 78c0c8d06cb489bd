package sso_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/secretfile"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/sso"
)

const (
	proxySecret  = "kZ8#vT2!qR5$wN7%yB4^xC6&jM9*hL3@" // #nosec G101 -- of this test alone
	proxyAddress = "192.0.2.7:40000"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func newHeader(change ...func(*sso.Header)) *sso.Header {
	h := &sso.Header{
		Name: "sso", Secret: secretfile.Fixed([]byte(proxySecret)), Proxies: httpkit.Proxies{netip.MustParsePrefix("192.0.2.0/24")}, Now: func() time.Time { return noon },
		Claims: sso.Claims{
			Username: "Remote-User", FullName: "Remote-Name", Email: "Remote-Email", Groups: "Remote-Groups", More: []string{"Remote-Id", "Remote-Groups"},
		},
	}
	for _, c := range change {
		c(h)
	}
	return h
}

// byProxy is a request of the proxy, with headers as name and value in turn.
func byProxy(headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/auth/sign-in/sso", nil)
	r.RemoteAddr = proxyAddress
	r.Header.Set("X-Bearerd-Proxy", proxySecret)
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = append(r.Header[headers[i]], headers[i+1])
	}
	return r
}

func read(t *testing.T, h *sso.Header, headers ...string) signin.Statement {
	t.Helper()
	st, err := h.Read(byProxy(headers...))
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestHeadersSayWhoSomebodyIs(t *testing.T) {
	t.Parallel()
	st := read(t, newHeader(), "Remote-User", "ada", "Remote-Name", "Ada Lovelace", "Remote-Email", "ada@example.org", "Remote-Groups", "curators, staff,,curators")
	if st.Source != "sso" || st.ExternalID != "ada" || st.Username != "ada" || st.Name != "Ada Lovelace" || st.Email != "ada@example.org" {
		t.Errorf("said: %+v", st)
	}
	if !slices.Equal(st.Groups, []string{"curators", "staff"}) {
		t.Errorf("groups: %q", st.Groups)
	}
	if len(st.Once) != 0 {
		t.Errorf("used up: %v", st.Once)
	}
}

// What differs in anything is another person to the proxy, and stays one.
func TestAnExternalIDIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"ada", "ADA", "ada\u00a0", "ada\u3000", "\u2003ada", "ada,eve", "ada;eve", "CN=Ada,OU=Museum"} {
		if st := read(t, newHeader(), "Remote-User", id); st.ExternalID != id {
			t.Errorf("%q became %q", id, st.ExternalID)
		}
	}
}

// A sign-in is recent only where the operator says so.
func TestASignInByAProxyIsRecentWhenToldSo(t *testing.T) {
	t.Parallel()
	if st := read(t, newHeader(), "Remote-User", "ada"); !st.AuthenticatedAt.IsZero() {
		t.Errorf("signed in at %s", st.AuthenticatedAt)
	}
	trusted := newHeader(func(h *sso.Header) { h.Trust = true })
	if st := read(t, trusted, "Remote-User", "ada"); !st.AuthenticatedAt.Equal(noon) {
		t.Errorf("signed in at %s", st.AuthenticatedAt)
	}
}

// An owner's external id is one value, or it names nobody.
func TestAClaimOfOneValueIsOne(t *testing.T) {
	t.Parallel()
	for said, want := range map[string][]string{
		"7":       {"7"},
		"":        nil,
		"7,8":     {"7", "8", "7,8"},
		"7\u00a0": {"7\u00a0"},
		`7\;8`:    {"7;8", `7\;8`},
	} {
		if st := read(t, newHeader(), "Remote-User", "ada", "Remote-Id", said); !slices.Equal(st.Claims["Remote-Id"], want) {
			t.Errorf("%q is %q, want %q", said, st.Claims["Remote-Id"], want)
		}
	}
}

// Nobody gets into a group by a value that has a separator in it, where the proxy marks it.
func TestGroupsAreSplitAsTheProxyWroteThem(t *testing.T) {
	t.Parallel()
	for said, want := range map[string][]string{
		"":                            nil,
		" , ;":                        {","},
		"staff":                       {"staff"},
		"staff, curators":             {"staff", "curators"},
		"staff;curators":              {"staff", "curators"},
		`guests\;curators`:            {"guests;curators"},
		`guests\;curators;staff`:      {"guests;curators", "staff"},
		"cn=a,ou=groups;cn=b,ou=more": {"cn=a,ou=groups", "cn=b,ou=more"},
		`staff;guests\`:               {"staff", "guests;"},
	} {
		if st := read(t, newHeader(), "Remote-User", "ada", "Remote-Groups", said); !slices.Equal(st.Groups, want) {
			t.Errorf("%q is %q, want %q", said, st.Groups, want)
		}
	}
}

// The proxy is who has its address and its secret, once.
func TestOnlyTheProxySays(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(r *http.Request){
		"another address":       func(r *http.Request) { r.RemoteAddr = "198.51.100.1:40000" },
		"its address forwarded": func(r *http.Request) { r.RemoteAddr = "198.51.100.1:1"; r.Header.Set("X-Forwarded-For", "192.0.2.7") },
		"no address":            func(r *http.Request) { r.RemoteAddr = "@" },
		"no secret":             func(r *http.Request) { r.Header.Del("X-Bearerd-Proxy") },
		"an empty secret":       func(r *http.Request) { r.Header.Set("X-Bearerd-Proxy", "") },
		"part of the secret":    func(r *http.Request) { r.Header.Set("X-Bearerd-Proxy", proxySecret[:31]) },
		"the secret twice":      func(r *http.Request) { r.Header.Add("X-Bearerd-Proxy", proxySecret) },
		"the secret in a list":  func(r *http.Request) { r.Header.Set("X-Bearerd-Proxy", proxySecret+", x") },
		"another beside it":     func(r *http.Request) { r.Header.Add("X-Bearerd-Proxy", "x") },
	} {
		r := byProxy("Remote-User", "ada")
		change(r)
		if st, err := newHeader().Read(r); !fault.Is(err, fault.Forbidden) || st.ExternalID != "" {
			t.Errorf("%s: %+v, %v", name, st, err)
		}
	}
	without := newHeader(func(h *sso.Header) { h.Secret = nil })
	r := byProxy("Remote-User", "ada")
	r.Header.Set("X-Bearerd-Proxy", "")
	if _, err := without.Read(r); !fault.Is(err, fault.Forbidden) {
		t.Errorf("without a secret: %v", err)
	}
}

// Headers that could be read in two ways are read in none.
func TestHeadersOfTwoReadingsAreRefused(t *testing.T) {
	t.Parallel()
	const accepted = fault.Internal // no refusal is of this kind
	for name, tt := range map[string]struct {
		headers []string
		kind    fault.Kind
	}{
		"nobody":                  {nil, fault.Forbidden},
		"an empty user":           {[]string{"Remote-User", ""}, fault.Forbidden},
		"two users":               {[]string{"Remote-User", "ada", "Remote-User", "eve"}, fault.Invalid},
		"the same user twice":     {[]string{"Remote-User", "ada", "Remote-User", "ada"}, fault.Invalid},
		"two addresses":           {[]string{"Remote-User", "ada", "Remote-Email", "a@example.org", "Remote-Email", "b@example.org"}, fault.Invalid},
		"groups twice":            {[]string{"Remote-User", "ada", "Remote-Groups", "a", "Remote-Groups", "b"}, fault.Invalid},
		"a user with _":           {[]string{"Remote-User", "ada", "Remote_User", "eve"}, fault.Invalid},
		"a user with _ alone":     {[]string{"Remote_User", "eve"}, fault.Invalid},
		"lower case with _":       {[]string{"Remote-User", "ada", "remote_user", "eve"}, fault.Invalid},
		"groups with _":           {[]string{"Remote-User", "ada", "Remote_Groups", "curators"}, fault.Invalid},
		"another claim with _":    {[]string{"Remote-User", "ada", "Remote_Id", "7"}, fault.Invalid},
		"a secret with _":         {[]string{"Remote-User", "ada", "X_Bearerd-Proxy", "x"}, fault.Invalid},
		"a name in latin-1":       {[]string{"Remote-User", "ada", "Remote-Name", "Ad\xe4"}, fault.Invalid},
		"a user in latin-1":       {[]string{"Remote-User", "ad\xe4"}, fault.Invalid},
		"an unread header with _": {[]string{"Remote-User", "ada", "X_Request_Id", "1"}, accepted},
	} {
		_, err := newHeader().Read(byProxy(tt.headers...))
		if tt.kind == accepted && err != nil || tt.kind != accepted && !fault.Is(err, tt.kind) {
			t.Errorf("%s: %v, want %v", name, err, tt.kind)
		}
	}
}
