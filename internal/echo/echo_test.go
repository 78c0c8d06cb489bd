package echo_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/echo"
	"github.com/bearerd/bearerd/internal/httpkit"
)

var (
	key = echo.Key{1, 2, 3}
	now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
)

func ask(edge *echo.Edge, change func(*http.Request)) *httptest.ResponseRecorder {
	mux := http.NewServeMux()
	edge.Register(mux)
	r := httptest.NewRequest(http.MethodGet, echo.Path, nil)
	r.RemoteAddr, r.Host = "127.0.0.1:4711", "auth.example.org"
	r.Header.Set(echo.ProofHeader, key.Proof(echo.Path, now))
	change(r)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

func edge() *echo.Edge {
	return &echo.Edge{Key: key, Proxies: httpkit.Proxies{netip.MustParsePrefix("127.0.0.1/32")}, Now: func() time.Time { return now }}
}

func TestItSaysHowARequestLooked(t *testing.T) {
	t.Parallel()
	w := ask(edge(), func(r *http.Request) {
		r.Header.Set("Authorization", echo.Authorization)
		r.Header["X-Forwarded-For"] = []string{"198.51.100.7, 203.0.113.9", "127.0.0.1"}
	})
	var got echo.Seen
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	want := echo.Seen{
		Peer: "127.0.0.1:4711", Trusted: true, Client: "203.0.113.9", ForwardedFor: []string{"198.51.100.7", "203.0.113.9", "127.0.0.1"},
		Host: "auth.example.org", Authorization: true, Time: now.UnixMilli(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("it may be cached: %v", w.Header())
	}
}

// Nobody without the key learns that there is anything, however close the proof is.
func TestItAnswersNobodyElse(t *testing.T) {
	t.Parallel()
	good := key.Proof(echo.Path, now)
	proof := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(echo.ProofHeader, value) }
	}
	for name, change := range map[string]func(*http.Request){
		"no proof":         func(r *http.Request) { r.Header.Del(echo.ProofHeader) },
		"an empty one":     proof(""),
		"two":              func(r *http.Request) { r.Header.Add(echo.ProofHeader, good) },
		"another key":      proof(echo.Key{9}.Proof(echo.Path, now)),
		"another path":     proof(key.Proof("/accounts/token", now)),
		"the zero key":     proof(echo.Key{}.Proof(echo.Path, now)),
		"too old":          proof(key.Proof(echo.Path, now.Add(-5*time.Minute-2*time.Second))),
		"of the future":    proof(key.Proof(echo.Path, now.Add(5*time.Minute+2*time.Second))),
		"another time":     proof("9" + good[1:]),
		"no signature":     proof(good[:strings.LastIndexByte(good, '.')]),
		"a short one":      proof(good[:len(good)-1]),
		"a dot":            proof("."),
		"the query":        func(r *http.Request) { r.Header.Del(echo.ProofHeader); r.URL.RawQuery = echo.ProofHeader + "=" + good },
		"far in the past":  proof(key.Proof(echo.Path, time.Unix(-1<<40, 0))),
		"far in the light": proof(key.Proof(echo.Path, time.Unix(1<<40, 0))),
	} {
		w := ask(edge(), change)
		if w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), "127.0.0.1") || strings.Contains(w.Body.String(), "proof") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	for _, off := range []time.Duration{-4 * time.Minute, 0, 4 * time.Minute} {
		if w := ask(edge(), proof(key.Proof(echo.Path, now.Add(off)))); w.Code != http.StatusOK {
			t.Errorf("a proof of %s ago is refused: %d", -off, w.Code)
		}
	}
}

func TestAnAuthorizationThatWasChangedDidNotArrive(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{"none": nil, "another": {"Bearer x"}, "two": {echo.Authorization, echo.Authorization}} {
		w := ask(edge(), func(r *http.Request) { r.Header["Authorization"] = values })
		var got echo.Seen
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Authorization {
			t.Errorf("%s: %s %v", name, w.Body, err)
		}
	}
}

// recut makes of a proof for /a./PATH what is signed for PATH, if that began elsewhere.
func recut(proof string) string {
	at := strings.LastIndexByte(proof, '.')
	return proof[:at] + "./a" + proof[at:]
}

// TestItSaysThatAPathLeadsHere also keeps apart what is asked: a proof that reached another
// server opens no other path.
func TestItSaysThatAPathLeadsHere(t *testing.T) {
	t.Parallel()
	const path = "/accounts/token"
	for name, c := range map[string]struct {
		proofs []string
		path   string
		want   bool
	}{
		"a proof for the path":      {[]string{key.Proof(path, now)}, path, true},
		"a proof for another path":  {[]string{key.Proof("/context/login", now)}, path, false},
		"a proof for how it looked": {[]string{key.Proof(echo.Path, now)}, path, false},
		"no proof":                  {nil, path, false},
		"two":                       {[]string{key.Proof(path, now), key.Proof(path, now)}, path, false},
		"too old":                   {[]string{key.Proof(path, now.Add(-6*time.Minute))}, path, false},
		"a proof cut elsewhere":     {[]string{recut(key.Proof("/a."+path, now))}, path, false},
		"the endpoint of its own":   {[]string{key.Proof(echo.Path, now)}, echo.Path, false},
	} {
		r := httptest.NewRequest(http.MethodGet, c.path, nil)
		r.Header[echo.ProofHeader] = c.proofs
		if got := edge().Asks(r, c.path); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	w := httptest.NewRecorder()
	edge().Reached(w)
	if w.Code != http.StatusNoContent || w.Header().Get(echo.ReachedHeader) == "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
