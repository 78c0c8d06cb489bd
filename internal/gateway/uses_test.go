package gateway_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/uses"
	"github.com/bearerd/bearerd/internal/verification"
)

// What is noted of a request is a configured route, a requirement's name or a plain word of
// its path, only when it was allowed, and nothing of what follows.
func TestWhereATokenIsUsedIsNoted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	session, err := w.StartSession(t.Context(), w.login, nil)
	must(t, err)
	by, err := w.Session(t.Context(), session.Value.Reveal())
	must(t, err)
	issued := w.APIToken(t, by, credentials.NewCredential{Scope: []string{"read", "write"}})
	requirements, err := gateway.NewRequirements(map[string]gateway.NamedRequirement{
		"museum": {Scope: []string{"read", "write"}, SafeScope: []string{"read"}}, "refused": {Scope: []string{"delete"}},
		"things": {Permission: access.Permission{Action: "read", Path: "/things"}},
	})
	must(t, err)
	mux := http.NewServeMux()
	(&gateway.ForwardAuth{Gate: w.gate, Requirements: requirements}).Register(mux)
	asked, proxied := serve(t, mux), w.guarded(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), nil)

	secret := uuid.NewString()
	for _, c := range []struct{ method, url, forwarded, uri string }{
		{"GET", asked + "/auth/ext-authz/museum/specimens/" + secret, "", ""},
		{"POST", asked + "/auth/ext-authz/museum/" + secret, "", ""},
		{"POST", asked + "/auth/ext-authz/refused/x", "", ""},
		{"GET", asked + "/auth/verify?scope=read&collection=4", "GET", "/specimens/" + secret + "?token=" + secret},
		{"GET", asked + "/auth/verify?scope=read", "POST", "/" + secret},
		{"GET", asked + "/auth/verify", "", ""}, // the method isn't known
		{"GET", asked + "/auth/verify?requirement=things", "HEAD", "/anything"},
		{"GET", proxied + "/read/" + secret, "", ""},
		{"DELETE", proxied + "/things/" + secret, "", ""},
		{"DELETE", proxied + "/secret/" + secret, "", ""}, // 403
		{"PUT", proxied + "/else/" + secret, "", ""},
		{"PUT", proxied + "/" + secret, "", ""},
	} {
		h := bearer(issued)
		if c.forwarded != "" {
			h.Set("X-Forwarded-Method", c.forwarded)
		}
		if c.uri != "" {
			h.Set("X-Forwarded-Uri", c.uri)
		}
		send(t, c.method, c.url, h, nil)
	}
	must(t, w.FlushBook(t.Context()))
	id, _ := uses.IDOf(issued.ID)
	list, err := w.Store.TokenUses(t.Context(), id)
	must(t, err)
	var got []string
	for _, u := range list {
		got = append(got, fmt.Sprintf("%s safe:%v %q %d ×%d", u.Route, u.Safe, u.Scope, u.Collection, u.Count))
	}
	slices.Sort(got)
	want := []string{
		`* safe:false "" -1 ×2`, `* safe:false "read" -1 ×1`, `/else safe:false "" -1 ×1`, `/read safe:true "read" -1 ×1`,
		`/specimens safe:true "read" 4 ×1`, `/things safe:false "" -1 ×1`,
		`ext-authz/museum safe:false "read" -1 ×1`, `ext-authz/museum safe:false "write" -1 ×1`, `ext-authz/museum safe:true "read" -1 ×1`,
		`ext-authz/things safe:true "" -1 ×1`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("noted\n%q, want\n%q", got, want)
	}
}

// Noting a use costs no allocation: neither of a stored token nor of what was made from one.
func TestNotingAUseAllocatesNothing(t *testing.T) {
	w := newWorld(t, nodetest.Options{})
	session, err := w.StartSession(t.Context(), w.login, nil)
	must(t, err)
	by, err := w.Session(t.Context(), session.Value.Reveal())
	must(t, err)
	key := w.ExchangeKey(t, by, credentials.NewCredential{Scope: []string{"read"}})
	traded, err := w.Exchange(t.Context(), issuance.Exchange{Subject: key.Value.Reveal()})
	must(t, err)
	for name, issued := range map[string]*issuance.Issued{
		"API token": w.APIToken(t, by, credentials.NewCredential{Scope: []string{"read"}}), "access token of a key": traded.Access,
	} {
		needs := verification.Requirements{Scope: []string{"read"}, Route: "/api", SafeMethod: true}
		n := testing.AllocsPerRun(500, func() {
			if _, err := w.Verify(t.Context(), issued.Value.Reveal(), needs); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
