package assertion_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/assertion"
	"github.com/bearerd/bearerd/internal/assertion/assertiontest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/remote"
)

// publisher is the server of an issuer's JWK Set.
type publisher struct {
	*httptest.Server

	asked atomic.Int64
	mu    sync.Mutex
	serve http.HandlerFunc
}

func publish(tb testing.TB, serve http.HandlerFunc) *publisher {
	tb.Helper()
	p := &publisher{serve: serve}
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		p.mu.Lock()
		serve := p.serve
		p.mu.Unlock()
		serve(w, r)
	}))
	tb.Cleanup(p.Close)
	return p
}

func (p *publisher) now(serve http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serve = serve
}

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
}

// watch is a clock that the test sets.
type watch struct{ nanos atomic.Int64 }

func newWatch() *watch {
	w := &watch{}
	w.nanos.Store(now.UnixNano())
	return w
}

func (w *watch) now() time.Time       { return time.Unix(0, w.nanos.Load()) }
func (w *watch) pass(d time.Duration) { w.nanos.Add(int64(d)) }

// client returns a client that trusts the server.
func (p *publisher) client(tb testing.TB) *http.Client {
	tb.Helper()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})
	c, err := remote.NewClient(write(tb, string(ca)))
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func (p *publisher) verifier(tb testing.TB, w *watch) *assertion.Verifier {
	tb.Helper()
	keys, err := assertion.SetURL(assertion.SetConfig{Name: "museum", Address: p.URL + "/jwks", Client: p.client(tb), Now: w.now})
	return verifier(tb, keys, err)
}

// verify judges a good assertion that the key signed.
func verify(tb testing.TB, v *assertion.Verifier, k assertiontest.Key) error {
	tb.Helper()
	_, err := v.Verify(tb.Context(), k.Sign(typ, good()), expected())
	return err
}

func (p *publisher) wasAsked(tb testing.TB, times int64) {
	tb.Helper()
	if got := p.asked.Load(); got != times {
		tb.Errorf("the set was fetched %d times, want %d", got, times)
	}
}

func TestASetIsFetchedAtFirstUseAndKept(t *testing.T) {
	t.Parallel()
	k, w := assertiontest.New(t, "EdDSA", "k1"), newWatch()
	p := publish(t, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Cache-Control", "public, max-age=600")
		_, _ = rw.Write([]byte(assertiontest.Set(k.JWK())))
	})
	v := p.verifier(t, w)
	p.wasAsked(t, 0)
	for range 3 {
		if err := verify(t, v, k); err != nil {
			t.Error(err)
		}
	}
	p.wasAsked(t, 1)
	w.pass(9 * time.Minute)
	_ = verify(t, v, k)
	p.wasAsked(t, 1)
	w.pass(2 * time.Minute)
	_ = verify(t, v, k)
	p.wasAsked(t, 2)
}

// Strangers choose kid: however many they send, the set is fetched once a minute.
func TestUnknownKeysFetchOnceAMinute(t *testing.T) {
	t.Parallel()
	k, w := assertiontest.New(t, "EdDSA", "k1"), newWatch()
	p := publish(t, text(assertiontest.Set(k.JWK())))
	v := p.verifier(t, w)
	_ = verify(t, v, k)
	flood := func() {
		for i := range 100 {
			if err := verify(t, v, k.As("EdDSA", fmt.Sprint("forged-", i))); !fault.Is(err, fault.InvalidToken) {
				t.Error(err)
			}
		}
	}
	w.pass(59 * time.Second)
	flood()
	p.wasAsked(t, 1)
	w.pass(time.Second)
	flood()
	p.wasAsked(t, 2)
	next := assertiontest.New(t, "EdDSA", "k2")
	p.now(text(assertiontest.Set(next.JWK())))
	w.pass(time.Minute)
	if err := verify(t, v, next); err != nil {
		t.Errorf("the issuer's new key: %v", err)
	}
	if err := verify(t, v, k); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("the key that the issuer has removed: %v", err)
	}
	p.wasAsked(t, 3)
}

func TestAlgorithmsOfNoPublicKeyFetchNothing(t *testing.T) {
	t.Parallel()
	k, w := assertiontest.New(t, "EdDSA", "k1"), newWatch()
	p := publish(t, text(assertiontest.Set(k.JWK())))
	v := p.verifier(t, w)
	for _, alg := range []string{"HS256", "none", "RS512"} {
		if err := verify(t, v, assertiontest.Shared(t, shared).As(alg, "k1")); !fault.Is(err, fault.InvalidToken) {
			t.Errorf("%s: %v", alg, err)
		}
	}
	p.wasAsked(t, 0)
}

func TestOneFetchServesAllWhoWait(t *testing.T) {
	t.Parallel()
	k, w := assertiontest.New(t, "EdDSA", "k1"), newWatch()
	answer := make(chan struct{})
	p := publish(t, func(rw http.ResponseWriter, _ *http.Request) {
		<-answer
		_, _ = rw.Write([]byte(assertiontest.Set(k.JWK())))
	})
	v := p.verifier(t, w)
	// The one who asks first leaves: the others still get the answer.
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := v.Verify(ctx, k.Sign(typ, good()), expected())
		left <- err
	}()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := verify(t, v, k); err != nil {
				t.Error(err)
			}
		})
	}
	leave()
	if err := <-left; !fault.Is(err, fault.Unavailable) {
		t.Errorf("who left: %v", err)
	}
	close(answer)
	wg.Wait()
	p.wasAsked(t, 1)
}

// A set that can't be fetched is no reason to refuse: nothing is known of the assertion.
func TestWithoutASetNothingIsDecided(t *testing.T) {
	t.Parallel()
	k := assertiontest.New(t, "EdDSA", "k1")
	good := assertiontest.Set(k.JWK())
	for name, serve := range map[string]http.HandlerFunc{
		"500": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/jwks" {
				http.Redirect(w, r, "/there", http.StatusFound)
				return
			}
			_, _ = w.Write([]byte(good))
		},
		"too large":      text(good + strings.Repeat(" ", 256<<10)),
		"no JSON":        text("<html>"),
		"two members":    text(`{"keys":[],` + good[1:]),
		"no keys":        text(`{"keys":[]}`),
		"keys no list":   text(`{"keys":{}}`),
		"closed at once": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		w := newWatch()
		p := publish(t, serve)
		v := p.verifier(t, w)
		for range 3 {
			if err := verify(t, v, k); !fault.Is(err, fault.Unavailable) || fault.RetryAfter(err) <= 0 || !strings.Contains(fault.Message(err), "museum") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if name != "a redirect" {
			p.wasAsked(t, 1) // and again after five seconds
		}
		p.now(text(good))
		w.pass(5 * time.Second)
		if err := verify(t, v, k); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
}

func TestASlowSetIsGivenUp(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	p := publish(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"keys":`))
		w.(http.Flusher).Flush() //nolint:errcheck // httptest's writer is one
		<-hold
	})
	defer close(hold)
	if err := verify(t, p.verifier(t, newWatch()), assertiontest.New(t, "EdDSA", "k1")); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

func TestAStaleSetServesForADay(t *testing.T) {
	t.Parallel()
	k, w := assertiontest.New(t, "EdDSA", "k1"), newWatch()
	p := publish(t, text(assertiontest.Set(k.JWK())))
	v := p.verifier(t, w)
	_ = verify(t, v, k)
	p.Close()
	w.pass(23 * time.Hour)
	if err := verify(t, v, k); err != nil {
		t.Errorf("after 23 hours: %v", err)
	}
	w.pass(time.Hour)
	if err := verify(t, v, k); !fault.Is(err, fault.Unavailable) {
		t.Errorf("after a day: %v", err)
	}
}

func TestCacheControlOfASet(t *testing.T) {
	t.Parallel()
	k := assertiontest.New(t, "EdDSA", "k1")
	for control, fresh := range map[string]time.Duration{
		"": 5 * time.Minute, "no-store": time.Minute, "max-age=1": time.Minute, "max-age=1200, must-revalidate": 20 * time.Minute,
		"max-age=86400": time.Hour, "max-age=x": 5 * time.Minute, `MAX-AGE="120"`: 2 * time.Minute,
	} {
		w := newWatch()
		p := publish(t, func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Cache-Control", control)
			_, _ = rw.Write([]byte(assertiontest.Set(k.JWK())))
		})
		v := p.verifier(t, w)
		_ = verify(t, v, k)
		w.pass(fresh - time.Second)
		_ = verify(t, v, k)
		p.wasAsked(t, 1)
		w.pass(time.Second)
		_ = verify(t, v, k)
		if p.wasAsked(t, 2); t.Failed() {
			t.Fatalf("Cache-Control: %s", control)
		}
	}
}

// What a set may hold beside good keys, and what spoils it.
func TestKeysOfASet(t *testing.T) {
	t.Parallel()
	k := assertiontest.New(t, "EdDSA", "k1")
	with := func(changes map[string]any) map[string]any { return assertiontest.With(k.JWK(), changes) }
	for name, other := range map[string]map[string]any{
		"an encryption key":     {"kty": "RSA", "use": "enc", "alg": "RSA-OAEP", "kid": "e", "n": "AQAB", "e": "AQAB"},
		"a weak key":            assertiontest.RSA(t, "RS256", "weak", 1024).JWK(),
		"a curve of others":     {"kty": "EC", "crv": "P-384", "kid": "p", "x": "AA", "y": "AA", "use": "sig"},
		"a type of others":      {"kty": "AKP", "alg": "ML-DSA-44", "kid": "p", "pub": "AA"},
		"an algorithm of ours":  with(map[string]any{"alg": "HS256", "kid": "k2"}),
		"operations of others":  with(map[string]any{"key_ops": []string{"encrypt"}, "kid": "k2"}),
		"a point off the curve": {"kty": "EC", "crv": "P-256", "kid": "p", "x": strings.Repeat("A", 43), "y": strings.Repeat("A", 43)},
	} {
		if err := verify(t, fromSet(t, k.JWK(), other), k); err != nil {
			t.Errorf("beside %s: %v", name, err)
		}
	}
	weak := assertiontest.RSA(t, "RS256", "weak", 1024)
	if err := verify(t, fromSet(t, k.JWK(), weak.JWK()), weak); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("a weak key: %v", err)
	}
	for name, other := range map[string]map[string]any{
		"a private key": with(map[string]any{"kid": "k2", "d": "AAAA"}),
		"a secret":      {"kty": "oct", "kid": "s", "k": "AAAA"},
		"the same id":   assertiontest.New(t, "EdDSA", "k1").JWK(),
	} {
		if _, err := assertion.SetFile(t.Context(), "jwks", write(t, assertiontest.Set(k.JWK(), other)), clock); err == nil {
			t.Errorf("a set with %s is used", name)
		}
	}
	for name, jwk := range map[string]map[string]any{
		"without alg":     with(map[string]any{"alg": nil}),
		"without use":     with(map[string]any{"use": nil}),
		"with key_ops":    with(map[string]any{"use": nil, "key_ops": []string{"verify"}}),
		"with an x5c":     with(map[string]any{"x5c": []string{"AA"}}),
		"with its issuer": with(map[string]any{"issuer": issuer}),
	} {
		if err := verify(t, fromSet(t, jwk), k); err != nil {
			t.Errorf("a key %s: %v", name, err)
		}
	}
	nameless := with(map[string]any{"kid": nil})
	if err := verify(t, fromSet(t, nameless), k.As("EdDSA", "")); err != nil {
		t.Errorf("a key without kid: %v", err)
	}
	if err := verify(t, fromSet(t, nameless), k); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("a token with a kid that no key has: %v", err)
	}
	two := assertiontest.New(t, "EdDSA", "k2")
	if err := verify(t, fromSet(t, k.JWK(), two.JWK()), k.As("EdDSA", "")); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("a token without kid where there are two keys: %v", err)
	}
}

func TestASetInAFileCanBeReplaced(t *testing.T) {
	t.Parallel()
	one, two, w := assertiontest.New(t, "EdDSA", "k1"), assertiontest.New(t, "EdDSA", "k2"), newWatch()
	path := write(t, assertiontest.Set(one.JWK()))
	keys, err := assertion.SetFile(t.Context(), "jwks", path, w.now)
	v := verifier(t, keys, err)
	if err := os.WriteFile(path, []byte(assertiontest.Set(two.JWK())), 0o600); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	if err := verify(t, v, two); err != nil {
		t.Error(err)
	}
	if err := verify(t, v, one); !fault.Is(err, fault.InvalidToken) {
		t.Error(err)
	}
	for name, body := range map[string]string{"empty": "", "too large": strings.Repeat(" ", 256<<10) + assertiontest.Set(one.JWK())} {
		if _, err := assertion.SetFile(t.Context(), "sign_in.sources.0.jwks", write(t, body), clock); err == nil || !strings.HasPrefix(err.Error(), "sign_in.sources.0.jwks: ") {
			t.Errorf("a file that is %s: %v", name, err)
		}
	}
}
