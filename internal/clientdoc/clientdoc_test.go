package clientdoc_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/clientdoc"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
)

const (
	host = "assistant.example.com"
	id   = "https://assistant.example.com/client.json"
	good = `{"client_id":"` + id + `","client_name":"Assistant","redirect_uris":["https://assistant.example.com/back","http://127.0.0.1/cb"],"grant_types":["authorization_code","refresh_token"],"token_endpoint_auth_method":"none","logo_uri":"https://x.example/l.png"}`
)

// world is a host that answers with documents, and a clock.
type world struct {
	now   atomic.Int64
	asked atomic.Int64
	serve atomic.Pointer[http.HandlerFunc]
	*clientdoc.Reader
}

// newWorld serves good until a test says otherwise.
func newWorld(t *testing.T, change ...func(*clientdoc.Config)) *world {
	t.Helper()
	w := &world{}
	w.now.Store(time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC).UnixNano())
	w.answers(good, "application/json", "")
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		(*w.serve.Load())(rw, r)
	}))
	server.StartTLS()
	t.Cleanup(server.Close)
	c := clientdoc.Config{
		Now: func() time.Time { return time.Unix(0, w.now.Load()) },
		TLS: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots(server), ServerName: "example.com"},
		Instead: map[string]netip.AddrPort{
			host: netip.MustParseAddrPort(server.Listener.Addr().String()),
		},
	}
	for _, f := range change {
		f(&c)
	}
	var err error
	if w.Reader, err = clientdoc.New(c); err != nil {
		t.Fatal(err)
	}
	return w
}

// roots returns what vouches for a server of httptest.
func roots(server *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return pool
}

func (w *world) answers(body, kind, cache string) {
	serve := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", kind)
		if cache != "" {
			rw.Header().Set("Cache-Control", cache)
		}
		_, _ = rw.Write([]byte(body))
	})
	w.serve.Store(&serve)
}

func (w *world) pass(d time.Duration) { w.now.Add(int64(d)) }

// A document is read once within its time, however many ask at once.
func TestADocumentIsReadOnceInItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			c, err := w.Read(t.Context(), fmt.Sprint("person", n), id)
			if err != nil || c.Name != "Assistant" || len(c.RedirectURIs) != 2 || !c.Public() {
				t.Errorf("%+v, %v", c, err)
			}
		})
	}
	all.Wait()
	for _, tt := range []struct {
		cache string
		kept  time.Duration
	}{{"max-age=600", time.Hour}, {"no-store", 10 * time.Minute}, {"max-age=1", 5 * time.Minute}, {"max-age=99999999", 5 * time.Minute}, {"", 24 * time.Hour}} {
		before := w.asked.Load()
		w.pass(tt.kept - time.Second)
		if _, err := w.Read(t.Context(), "p", id); err != nil || w.asked.Load() != before {
			t.Errorf("before %s it was read again, %v", tt.kept, err)
		}
		w.answers(good, "application/json", tt.cache)
		w.pass(2 * time.Second)
		if _, err := w.Read(t.Context(), "p", id); err != nil || w.asked.Load() != before+1 {
			t.Errorf("after %s it was read %d times, %v", tt.kept, w.asked.Load()-before, err)
		}
	}
}

// What a document says is taken whole or not at all, and a failure is remembered for a
// minute.
func TestDocumentsThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body, kind string
		want       fault.Kind
	}{
		"no JSON":               {"<html>", "application/json", fault.Invalid},
		"another type":          {good, "text/html", fault.Unavailable},
		"no type":               {good, "", fault.Unavailable},
		"huge":                  {strings.Repeat(" ", 64<<10) + good, "application/json", fault.Unavailable},
		"a member twice":        {strings.Replace(good, `"client_name"`, `"client_id":"x","client_name"`, 1), "application/json", fault.Invalid},
		"another id":            {strings.Replace(good, "client.json", "other.json", 1), "application/json", fault.Invalid},
		"no name":               {strings.Replace(good, `"client_name":"Assistant",`, "", 1), "application/json", fault.Invalid},
		"an empty name":         {strings.Replace(good, "Assistant", "", 1), "application/json", fault.Invalid},
		"a deceiving name":      {strings.Replace(good, "Assistant", "As\u202esistant", 1), "application/json", fault.Invalid},
		"no redirect":           {strings.Replace(good, `"redirect_uris"`, `"uris"`, 1), "application/json", fault.Invalid},
		"an empty list":         {strings.Replace(good, `["https://assistant.example.com/back","http://127.0.0.1/cb"]`, `[]`, 1), "application/json", fault.Invalid},
		"http":                  {strings.Replace(good, "https://assistant.example.com/back", "http://assistant.example.com/back", 1), "application/json", fault.Invalid},
		"a secret":              {strings.Replace(good, `"logo_uri"`, `"client_secret":"x","logo_uri"`, 1), "application/json", fault.Invalid},
		"a secret's method":     {strings.Replace(good, `"none"`, `"client_secret_basic"`, 1), "application/json", fault.Invalid},
		"a shared key":          {strings.Replace(good, `"none"`, `"client_secret_jwt"`, 1), "application/json", fault.Invalid},
		"a key, but none named": {strings.Replace(good, `"none"`, `"private_key_jwt"`, 1), "application/json", fault.Invalid},
		"a set and its address": {keyed(`"jwks":{"keys":[` + publicKey + `]},"jwks_uri":"https://assistant.example.com/jwks"`), "application/json", fault.Invalid},
		"a private key":         {keyed(`"jwks":{"keys":[` + strings.Replace(publicKey, `"kty"`, `"d":"AA","kty"`, 1) + `]}`), "application/json", fault.Invalid},
		"a set without keys":    {keyed(`"jwks":{"keys":[]}`), "application/json", fault.Invalid},
		"keys by http":          {keyed(`"jwks_uri":"http://assistant.example.com/jwks"`), "application/json", fault.Invalid},
		"keys on this machine":  {keyed(`"jwks_uri":"https://127.0.0.1/jwks"`), "application/json", fault.Invalid},
		"keys at a port":        {keyed(`"jwks_uri":"https://assistant.example.com:8443/jwks"`), "application/json", fault.Invalid},
		"another grant":         {strings.Replace(good, `["authorization_code","refresh_token"]`, `["implicit"]`, 1), "application/json", fault.Invalid},
		"a name that is a list": {strings.Replace(good, `"Assistant"`, `["Assistant"]`, 1), "application/json", fault.Invalid},
	} {
		w := newWorld(t)
		w.answers(tt.body, tt.kind, "")
		for range 2 {
			if c, err := w.Read(t.Context(), "p", id); !fault.Is(err, tt.want) || c != nil {
				t.Errorf("%s: %+v, %v", name, c, err)
			}
		}
		if n := w.asked.Load(); n != 1 {
			t.Errorf("%s: it was read %d times", name, n)
		}
		w.answers(good, "application/json", "")
		w.pass(61 * time.Second)
		if _, err := w.Read(t.Context(), "p", id); err != nil {
			t.Errorf("%s: a minute later: %v", name, err)
		}
	}
}

const publicKey = `{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"k1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`

// keyed is a document of a client that authenticates by a key.
func keyed(members string) string {
	return strings.Replace(good, `"none"`, `"private_key_jwt",`+members, 1)
}

// A document's keys are taken, in it or by their address, and ignored where the client doesn't
// authenticate by them. The address is asked as a document is, and each host so often only.
func TestKeysOfADocument(t *testing.T) {
	t.Parallel()
	const address = "https://assistant.example.com/jwks"
	for name, tt := range map[string]struct {
		document string
		want     identity.ClientKeys
	}{
		"a set":           {keyed(`"jwks":{"keys":[` + publicKey + `]}`), identity.ClientKeys{JWKS: `{"keys":[` + publicKey + `]}`}},
		"an address":      {keyed(`"jwks_uri":"` + address + `"`), identity.ClientKeys{URI: address}},
		"for another use": {strings.Replace(good, `"none"`, `"none","jwks_uri":"`+address+`"`, 1), identity.ClientKeys{}},
	} {
		w := newWorld(t)
		w.answers(tt.document, "application/json", "")
		if c, err := w.Read(t.Context(), "p", id); err != nil || c.Keys != tt.want || c.Public() == tt.want.Any() {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	w := newWorld(t)
	w.answers(`{"keys":[]}`, "application/jwk-set+json", "max-age=7")
	body, header, err := w.KeySet(t.Context(), address)
	if err != nil || string(body) != `{"keys":[]}` || header.Get("Cache-Control") != "max-age=7" {
		t.Errorf("%s %v, %v", body, header, err)
	}
	for _, bad := range []string{"http://assistant.example.com/jwks", "https://127.0.0.1/jwks", "https://assistant.example.com/jwks?q"} {
		if _, _, err := w.KeySet(t.Context(), bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for range 100 {
		_, _, err = w.KeySet(t.Context(), address)
	}
	if asked := w.asked.Load(); !fault.Is(err, fault.Limited) || asked > 25 {
		t.Errorf("it was asked %d times, %v", asked, err)
	}
	trusted := newWorld(t, func(c *clientdoc.Config) { c.Hosts = []string{host} })
	trusted.answers(keyed(`"jwks_uri":"https://keys.example/jwks"`), "application/json", "")
	if _, err := trusted.Read(t.Context(), "p", id); !fault.Is(err, fault.Invalid) {
		t.Errorf("keys of a host that isn't trusted: %v", err)
	}
}

// A host that redirects, fails or says nothing is not followed and not waited for.
func TestHostsThatDontAnswer(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer other.Close()
	for name, serve := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) },
		"404":      http.NotFound,
		"500":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("{"))
		},
	} {
		w := newWorld(t)
		w.serve.Store(&serve)
		if _, err := w.Read(t.Context(), "p", id); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever strangers send, one person and one host make only so many readings.
func TestReadingsAreLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.answers(`{}`, "application/json", "")
	limited := 0
	for n := range 100 {
		if _, err := w.Read(t.Context(), "p", fmt.Sprintf("https://%s/%d", host, n)); fault.Is(err, fault.Limited) {
			limited++
		}
	}
	if asked := w.asked.Load(); asked > 25 || limited != 100-int(asked) {
		t.Errorf("%d were read and %d refused", asked, limited)
	}
}

// resolver finds these addresses for every host.
type resolver []netip.Addr

func (r resolver) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) { return r, nil }

// A host that has any address which isn't public is never connected to.
func TestTheInsideIsNeverAsked(t *testing.T) {
	t.Parallel()
	for _, inside := range []string{
		"127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "198.18.0.1", "192.0.0.170",
		"::1", "::", "::ffff:8.8.8.8", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "2002:7f00:1::", "2001::1", "2001:db8::1", "::127.0.0.1",
	} {
		a := netip.MustParseAddr(inside)
		if clientdoc.IsPublic(a) {
			t.Errorf("%s counts as public", inside)
		}
		w := newWorld(t, func(c *clientdoc.Config) { c.Instead, c.Resolver = nil, resolver{netip.MustParseAddr("8.8.8.8"), a} })
		if _, err := w.Read(t.Context(), "p", id); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "not public") {
			t.Errorf("%s: %v", inside, err)
		}
	}
	for _, outside := range []string{"8.8.8.8", "1.1.1.1", "193.0.6.139", "2606:4700:4700::1111", "2a00:1450:4001:80b::200e"} {
		if !clientdoc.IsPublic(netip.MustParseAddr(outside)) {
			t.Errorf("%s counts as not public", outside)
		}
	}
	w := newWorld(t, func(c *clientdoc.Config) { c.Instead, c.Resolver = nil, resolver{} })
	if _, err := w.Read(t.Context(), "p", id); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a host without addresses: %v", err)
	}
}

// A client's URL has one reading.
func TestURLsThatAreClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, good := range []string{id, "https://a.b/c", "https://xn--mller-kva.example/client/metadata.json"} {
		if _, err := w.Check(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "client", "http://a.b/c", "https://a.b", "https://a.b/", "https://a.b/c#d", "https://a.b/c?d", "https://a.b/c?", "https://u@a.b/c", "https://a.b:443/c", "https://a.b:/c",
		"https://a.b/../c", "https://a.b/./c", "https://a.b//c", "https://a.b/c/", "https://a.b/%63", "https://127.0.0.1/c", "https://[::1]/c", "https://2130706433/c", "https://localhost/c",
		"https://A.b/c", "https://müller.example/c", "https://a.b\\c", "https://a.b /c", "https://a..b/c", "https://.a.b/c", "https://a.b./c", "HTTPS://a.b/c", "https://a.b/" + strings.Repeat("c", 255),
	} {
		if _, err := w.Check(bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	trusted := newWorld(t, func(c *clientdoc.Config) { c.Hosts = []string{"other.example"} })
	if _, err := trusted.Read(t.Context(), "p", id); !fault.Is(err, fault.Invalid) {
		t.Errorf("a host that isn't trusted: %v", err)
	}
	if diff := cmp.Diff(int64(0), trusted.asked.Load()); diff != "" {
		t.Errorf("it was read (-want +got):\n%s", diff)
	}
}
