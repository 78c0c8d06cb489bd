package verify_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/verify"
)

const vectorDir = "testdata/vectors"

// vectorKeys is keys.json, as far as a verifier needs it.
type vectorKeys struct {
	Now      int64           `json:"now"`
	Issuer   string          `json:"issuer"`
	Audience string          `json:"audience"`
	Secret   string          `json:"secret"`
	JWKS     json.RawMessage `json:"jwks"`
}

type vectorFile struct {
	Verifier string `json:"verifier"`
	Vectors  []struct {
		Name    string `json:"name"`
		Check   string `json:"check"`
		Token   string `json:"token"`
		Address string `json:"address"` // of the client; none: it is not known
	} `json:"vectors"`
}

func readVectors(t testing.TB, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectorDir, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// vectorVerifier makes a verifier of that name for the vectors' issuer.
func vectorVerifier(t testing.TB, k vectorKeys, name string) *verify.Verifier {
	t.Helper()
	s := newScript(t)
	s.issuer = k.Issuer
	s.jwks = string(k.JWKS)
	c := s.config()
	c.Issuer, c.Audience = k.Issuer, k.Audience
	c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	c.Now = func() time.Time { return time.Unix(k.Now, 0) }
	switch name {
	case "keys":
	case "secret":
		s.jwks = `{"keys":[]}`
		c.SharedSecretFile = filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(c.SharedSecretFile, []byte(k.Secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		t.Fatalf("no verifier %q", name)
	}
	v, err := verify.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// want is what Verify says of a token that a check refuses.
func want(check string) (code, description string) {
	switch check {
	case "":
		return "", ""
	case "well-formed", "signature":
		return "invalid_token", "malformed or unknown token"
	case "type", "issuer", "audience":
		return "invalid_token", "wrong " + check
	}
	return "invalid_token", "" // of the time there are two reasons
}

// Each vector is judged twice by Verify, the second time from memory where it is
// good, and once by the middleware.
func TestEveryVectorIsJudgedByItsOwnCheck(t *testing.T) {
	t.Parallel()
	var keys vectorKeys
	readVectors(t, "keys.json", &keys)
	paths, err := filepath.Glob(filepath.Join(vectorDir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	verifiers := map[string]*verify.Verifier{}
	count, good := 0, 0
	for _, path := range paths {
		if filepath.Base(path) == "keys.json" {
			continue
		}
		var f vectorFile
		readVectors(t, filepath.Base(path), &f)
		if verifiers[f.Verifier] == nil {
			verifiers[f.Verifier] = vectorVerifier(t, keys, f.Verifier)
		}
		v := verifiers[f.Verifier]
		for _, c := range f.Vectors {
			count++
			if c.Check == "" {
				good++
			}
			code, description := want(c.Check)
			for range 2 {
				from, _ := netip.ParseAddr(c.Address)
				_, err := v.VerifyFrom(t.Context(), c.Token, from)
				e := errorOf(t, err)
				if e.Code != code || description != "" && e.Description != description {
					t.Errorf("%s: %s: %q %q, want %q %q", path, c.Name, e.Code, e.Description, code, description)
				}
			}
			throughMiddleware(t, v, path+": "+c.Name, c.Token, c.Address, c.Check == "")
		}
	}
	if count < 370 || good < 15 {
		t.Errorf("only %d vectors, %d of them good", count, good)
	}
}

// throughMiddleware sends a token as a header. Space around it is no part of it.
func throughMiddleware(t testing.TB, v *verify.Verifier, name, raw, address string, good bool) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header["Authorization"] = []string{"Bearer " + raw}
	r.RemoteAddr = "127.0.0.1:4711"
	if address != "" {
		r.Header["X-Forwarded-For"] = []string{"10.0.0.1, " + address}
	}
	w := httptest.NewRecorder()
	reached := false
	v.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, reached = verify.FromContext(r.Context())
	})).ServeHTTP(w, r)
	good = good || strings.TrimLeft(raw, " ") != raw && w.Code == http.StatusOK
	refused := w.Code == http.StatusUnauthorized || w.Code == http.StatusBadRequest
	if reached != good || !good && !refused {
		t.Errorf("%s: %d, reached %v", name, w.Code, reached)
	}
}
