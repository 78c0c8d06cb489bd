package oauth_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
)

// The vectors of the public verifier: tokens, each with the check that refuses it.
const vectorDir = "../../verify/testdata/vectors"

type vectorFile struct {
	Verifier string
	Vectors  []struct{ Name, Check, Token, Address string }
}

type vectorKeys struct {
	Now              int64
	Issuer, Audience string
	Secret           string
	Keys             []struct {
		KID, Private string
		Alg          token.Algorithm
	}
}

func readVectors(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectorDir, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// storedKeys is a key store that holds the vectors' keys, the first one active.
type storedKeys []keyring.Key

func (s storedKeys) SigningKeys(context.Context) ([]keyring.Key, error) { return s, nil }

func (s storedKeys) ChangeSigningKeys(context.Context, func([]keyring.Key) ([]keyring.Key, error)) error {
	return errors.New("nothing is to be changed")
}

func (k vectorKeys) store(t *testing.T, m keyring.Master) storedKeys {
	t.Helper()
	now := time.Unix(k.Now, 0)
	var list storedKeys
	for i, key := range k.Keys {
		block, _ := pem.Decode([]byte(key.Private))
		private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		signer, ok := private.(crypto.Signer)
		if !ok {
			t.Fatalf("%T is no signer", private)
		}
		signing, err := token.NewSigningKey(key.Alg, signer)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := m.Seal(signing)
		if err != nil {
			t.Fatal(err)
		}
		stored := keyring.Key{
			KID: key.KID, Algorithm: key.Alg, State: keyring.Retired, Sealed: sealed,
			CreatedAt: now.Add(-time.Hour), ActiveAt: now.Add(-time.Hour), RetiredAt: now, GoneAt: now.Add(time.Hour),
		}
		if i == 0 {
			stored.State, stored.RetiredAt = keyring.Active, time.Time{}
		}
		list = append(list, stored)
	}
	return list
}

// ring holds the keys that a verifier of that name knows.
func (k vectorKeys) ring(t *testing.T, verifier string) *keyring.Ring {
	t.Helper()
	cfg := keyring.Config{Algorithm: k.Keys[0].Alg, LongestToken: time.Hour, Now: func() time.Time { return time.Unix(k.Now, 0) }}
	switch verifier {
	case "keys":
		m, err := keyring.MakeMaster(filepath.Join(t.TempDir(), "master.key"))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Master, cfg.Store = m, k.store(t, m)
	case "secret":
		cfg.Algorithm, cfg.Secret = token.HS256, []byte(k.Secret)
	default:
		t.Fatalf("no verifier %q", verifier)
	}
	ring, err := keyring.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// newVectorEnv is the endpoints of a server that expects what the vectors' verifier
// does, at the same time.
func newVectorEnv(t *testing.T, k vectorKeys, verifier string) *env {
	t.Helper()
	f := nodetest.New(t, nodetest.Options{
		At: time.Unix(k.Now, 0), Ring: k.ring(t, verifier), Settings: func(s *node.Settings) {
			s.Policy.Issuer, s.Policy.DefaultAudience = k.Issuer, k.Audience
		},
	})
	f.Client(t, "api")
	return serve(t, f)
}

// TestIntrospectionJudgesEveryVector finds active the valid vectors, and those with only
// a wrong audience: introspection reports the audience and doesn't judge it.
func TestIntrospectionJudgesEveryVector(t *testing.T) {
	t.Parallel()
	var k vectorKeys
	readVectors(t, "keys.json", &k)
	envs := map[string]*env{"keys": newVectorEnv(t, k, "keys"), "secret": newVectorEnv(t, k, "secret")}
	paths, err := filepath.Glob(filepath.Join(vectorDir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, path := range paths {
		if filepath.Base(path) == "keys.json" {
			continue
		}
		var file vectorFile
		readVectors(t, filepath.Base(path), &file)
		for _, v := range file.Vectors {
			count++
			e := envs[file.Verifier]
			a := e.introspect(t, v.Token)
			if v.Check == "" || v.Check == "network" {
				e.judgesNetworks(t, v.Token, v.Address, v.Check == "")
			}
			switch {
			case v.Check == "network" && a.status == http.StatusOK && a.body["active"] == true && a.body["networks"] != nil: // the asker judges them
			case v.Check == "" || v.Check == "audience":
				if a.status != http.StatusOK || a.body["active"] != true {
					t.Errorf("%s: %s: a good token: %d %s", path, v.Name, a.status, a.text)
				}
			case v.Token == "" || strings.Contains(v.Token, "\x00"):
				if a.status != http.StatusBadRequest {
					t.Errorf("%s: %s: no parameter: %d %s", path, v.Name, a.status, a.text)
				}
			default:
				a.inactive(t, path+": "+v.Name)
			}
		}
	}
	if count < 150 {
		t.Errorf("only %d vectors", count)
	}
}

// judgesNetworks introspects a token for a client at an address, which decides.
func (e *env) judgesNetworks(t *testing.T, raw, address string, good bool) {
	t.Helper()
	if address == "" {
		return
	}
	a := e.post(t, "/oauth2/introspect", form("token", raw, "address", address), asClient("api"))
	switch _, err := netip.ParseAddr(address); {
	case err != nil:
		if a.status != http.StatusBadRequest {
			t.Errorf("address %q: %d %s", address, a.status, a.text)
		}
	case good:
		if a.body["active"] != true {
			t.Errorf("%s from %s: %d %s", raw, address, a.status, a.text)
		}
	default:
		a.inactive(t, address)
	}
}
