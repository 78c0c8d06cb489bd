package keyring_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/token"
)

func TestReadJWKSReadsWhatTheRingPublishes(t *testing.T) {
	t.Parallel()
	for _, alg := range []token.Algorithm{token.EdDSA, token.ES256, token.RS256} {
		cfg := config(t, &memory{}, newClock())
		cfg.Algorithm = alg
		r := open(t, cfg)
		keys, err := keyring.ReadJWKS(r.JWKS())
		if diff := cmp.Diff(r.Public(), keys); err != nil || diff != "" {
			t.Errorf("%s: %v (-ring +read):\n%s", alg, err, diff)
		}
		if len(keys) != 1 || keys[0].KID != signing(t, r).KID {
			t.Errorf("%s: %v was published", alg, keys)
		}
	}
	if keys, err := keyring.ReadJWKS([]byte(`{"keys":[]}`)); err != nil || len(keys) != 0 {
		t.Errorf("the empty set: %v, %v", keys, err)
	}
}

func TestReadJWKSLeavesForeignKeysOut(t *testing.T) {
	t.Parallel()
	r := open(t, config(t, &memory{}, newClock()))
	ours := strings.TrimSuffix(strings.TrimPrefix(string(r.JWKS()), `{"keys":[`), "]}")
	set := fmt.Sprintf(`{"keys":[{"kty":"oct","k":"c2VjcmV0","alg":"HS256","use":"sig","kid":"h"},{"kty":"OKP","crv":"X25519"},null,{},%s],"more":1}`, ours)
	keys, err := keyring.ReadJWKS([]byte(set))
	if diff := cmp.Diff(r.Public(), keys); err != nil || diff != "" {
		t.Errorf("%v (-ours +read):\n%s", err, diff)
	}
}

func TestASetOfOneTypeShowsNoKeyOfAnother(t *testing.T) {
	t.Parallel()
	store, c := &memory{}, newClock()
	cfg := config(t, store, c)
	raw := issue(t, open(t, cfg), c.now())
	cfg.Algorithm, cfg.SameType = token.RS256, true
	r := open(t, cfg) // shows the RSA key that follows
	for _, when := range []string{"before it signs", "after"} {
		keys, err := keyring.ReadJWKS(r.JWKS())
		do(t, err)
		if diff := cmp.Diff(r.Public(), keys); diff != "" {
			t.Errorf("%s (-ring +set):\n%s", when, diff)
		}
		if len(keys) != 1 || keys[0].Algorithm != token.RS256 {
			t.Errorf("%s: %v", when, keys)
		}
		if err := verify(r, raw); err != nil {
			t.Errorf("%s, a token of the key that isn't shown: %v", when, err)
		}
		do(t, r.Rotate(t.Context(), true))
	}
	if got := signing(t, r).Algorithm; got != token.RS256 {
		t.Errorf("%s signs", got)
	}
	cfg.SameType = false
	if keys := published(t, open(t, cfg)); len(keys) < 3 {
		t.Errorf("without it the set is %v", keys)
	}
}

func TestReadJWKSIsStrict(t *testing.T) {
	t.Parallel()
	r := open(t, config(t, &memory{}, newClock()))
	set := string(r.JWKS())
	key := strings.TrimSuffix(strings.TrimPrefix(set, `{"keys":[`), "]}")
	for name, body := range map[string]string{
		"nothing":             "",
		"not JSON":            "<html>",
		"a list":              "[" + key + "]",
		"a key":               key,
		"no keys":             "{}",
		"keys null":           `{"keys":null}`,
		"keys an object":      `{"keys":{}}`,
		"keys of strings":     `{"keys":["a"]}`,
		"keys in capitals":    strings.Replace(set, `"keys"`, `"KEYS"`, 1),
		"keys twice":          strings.Replace(set, "{", `{"keys":[],`, 1),
		"a member twice":      strings.Replace(set, `"kid"`, `"kid":"x","kid"`, 1),
		"something after":     set + "x",
		"invalid UTF-8":       strings.Replace(set, `"kid"`, "\"a\":\"\xff\",\"kid\"", 1),
		"the same key twice":  `{"keys":[` + key + "," + key + "]}",
		"a private key":       strings.Replace(set, `"kid"`, `"d":"AAAA","kid"`, 1),
		"a bad key":           strings.Replace(set, `"x":"`, `"x":"A`, 1),
		"larger than any set": `{"keys":[],"x":"` + strings.Repeat("a", 1<<20) + `"}`,
		"nested deeply":       `{"keys":[],"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + "}",
	} {
		if keys, err := keyring.ReadJWKS([]byte(body)); err == nil || keys != nil {
			t.Errorf("%s: %v", name, keys)
		}
	}
}

// TestRingJudgesTheVectorsOfItsSecret holds the published kid of the vectors'
// secret to what a ring calls it.
func TestRingJudgesTheVectorsOfItsSecret(t *testing.T) {
	t.Parallel()
	var keys struct {
		Secret string `json:"secret"`
		KID    string `json:"secret_kid"`
	}
	var file struct {
		Vectors []struct{ Name, Check, Token string } `json:"vectors"`
	}
	for name, into := range map[string]any{"keys.json": &keys, "hs256.json": &file} {
		text, err := os.ReadFile(filepath.Join("../../verify/testdata/vectors", name))
		do(t, err)
		do(t, json.Unmarshal(text, into))
	}
	r := open(t, keyring.Config{Algorithm: token.HS256, Secret: []byte(keys.Secret), Now: newClock().now})
	if got := signing(t, r).KID; got != keys.KID {
		t.Errorf("the ring calls the secret %q, keys.json %q", got, keys.KID)
	}
	for _, v := range file.Vectors {
		if err := verify(r, v.Token); (err == nil) != (v.Check == "") {
			t.Errorf("%s: %v, want refused by %q", v.Name, err, v.Check)
		}
	}
	if len(file.Vectors) < 10 {
		t.Errorf("only %d vectors", len(file.Vectors))
	}
}

func TestGateIsBoundedByItsRate(t *testing.T) {
	t.Parallel()
	g := keyring.NewGate(time.Second, time.Minute)
	now := time.Unix(1000, 0)
	passed := 0
	for i := range 100_000 {
		if g.Allow(fmt.Sprint("forged", i), now.Add(time.Duration(i)*time.Millisecond)) {
			passed++
		}
	}
	if passed != 100 {
		t.Errorf("%d of 100,000 ids passed in 100 s", passed)
	}
}

func TestGateRemembersAndForgets(t *testing.T) {
	t.Parallel()
	g := keyring.NewGate(time.Second, time.Minute)
	now := time.Unix(1000, 0)
	for _, step := range []struct {
		name  string
		kid   string
		after time.Duration
		want  bool
	}{
		{"the first", "a", 0, true},
		{"the same at once", "a", 0, false},
		{"another at once", "b", time.Second - 1, false},
		{"another a second later", "b", 1, true},
		{"the first again within a minute", "a", 30 * time.Second, false},
		{"the first after a minute", "a", 30 * time.Second, true},
		{"with the clock set back", "c", -time.Hour, true},
		{"set back, at once", "d", 0, false},
	} {
		now = now.Add(step.after)
		if got := g.Allow(step.kid, now); got != step.want {
			t.Errorf("%s: %t, want %t", step.name, got, step.want)
		}
	}
	g.Forget("c")
	if !g.Allow("c", now.Add(time.Second)) {
		t.Error("an id that was forgotten doesn't pass")
	}
}

func FuzzReadJWKS(f *testing.F) {
	f.Add([]byte(`{"keys":[]}`))
	text, err := os.ReadFile("../../verify/testdata/vectors/keys.json")
	if err != nil {
		f.Fatal(err)
	}
	var keys struct {
		JWKS json.RawMessage `json:"jwks"`
	}
	if err := json.Unmarshal(text, &keys); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(keys.JWKS))
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, err := keyring.ReadJWKS(body)
		if err != nil {
			return
		}
		for _, k := range keys {
			jwk, err := k.JWK()
			if err != nil || k.Algorithm == token.HS256 || k.KID == "" || k.Revoked {
				t.Fatalf("%s was read from %s: %v", k, body, err)
			}
			members := map[string]any{}
			for name, v := range jwk {
				members[name] = v
			}
			again, err := token.ParseJWK(members)
			if diff := cmp.Diff(k, again); err != nil || diff != "" {
				t.Errorf("%s: %v (-first +second):\n%s", body, err, diff)
			}
		}
	})
}
