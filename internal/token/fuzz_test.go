package token_test

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bearerd/bearerd/internal/token"
)

// FuzzVerify feeds whole tokens. What is accepted has exactly one spelling.
func FuzzVerify(f *testing.F) {
	keys := readKeys(f)
	for _, file := range readVectors(f) {
		for _, v := range file.Vectors {
			f.Add(v.Token)
		}
	}
	set, secret := keys.find(f, "keys"), keys.find(f, "secret")
	f.Fuzz(func(t *testing.T, raw string) {
		for _, find := range []func(string) (token.VerificationKey, bool){set, secret} {
			if _, err := token.Verify(raw, find); err == nil {
				mustBeCanonical(t, raw)
			} else if checkOf(err) == 0 {
				t.Errorf("%q: not a refusal: %v", raw, err)
			}
		}
	})
}

func mustBeCanonical(t *testing.T, raw string) {
	t.Helper()
	parts := strings.Split(raw, ".")
	if len(parts) != 3 || len(raw) > token.MaxBytes {
		t.Fatalf("%q has %d parts", raw, len(parts))
	}
	for i, part := range parts {
		b, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil || base64.RawURLEncoding.EncodeToString(b) != part {
			t.Errorf("part %q has a second spelling: %v", part, err)
		}
		if i < 2 && !json.Valid(b) {
			t.Errorf("%q is not JSON", b)
		}
	}
}

// FuzzPayload feeds payloads with valid signatures. What is accepted reads the same for
// encoding/json, and has the same claims when it is signed again.
func FuzzPayload(f *testing.F) {
	keys := readKeys(f)
	for _, file := range readVectors(f) {
		for _, v := range file.Vectors {
			if parts := strings.Split(v.Token, "."); len(parts) == 3 {
				if text, err := decode(parts[1]); err == nil {
					f.Add(string(text))
				}
			}
		}
	}
	ed, find := keys.Keys[0].signing(f), keys.find(f, "keys")
	f.Fuzz(func(t *testing.T, payload string) {
		r := recipes{t: t, keys: keys, ed: ed}
		raw := r.of(header(r.ed), payload)
		got, err := token.Verify(raw, find)
		if err != nil {
			return
		}
		mustBeCanonical(t, raw)
		mustReadTheSame(t, payload, got.Claims)
		if len(payload) > 2000 {
			return // escaped again it may be too long
		}
		again, err := token.Sign(r.ed, token.TypeAccess, got.Claims)
		if err != nil {
			t.Fatalf("%s\ncan't be signed again: %v", payload, err)
		}
		second, err := token.Verify(again, find)
		if diff := cmp.Diff(got, second, cmp.Comparer(sameList)); err != nil || diff != "" {
			t.Errorf("%s\nsigned again: %v (-first +second):\n%s", payload, err, diff)
		}
	})
}

// sameList takes an empty list for none: both say nothing.
func sameList(a, b []string) bool { return slices.Equal(a, b) }

// mustReadTheSame compares with encoding/json, with names compared exactly.
func mustReadTheSame(t *testing.T, payload string, c token.Claims) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(payload))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		t.Fatalf("%s: %v", payload, err)
	}
	number := func(name string) time.Time {
		n, ok := m[name].(json.Number)
		if !ok {
			return time.Time{}
		}
		i, err := n.Int64()
		if err != nil || i < 0 || i > 1<<53 {
			t.Errorf("%s: %s is %s", payload, name, n)
		}
		return time.Unix(i, 0).UTC()
	}
	text := func(name string) string {
		s, _ := m[name].(string)
		return s
	}
	want := c
	want.Issuer, want.Subject, want.ID = text("iss"), text("sub"), text("jti")
	want.ClientID, want.Username, want.TaskTokenType = text("client_id"), text("username"), text("task_token_type")
	want.Expiry, want.IssuedAt, want.NotBefore = number("exp"), number("iat"), number("nbf")
	want.Audience, want.Scope = texts(m["aud"], nil), texts(m["scope"], func(s string) []string { return strings.Fields(s) })
	want.Chain = texts(m["chain"], nil)
	want.Actors = actors(m["act"])
	if diff := cmp.Diff(want, c, cmp.Comparer(sameList)); diff != "" {
		t.Errorf("%s (-encoding/json +ours):\n%s", payload, diff)
	}
}

// actors returns the actors of a claim, the outermost first.
func actors(v any) (out []string) {
	for act, ok := v.(map[string]any); ok; act, ok = act["act"].(map[string]any) {
		s, _ := act["sub"].(string)
		out = append(out, s)
	}
	return out
}

func texts(v any, split func(string) []string) (out []string) {
	switch v := v.(type) {
	case string:
		if split != nil {
			return split(v)
		}
		return []string{v}
	case []any:
		for _, item := range v {
			s, _ := item.(string)
			out = append(out, s)
		}
	}
	return out
}

// FuzzHeader feeds headers under a valid signature. Only the algorithm of the key is ever
// accepted.
func FuzzHeader(f *testing.F) {
	keys := readKeys(f)
	for _, file := range readVectors(f) {
		for _, v := range file.Vectors {
			if head, _, ok := strings.Cut(v.Token, "."); ok {
				if text, err := decode(head); err == nil {
					f.Add(string(text))
				}
			}
		}
	}
	ed, find := keys.Keys[0].signing(f), keys.find(f, "keys")
	f.Fuzz(func(t *testing.T, head string) {
		r := recipes{t: t, keys: keys, ed: ed}
		raw := r.of(head, r.payload())
		got, err := token.Verify(raw, find)
		if err != nil {
			return
		}
		mustBeCanonical(t, raw)
		var m map[string]any
		if err := json.Unmarshal([]byte(head), &m); err != nil {
			t.Fatalf("%s: %v", head, err)
		}
		if m["alg"] != "EdDSA" || m["kid"] != r.ed.KID || got.KID != r.ed.KID {
			t.Errorf("%s is accepted", head)
		}
		if typ, _ := m["typ"].(string); typ != got.Type {
			t.Errorf("%s: typ is read as %q", head, got.Type)
		}
		for _, name := range []string{"crit", "jku", "jwk", "x5u", "x5c", "b64"} {
			if _, ok := m[name]; ok {
				t.Errorf("%s is accepted with %s", head, name)
			}
		}
	})
}

// FuzzParseOpaque feeds opaque tokens. What parses has the one form there is.
func FuzzParseOpaque(f *testing.F) {
	known := forms(f, "acme-")
	for _, kind := range []token.Kind{token.KindAPIToken, token.KindRefresh, token.KindSession, token.KindClientSecret} {
		secret, _, err := known.New(kind)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(secret.Reveal())
	}
	f.Add("bda_abcdefghijklmnopqrstuvwxyz01232LolCm")
	f.Add("6879-0000000000000000000000000004050azb7")
	f.Fuzz(func(t *testing.T, raw string) {
		o, err := known.Parse(raw)
		if err != nil {
			if checkOf(err) != token.CheckWellFormed {
				t.Errorf("%q: %v", raw, err)
			}
			return
		}
		if !known.Opaque(raw) || !strings.HasPrefix(raw, o.Prefix) || len(raw) != len(o.Prefix)+36 ||
			!strings.HasSuffix(raw, o.Last4) || o.Digest != token.Digest(raw) {
			t.Errorf("%q parses as %+v", raw, o)
		}
	})
}

// TestSignedClaimsAreReadBack signs claims that rapid makes up.
func TestSignedClaimsAreReadBack(t *testing.T) {
	t.Parallel()
	key := newKey(t, token.EdDSA)
	names := rapid.SliceOfN(rapid.StringMatching(`[!#-\[\]-~]{1,12}`), 0, 5)
	date := rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(0, 1<<53).Draw(t, "seconds"), 0).UTC()
	})
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(1, 20, 80)
		want := token.Claims{
			Issuer: text.Draw(t, "iss"), Subject: text.Draw(t, "sub"), ID: text.Draw(t, "jti"),
			Audience: rapid.SliceOfN(text, 1, 4).Draw(t, "aud"),
			Expiry:   date.Draw(t, "exp"), IssuedAt: date.Draw(t, "iat"), NotBefore: date.Draw(t, "nbf"),
			ClientID: rapid.StringN(0, 9, 30).Draw(t, "client"), Username: rapid.StringN(0, 9, 30).Draw(t, "username"),
			Scope: names.Draw(t, "scope"), Chain: rapid.SliceOfN(rapid.StringN(1, 9, 30), 0, 16).Draw(t, "chain"),
			Actors: rapid.SliceOfN(text, 0, token.MaxActors).Draw(t, "act"),
			Seq:    rapid.Int64Range(0, math.MaxInt64).Draw(t, "seq"), AsLists: rapid.Bool().Draw(t, "list"),
		}
		raw, err := token.Sign(key, token.TypeAccess, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := token.Verify(raw, only(key.Verification()))
		if err != nil {
			t.Fatal(err)
		}
		want.AsLists = false
		if diff := cmp.Diff(want, got.Claims, cmp.Comparer(sameList)); diff != "" {
			t.Errorf("(-signed +read):\n%s", diff)
		}
	})
}
