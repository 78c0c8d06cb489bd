package token_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/token"
)

var update = flag.Bool("update", false, "write the vectors again")

// vectorDir is where everything that judges tokens finds the vectors: this package,
// the HTTP endpoints and the public verifier.
const vectorDir = "../../verify/testdata/vectors"

// vectorFile is one file of vectors; all have the same verifier.
type vectorFile struct {
	About    string   `json:"about"`
	Verifier string   `json:"verifier"` // "keys" or "secret"
	Vectors  []vector `json:"vectors"`
}

// vector is one token and the check that refuses it; none: it is good.
type vector struct {
	Name    string `json:"name"`
	Why     string `json:"why"`
	Check   string `json:"check"`
	Detail  string `json:"detail,omitempty"`  // what Refusal.Error says after the check
	Address string `json:"address,omitempty"` // of the client; none: it is not known
	Token   string `json:"token"`
}

// vectorKeys is keys.json.
type vectorKeys struct {
	Now      int64       `json:"now"`
	Issuer   string      `json:"issuer"`
	Audience string      `json:"audience"`
	Keys     []vectorKey `json:"keys"`
	Stranger vectorKey   `json:"stranger"`
	Secret   string      `json:"secret"`
	// SecretKID is what a ring with this secret puts into kid.
	SecretKID string `json:"secret_kid"`
	JWKS      struct {
		Keys []map[string]any `json:"keys"`
	} `json:"jwks"`
}

type vectorKey struct {
	Name    string          `json:"name"`
	KID     string          `json:"kid"`
	Alg     token.Algorithm `json:"alg"`
	Private string          `json:"private"`
}

func (k vectorKey) signing(t testing.TB) token.SigningKey {
	t.Helper()
	block, _ := pem.Decode([]byte(k.Private))
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		t.Fatalf("%T is no signer", private)
	}
	key, err := token.NewSigningKey(k.Alg, signer)
	if err != nil {
		t.Fatal(err)
	}
	if key.KID != k.KID {
		t.Fatalf("kid %s, want %s", key.KID, k.KID)
	}
	return key
}

func (k vectorKeys) expectation() token.Expectation {
	return token.Expectation{
		Type: token.TypeAccess, Issuer: k.Issuer, Audience: k.Audience,
		Now: time.Unix(k.Now, 0),
	}
}

// find returns the keys that a verifier of that name knows.
func (k vectorKeys) find(t testing.TB, verifier string) func(string) (token.VerificationKey, bool) {
	t.Helper()
	known := map[string]token.VerificationKey{}
	switch verifier {
	case "keys":
		for _, key := range k.Keys {
			known[key.KID] = key.signing(t).Verification()
		}
	case "secret":
		secret := token.VerificationKey{KID: k.SecretKID, Algorithm: token.HS256, Key: []byte(k.Secret)}
		known[""], known[k.SecretKID] = secret, secret
	default:
		t.Fatalf("no verifier %q", verifier)
	}
	return func(kid string) (token.VerificationKey, bool) {
		key, ok := known[kid]
		return key, ok
	}
}

func readJSON(t testing.TB, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func readKeys(t testing.TB) vectorKeys {
	t.Helper()
	var k vectorKeys
	readJSON(t, filepath.Join(vectorDir, "keys.json"), &k)
	return k
}

func readVectors(t testing.TB) map[string]vectorFile {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(vectorDir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]vectorFile{}
	for _, path := range paths {
		if name := filepath.Base(path); name != "keys.json" {
			var f vectorFile
			readJSON(t, path, &f)
			files[name] = f
		}
	}
	return files
}

// judge returns the check that refuses the token, and the detail.
func judge(v vector, find func(string) (token.VerificationKey, bool), x token.Expectation) (check, detail string, err error) {
	parsed, err := token.Verify(v.Token, find)
	if err == nil {
		err = parsed.Validate(x)
	}
	if err == nil {
		from, _ := netip.ParseAddr(v.Address)
		err = token.JudgeNetwork(parsed.Claims.Networks, from)
	}
	var refusal *token.Refusal
	switch {
	case err == nil:
		return "", "", nil
	case errors.As(err, &refusal):
		_, detail, _ = strings.Cut(refusal.Error(), ": ")
		return refusal.Check.String(), detail, err
	}
	return "not a refusal", err.Error(), err
}

func TestEveryVectorIsRefusedByItsOwnCheck(t *testing.T) {
	t.Parallel()
	keys := readKeys(t)
	count := 0
	for file, f := range readVectors(t) {
		find := keys.find(t, f.Verifier)
		for _, v := range f.Vectors {
			count++
			check, detail, err := judge(v, find, keys.expectation())
			if check != v.Check || detail != v.Detail {
				t.Errorf("%s: %s: refused by %q (%s), want %q (%s)", file, v.Name, check, detail, v.Check, v.Detail)
			}
			var refusal *token.Refusal
			early := check == "well-formed" || check == "signature"
			if errors.As(err, &refusal) && (refusal.Reason == token.ReasonMalformed) != early {
				t.Errorf("%s: %s: a client reads %q", file, v.Name, refusal.Reason)
			}
		}
	}
	if count < 150 {
		t.Errorf("only %d vectors", count)
	}
}

func TestVectorFilesAreWhatTheirRecipesSay(t *testing.T) {
	t.Parallel()
	keys := readKeys(t)
	built := buildVectors(t, keys)
	if *update {
		writeVectors(t, built)
	}
	if diff := cmp.Diff(built, readVectors(t), cmp.FilterPath(isRandom, cmp.Ignore())); diff != "" {
		t.Errorf("go test ./internal/token -run Recipes -update would change (-recipe +file):\n%s", diff)
	}
}

// isRandom reports whether it is the one token whose signature is random: PS256 has a salt.
func isRandom(p cmp.Path) bool {
	for i, step := range p {
		s, ok := step.(cmp.SliceIndex)
		if !ok || i+1 >= len(p) || p[i+1].String() != ".Token" {
			continue
		}
		if vx, _ := s.Values(); vx.IsValid() && strings.HasPrefix(vx.FieldByName("Name").String(), "PS256") {
			return true
		}
	}
	return false
}

func writeVectors(t *testing.T, files map[string]vectorFile) {
	t.Helper()
	for name, f := range files {
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(f); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(vectorDir, name), out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPublishedTestKeysAreTheJWKSet(t *testing.T) {
	t.Parallel()
	keys := readKeys(t)
	if len(keys.JWKS.Keys) != len(keys.Keys) {
		t.Fatalf("%d keys in the set, want %d", len(keys.JWKS.Keys), len(keys.Keys))
	}
	for i, members := range keys.JWKS.Keys {
		got, err := token.ParseJWK(members)
		if err != nil {
			t.Fatalf("key %d: %v", i, err)
		}
		if diff := cmp.Diff(keys.Keys[i].signing(t).Verification(), got); diff != "" {
			t.Errorf("key %d (-private +set):\n%s", i, diff)
		}
	}
}
