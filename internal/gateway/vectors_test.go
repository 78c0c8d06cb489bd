package gateway_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/httpkit"

	"github.com/bearerd/bearerd/internal/records/op"

	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/token"
)

const vectorDir = "../../verify/testdata/vectors"

// vectorKeys is keys.json, as far as it is needed here.
type vectorKeys struct {
	Now      int64       `json:"now"`
	Issuer   string      `json:"issuer"`
	Audience string      `json:"audience"`
	Keys     []vectorKey `json:"keys"`
	Secret   string      `json:"secret"`
}

type vectorKey struct {
	Alg     token.Algorithm `json:"alg"`
	Private string          `json:"private"`
}

type vectorFile struct {
	Verifier string `json:"verifier"`
	Vectors  []struct {
		Name    string `json:"name"`
		Check   string `json:"check"`
		Token   string `json:"token"`
		Address string `json:"address"` // of the client
	} `json:"vectors"`
}

func readJSON(t testing.TB, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectorDir, name))
	must(t, err)
	must(t, json.Unmarshal(text, into))
}

func (k vectorKey) signing(t testing.TB) token.SigningKey {
	t.Helper()
	block, _ := pem.Decode([]byte(k.Private))
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	must(t, err)
	signer, ok := private.(crypto.Signer)
	if !ok {
		t.Fatalf("%T is no signer", private)
	}
	key, err := token.NewSigningKey(k.Alg, signer)
	must(t, err)
	return key
}

// vectorSubject is whom the good vectors speak for.
const vectorSubject = "5f0c7d3e-7d4c-4a86-9d5a-0c6f4f1f2b11"

func vectorNode(t testing.TB, k vectorKeys, verifier string) *node {
	t.Helper()
	o := nodeOptions{issuer: k.Issuer, audience: k.Audience, now: time.Unix(k.Now, 0)}
	switch verifier {
	case "keys":
		for _, key := range k.Keys {
			o.keys = append(o.keys, key.signing(t))
		}
	case "secret":
		o.secret = []byte(k.Secret)
	default:
		t.Fatalf("no verifier %q", verifier)
	}
	n := newNode(t, o)
	_, err := n.store.Commit(t.Context(), op.Batch{Ops: []op.Op{
		op.CreateUser{User: identity.User{ID: vectorSubject, Username: "jthomas"}},
	}})
	must(t, err)
	return n
}

// TestEveryVectorIsJudgedAlikeOverHTTP sends each vector to /auth/verify and to
// the proxy.
func TestEveryVectorIsJudgedAlikeOverHTTP(t *testing.T) {
	t.Parallel()
	var keys vectorKeys
	readJSON(t, "keys.json", &keys)
	paths, err := filepath.Glob(filepath.Join(vectorDir, "*.json"))
	must(t, err)
	servers := map[string][2]judge{}
	count, good := 0, 0
	for _, path := range paths {
		name := filepath.Base(path)
		if name == "keys.json" {
			continue
		}
		var f vectorFile
		readJSON(t, name, &f)
		if _, ok := servers[f.Verifier]; !ok {
			servers[f.Verifier] = vectorServers(t, keys, f.Verifier)
		}
		for _, v := range f.Vectors {
			count++
			asked := servers[f.Verifier][0].judge(t, v.Token, v.Address)
			proxied := servers[f.Verifier][1].judge(t, v.Token, v.Address)
			// What is remembered of this one and of those before makes no difference.
			if again := servers[f.Verifier][0].judge(t, v.Token, v.Address); again.status != asked.status || again.body != asked.body {
				t.Errorf("%s: %s: the second time %d %s, the first %d %s", name, v.Name, again.status, again.body, asked.status, asked.body)
			}
			// Space around a header's value, and more than one after the scheme, is no
			// part of the token (RFC 9110 §5.5, §11.4).
			if v.Check == "" || strings.Trim(v.Token, " \t") != v.Token {
				good++
				if asked.status != http.StatusOK || asked.header.Get("X-Bearerd-Subject") == "" || proxied.status != http.StatusTeapot {
					t.Errorf("%s: %s: %d %s, %d %s; want a yes", name, v.Name, asked.status, asked.body, proxied.status, proxied.body)
				}
				continue
			}
			code := asked.members(t)["error"]
			if asked.status != http.StatusUnauthorized || code != "invalid_token" && code != "invalid_request" || asked.header.Get("Remote-User") != "" {
				t.Errorf("%s: %s: %d %s, want a no", name, v.Name, asked.status, asked.body)
			}
			wantProxied := http.StatusUnauthorized
			if code == "invalid_request" {
				wantProxied = http.StatusBadRequest
			}
			if proxied.status != wantProxied || proxied.members(t)["error"] != code {
				t.Errorf("%s: %s: %d %s by the proxy, want %d", name, v.Name, proxied.status, proxied.body, wantProxied)
			}
		}
	}
	if count < 150 || good < 15 {
		t.Errorf("only %d vectors, %d of them good", count, good)
	}
}

// judge is something that judges tokens: over HTTP, or without it where no client
// could send the token.
type judge struct {
	handler http.Handler
	base    string
	path    string
}

func (j judge) judge(t testing.TB, raw, address string) answer {
	t.Helper()
	header := http.Header{"Authorization": {"Bearer " + raw}}
	if address != "" {
		header.Set("X-Forwarded-For", address)
	}
	if !strings.ContainsAny(raw, "\r\n\x00") {
		return get(t, j.base+j.path, header)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, j.path, nil)
	r.Header = header
	rec := httptest.NewRecorder()
	j.handler.ServeHTTP(rec, r)
	return answer{rec.Code, rec.Header(), rec.Body.String()}
}

// vectorServers returns /auth/verify and something behind the proxy.
func vectorServers(t testing.TB, keys vectorKeys, verifier string) [2]judge {
	t.Helper()
	gate := vectorNode(t, keys, verifier).gate()
	mux := http.NewServeMux()
	(&gateway.ForwardAuth{Gate: gate}).Register(mux)
	p, err := gateway.NewProxy(gateway.ProxyConfig{Gate: gate, Upstream: mirror(t)})
	must(t, err)
	asked, proxied := observed(mux), observed(p)
	return [2]judge{{asked, serve(t, asked), "/auth/verify"}, {proxied, serve(t, proxied), "/x"}}
}

// observed returns a handler whose requests have an origin, as a server's have. Loopback
// is a trusted proxy.
func observed(h http.Handler) http.Handler {
	return httpkit.NewObserver(httpkit.ObserverConfig{
		Logger: slog.New(slog.DiscardHandler), Now: time.Now, Proxies: httpkit.Proxies{netip.MustParsePrefix("127.0.0.0/8")},
		Context: func(ctx context.Context, e *httpkit.Event) context.Context {
			return audit.WithOrigin(ctx, audit.Origin{Address: e.ClientAddress()})
		},
	}).Wrap(h)
}
