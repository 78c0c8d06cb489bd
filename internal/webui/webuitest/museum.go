package webuitest

import (
	"net/http"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/assertion"
	"github.com/bearerd/bearerd/internal/assertion/assertiontest"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/secretfile"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/sso"
	"github.com/bearerd/bearerd/internal/webui"
	"github.com/bearerd/bearerd/internal/webui/login"
)

// MuseumOrigin is where the museum's pages are.
const MuseumOrigin = "https://museum.example.org"

// MuseumSecret is the secret that it shares with this server.
func MuseumSecret() []byte { return []byte("kZ8#vT2!qR5$wN7%yB4^xC6&jM9*hL3@") }

// Museum is an application with sessions of its own, and a proxy that signs people in
// beside it.
type Museum struct {
	*Site

	Key assertiontest.Key // signs what the museum says
}

// NewMuseum serves pages on which people sign in by the museum's session too.
func NewMuseum(t *testing.T, policy signin.Source, change ...func(*webui.Pages)) *Museum {
	t.Helper()
	policy.Name, policy.Title = "museum", "Museum"
	o := nodetest.Options{Settings: func(s *node.Settings) {
		s.Sources = signin.Sources{policy, {Name: "sso", Title: "Single sign-on", Create: true}}
	}}
	s := New(t, o, append([]func(*webui.Pages){func(p *webui.Pages) {
		keys, err := assertion.Secret("secret_file", MuseumSecret())
		nodetest.Must(t, err)
		verifier, err := assertion.New(assertion.Config{Issuer: MuseumOrigin, Keys: keys, Now: p.Now})
		nodetest.Must(t, err)
		claims := sso.Claims{Username: "preferred_username", FullName: "name", Email: "email"}
		requests, err := sso.NewRequests([32]byte{1}, httpkit.NewCookies(nodetest.Issuer), p.Now)
		nodetest.Must(t, err)
		p.Ways = login.Ways{Requests: requests, Fresh: 15 * time.Minute, Sources: sso.Sources{
			{Name: "museum", Title: "Museum", App: &sso.App{
				Name: "museum", URL: MuseumOrigin + "/sign-in", Origin: MuseumOrigin, Audience: nodetest.Issuer, Claims: claims, Verifier: verifier,
			}},
			{Name: "sso", Title: "Single sign-on", Header: &sso.Header{
				Name: "sso", Claims: sso.Claims{Username: "Remote-User", FullName: "Remote-Name", Email: "Remote-Email"}, Secret: secretfile.Fixed(MuseumSecret()),
				Proxies: httpkit.Proxies{netip.MustParsePrefix("127.0.0.0/8")}, Now: p.Now,
			}},
		}}
	}}, change...)...)
	return &Museum{s, assertiontest.Shared(t, MuseumSecret())}
}

// Begin has a browser begin to sign in, and returns the nonce that the museum gets.
func (m *Museum) Begin(t *testing.T, b *edgetest.Site, path string) string {
	t.Helper()
	a := b.Get(t, path)
	at, err := url.Parse(a.Header.Get("Location"))
	if a.Status != http.StatusSeeOther || err != nil || at.Host != "museum.example.org" || at.Path != "/sign-in" {
		t.Fatalf("%s: %d, leads to %s", path, a.Status, a.Header.Get("Location"))
	}
	return at.Query().Get("request")
}

// Claims are those of an assertion for a request.
func (m *Museum) Claims(nonce string, changes map[string]any) map[string]any {
	now := m.Time().Unix()
	return assertiontest.With(map[string]any{
		"iss": MuseumOrigin, "aud": nodetest.Issuer, "nonce": nonce, "sub": "7", "iat": now, "exp": now + 60, "jti": "jti-" + nonce,
		"preferred_username": "grace", "name": "Grace H.", "auth_time": now - 10,
	}, changes)
}

// Assert returns a signed assertion for a request.
func (m *Museum) Assert(nonce string, changes map[string]any) string {
	return m.Key.Sign("bearerd-sign-in+jwt", m.Claims(nonce, changes))
}

// Post has a browser bring an assertion from the museum's page.
func Post(t *testing.T, b *edgetest.Site, raw string, options ...edgetest.Option) *edgetest.Answer {
	t.Helper()
	set := func(r *http.Request) {
		r.Header.Set("Origin", MuseumOrigin)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Content-Type", edgetest.TypeForm)
	}
	options = append([]edgetest.Option{set}, options...)
	return b.Do(t, "POST", "/auth/sign-in/museum", edgetest.Form("assertion", raw), options...)
}

// Origin sets the header of that name.
func Origin(o string) edgetest.Option { return func(r *http.Request) { r.Header.Set("Origin", o) } }
