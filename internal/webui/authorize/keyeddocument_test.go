package authorize_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/assertion/assertiontest"
	"github.com/bearerd/bearerd/internal/authorizing"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/clientauth"
	"github.com/bearerd/bearerd/internal/clientdoc"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/webui"
	"github.com/bearerd/bearerd/internal/webui/webuitest"
)

const (
	keyedID   = "https://assistant.example.com/client.json"
	keyedBack = "https://assistant.example.com/back"
	keyedSet  = "https://assistant.example.com/jwks.json"
)

// assistant is a client that nobody registered, with the host of its document and its keys.
type assistant struct {
	*webuitest.Site
	key       assertiontest.Key
	method    atomic.Pointer[string]
	documents atomic.Int64 // how often its document was read
	sets      atomic.Int64
	later     atomic.Int64 // by how much the clock of the documents' reader is ahead
}

func newAssistant(t *testing.T) *assistant {
	t.Helper()
	a := &assistant{key: assertiontest.New(t, "ES256", "k1")}
	a.method.Store(new("private_key_jwt"))
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/jwks.json" {
			a.sets.Add(1)
			_, _ = io.WriteString(w, assertiontest.Set(a.key.JWK()))
			return
		}
		a.documents.Add(1)
		_, _ = io.WriteString(w, `{"client_id":"`+keyedID+`","client_name":"Assistant","redirect_uris":["`+keyedBack+
			`"],"token_endpoint_auth_method":"`+*a.method.Load()+`","jwks_uri":"`+keyedSet+`"}`)
	}))
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	documents, err := clientdoc.New(clientdoc.Config{
		Now: func() time.Time { return time.Now().Add(time.Duration(a.later.Load())) }, TLS: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: "example.com"},
		Instead: map[string]netip.AddrPort{"assistant.example.com": netip.MustParseAddrPort(server.Listener.Addr().String())},
	})
	nodetest.Must(t, err)
	a.Site = webuitest.New(t, nodetest.Options{Settings: func(s *node.Settings) {
		s.ClientURL, s.ClientKeySet = identity.IsClientURL, documents.KeySet
	}}, func(p *webui.Pages) { p.Documents = documents })
	return a
}

// authenticate has the client sign a fresh assertion.
func (a *assistant) authenticate(t *testing.T, key assertiontest.Key) (*caller.Caller, error) {
	t.Helper()
	return a.ClientAuth.Authenticate(t.Context(), clientauth.Credential{Type: clientauth.Type, Assertion: key.Sign("", map[string]any{
		"iss": keyedID, "sub": keyedID, "aud": nodetest.Issuer, "jti": uuid.NewString(), "exp": a.Time().Add(time.Minute).Unix(),
	})})
}

// allowed has ada allow the client to read, and returns the code.
func (a *assistant) allowed(t *testing.T) string {
	t.Helper()
	q := query("client_id", keyedID, "redirect_uri", keyedBack, "resource", "", "scope", "read")
	return answered(t, allow(t, a.Ada(t), q, "scope", "read"), keyedBack).Get("code")
}

func (a *assistant) redeem(t *testing.T, c *caller.Caller, code string) (issuance.Pair, error) {
	t.Helper()
	return a.RedeemCode(t.Context(), authorizing.CodeUse{Client: c, Code: code, RedirectURI: keyedBack, Verifier: verifier})
}

// TestADocumentsClientAuthenticatesByItsKey: with the keys that its document named when a person
// allowed it something, without reading the document again; by its id alone it is refused, and
// it has no more rights than a public client.
func TestADocumentsClientAuthenticatesByItsKey(t *testing.T) {
	t.Parallel()
	a := newAssistant(t)
	if _, err := a.authenticate(t, a.key); !fault.Is(err, fault.InvalidClient) || a.documents.Load()+a.sets.Load() != 0 {
		t.Errorf("before anybody allowed it anything: %v", err)
	}
	code := a.allowed(t)
	if _, err := a.IdentifyClient(t.Context(), keyedID); !fault.Is(err, fault.InvalidClient) {
		t.Errorf("by its id alone: %v", err)
	}
	if _, err := a.authenticate(t, assertiontest.New(t, "ES256", "k1")); !fault.Is(err, fault.InvalidClient) {
		t.Errorf("by another key: %v", err)
	}
	c, err := a.authenticate(t, a.key)
	nodetest.Must(t, err)
	if c.Client() != nil || caller.RequireIntrospect(c) == nil || c.Unlimited() {
		t.Error("a client that nobody registered has the rights of one that somebody did")
	}
	pair, err := a.redeem(t, c, code)
	nodetest.Must(t, err)
	use := issuance.Refresh{Token: pair.Refresh.Value.Reveal(), Client: c}
	if _, err := a.Refresh(t.Context(), use); !fault.Is(err, fault.InvalidClient) {
		t.Errorf("the assertion a second time: %v", err)
	}
	use.Client, err = a.authenticate(t, a.key)
	nodetest.Must(t, err)
	nodetest.Must(t, nodetest.Second(a.Refresh(t.Context(), use)))
	if a.documents.Load() != 1 || a.sets.Load() != 1 {
		t.Errorf("the document was read %d times, its keys %d times", a.documents.Load(), a.sets.Load())
	}
}

// TestADocumentThatDropsItsKeys makes the client a public one when somebody allows it something
// again, and a document that brings them back ends that.
func TestADocumentThatDropsItsKeys(t *testing.T) {
	t.Parallel()
	for _, then := range []string{"none", "private_key_jwt"} {
		a := newAssistant(t)
		first := map[string]string{"none": "private_key_jwt", "private_key_jwt": "none"}[then]
		a.method.Store(&first)
		a.allowed(t)
		a.method.Store(&then)
		a.later.Store(int64(25 * time.Hour)) // the document is read again
		code := a.allowed(t)
		c, err := a.IdentifyClient(t.Context(), keyedID)
		if (err == nil) != (then == "none") {
			t.Errorf("%s: %v", then, err)
		}
		if then == "private_key_jwt" {
			c, err = a.authenticate(t, a.key)
			nodetest.Must(t, err)
		}
		nodetest.Must(t, nodetest.Second(a.redeem(t, c, code)))
	}
}
