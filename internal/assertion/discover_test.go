package assertion_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/assertion"
	"github.com/bearerd/bearerd/internal/assertion/assertiontest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/remote"
)

// metadataHost publishes an issuer's metadata and keys, and counts what is fetched.
type metadataHost struct {
	*httptest.Server

	says           string // its issuer; "": its own address
	metadata, sets atomic.Int32
}

func newMetadataHost(t *testing.T, jwks string) *metadataHost {
	t.Helper()
	p := &metadataHost{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		p.metadata.Add(1)
		says := p.says
		if says == "" {
			says = p.URL
		}
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q,"response_types_supported":["id_token"]}`, says, p.URL+"/keys")
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		p.sets.Add(1)
		_, _ = w.Write([]byte(jwks))
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// discoverer returns a verifier whose clock stands still, and what moves it on.
func discoverer(t *testing.T, p *metadataHost) (*assertion.Verifier, func(time.Duration)) {
	t.Helper()
	var passed atomic.Int64
	now := func() time.Time { return now.Add(time.Duration(passed.Load())) }
	client, err := remote.NewClient("")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := assertion.Discover(assertion.DiscoverConfig{Name: "partner", Issuer: p.URL, Client: client, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	v, err := assertion.New(assertion.Config{Issuer: p.URL, Keys: keys, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return v, func(d time.Duration) { passed.Add(int64(d)) }
}

func TestKeysAreFoundByMetadata(t *testing.T) {
	t.Parallel()
	k := assertiontest.New(t, "EdDSA", "k1")
	p := newMetadataHost(t, assertiontest.Set(k.JWK()))
	v, pass := discoverer(t, p)
	x := assertion.Expect{Types: []string{typ}, Audience: []string{us}, AnyNonce: true, Leeway: 3 * time.Hour}
	claims := assertiontest.With(good(), map[string]any{"iss": p.URL})
	for range 3 {
		if _, err := v.Verify(t.Context(), k.Sign(typ, claims), x); err != nil {
			t.Fatal(err)
		}
	}
	if p.metadata.Load() != 1 || p.sets.Load() != 1 {
		t.Errorf("fetched %d and %d times", p.metadata.Load(), p.sets.Load())
	}
	// An unknown key has the set fetched once a minute at most, and never the metadata.
	for range 5 {
		if _, err := v.Verify(t.Context(), k.As("EdDSA", "k2").Sign(typ, claims), x); !fault.Is(err, fault.InvalidToken) {
			t.Error(err)
		}
	}
	if p.sets.Load() != 1 {
		t.Errorf("the keys are fetched %d times within a minute", p.sets.Load())
	}
	pass(time.Minute)
	for range 5 {
		_, _ = v.Verify(t.Context(), k.As("EdDSA", "k2").Sign(typ, claims), x)
	}
	if p.sets.Load() != 2 || p.metadata.Load() != 1 {
		t.Errorf("fetched %d and %d times", p.metadata.Load(), p.sets.Load())
	}
	pass(time.Hour)
	if _, err := v.Verify(t.Context(), k.Sign(typ, claims), x); err != nil || p.metadata.Load() != 2 {
		t.Errorf("an hour later: %v, metadata fetched %d times", err, p.metadata.Load())
	}
}

func TestMetadataOfAnotherIssuerIsRefused(t *testing.T) {
	t.Parallel()
	k := assertiontest.New(t, "EdDSA", "k1")
	p := newMetadataHost(t, assertiontest.Set(k.JWK()))
	p.says = "https://else.example.org"
	v, _ := discoverer(t, p)
	x := assertion.Expect{Types: []string{typ}, Audience: []string{us}, AnyNonce: true}
	_, err := v.Verify(t.Context(), k.Sign(typ, assertiontest.With(good(), map[string]any{"iss": p.URL})), x)
	if !fault.Is(err, fault.Unavailable) || p.sets.Load() != 0 {
		t.Errorf("%v, keys fetched %d times", err, p.sets.Load())
	}
	if _, err := assertion.Discover(assertion.DiscoverConfig{Name: "partner", Issuer: "http://partner.example.org"}); err == nil {
		t.Error("keys are fetched without TLS")
	}
}

func TestNBFMayStandForIAT(t *testing.T) {
	t.Parallel()
	k := assertiontest.Shared(t, shared)
	x := expected()
	x.NoIssuedAt, x.MaxAge, x.MaxLifetime = true, time.Hour, 0
	without := assertiontest.With(good(), map[string]any{"iat": nil})
	for name, c := range map[string]struct {
		nbf  any
		good bool
	}{"now": {now.Unix(), true}, "neither": {nil, false}, "too old": {now.Add(-61 * time.Minute).Unix(), false}} {
		_, err := fromSecret(t).Verify(t.Context(), k.Sign(typ, assertiontest.With(without, map[string]any{"nbf": c.nbf})), x)
		if (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
	x.NoIssuedAt = false
	if _, err := fromSecret(t).Verify(t.Context(), k.Sign(typ, assertiontest.With(without, map[string]any{"nbf": now.Unix()})), x); err == nil {
		t.Error("iat may be absent where that isn't allowed")
	}
}
