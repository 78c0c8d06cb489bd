package verify_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"

	"github.com/bearerd/bearerd/verify"
	"github.com/bearerd/bearerd/verify/verifytest"
)

const (
	elsewhere   = "Unauthorized invalid_token the token is not for this network"
	fromNowhere = "Unauthorized invalid_token the token is limited to networks, and the client's address is not known"
)

// Where a token is used from is judged on every call, also when all about the token is in
// memory, and a refusal is never kept: neither here nor as an answer of the issuer.
func TestATokenIsGoodInItsNetworksAlone(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	v := issuer.Verifier(t)
	claims := verifytest.Claims{Networks: []string{"2001:db8::/32", "192.0.2.0/24"}}
	for kind, raw := range map[string]string{"jwt": issuer.Token(claims), "opaque": issuer.APIToken(claims)} {
		asked := issuer.Introspections()
		for range 3 {
			for address, want := range map[string]string{
				"198.51.100.7": elsewhere, "": fromNowhere, "192.0.2.7": yes, "::ffff:192.0.2.7": yes, "2001:db8::7": yes, "2001:db9::7": elsewhere,
			} {
				from, _ := netip.ParseAddr(address)
				got, err := v.VerifyFrom(t.Context(), raw, from)
				wants(t, err, want)
				want := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
				if err == nil && !slices.Equal(got.Networks, want) {
					t.Errorf("%s: the token says %v", kind, got.Networks)
				}
			}
			wants(t, judge(v, raw), fromNowhere)
		}
		if n := issuer.Introspections() - asked; kind == "opaque" && n != 1 || kind == "jwt" && n != 0 {
			t.Errorf("%s: the issuer was asked %d times", kind, n)
		}
	}
	wants(t, judge(v, issuer.Token(verifytest.Claims{})), yes)
}

// A service without the issuer's log judges the networks too: they are a claim.
func TestNetworksAreJudgedWithoutRevocation(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	c := issuer.Config()
	c.ClientID, c.ClientSecret, c.InsecureWithoutRevocation = "", "", true
	v, err := verify.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	raw := issuer.Token(verifytest.Claims{Networks: []string{"192.0.2.0/24"}})
	wants(t, judge(v, raw), fromNowhere)
	_, err = v.VerifyFrom(t.Context(), raw, netip.MustParseAddr("192.0.2.7"))
	wants(t, err, yes)
}

// The middleware takes the peer for the client, unless it is a proxy that is trusted.
func TestTheMiddlewareFindsTheClient(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	raw := issuer.Token(verifytest.Claims{Networks: []string{"192.0.2.0/24"}})
	for _, c := range []struct {
		name, peer, forwarded string
		trusted               string
		want                  int
	}{
		{"the peer", "192.0.2.7:1", "", "", 200},
		{"another peer", "198.51.100.7:1", "", "", 401},
		{"a header that nobody trusts", "198.51.100.7:1", "192.0.2.7", "", 401},
		{"a header of a trusted proxy", "198.51.100.7:1", "192.0.2.7", "198.51.100.0/24", 200},
		{"what the client made up", "198.51.100.7:1", "192.0.2.7, 203.0.113.1", "198.51.100.0/24", 401},
		{"a Unix socket", "@", "192.0.2.7", "198.51.100.0/24", 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config := issuer.Config()
			if c.trusted != "" {
				config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix(c.trusted)}
			}
			v, err := verify.New(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			r.RemoteAddr = c.peer
			r.Header.Set("Authorization", "Bearer "+raw)
			if c.forwarded != "" {
				r.Header.Set("X-Forwarded-For", c.forwarded)
			}
			w := httptest.NewRecorder()
			v.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
			if w.Code != c.want {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

// An introspection whose networks can't be read is no answer: none would be no limit.
func TestNetworksThatCantBeReadAreNoAnswer(t *testing.T) {
	t.Parallel()
	for _, networks := range []string{`null`, `[]`, `"192.0.2.0/24"`, `["192.0.2.1/24"]`, `[7]`, `{}`, `["0.0.0.0/0"]`} {
		s := newScript(t)
		v, _ := s.begin(t, newBootClock(), 0)
		text := s.active(0)
		s.on("/introspect", answers(200, text[:len(text)-1]+`,"networks":`+networks+`}`))
		_, err := v.VerifyFrom(t.Context(), opaque(t), netip.MustParseAddr("192.0.2.7"))
		if e := errorOf(t, err); e.Status != http.StatusServiceUnavailable {
			t.Errorf("%s: %v", networks, err)
		}
	}
}
