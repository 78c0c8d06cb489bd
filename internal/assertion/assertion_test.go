package assertion_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/assertion"
	"github.com/bearerd/bearerd/internal/assertion/assertiontest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

const (
	issuer = "https://museum.example.org"
	us     = "https://tokens.example.org"
	nonce  = "n-0S6_WzA2Mj"
)

var (
	now    = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	shared = []byte("mJ8s0cQ2vXk4Zr7Lw1Tn9Yb3Hd6Fg5Ae")
)

func clock() time.Time { return now }

// good are the claims of an assertion that is accepted by expected.
func good() map[string]any {
	return map[string]any{
		"iss": issuer, "sub": "17", "aud": us, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		"nonce": nonce, "jti": "a1", "email": "ada@example.org", "groups": []string{"curators", "staff"},
	}
}

func expected() assertion.Expect {
	return assertion.Expect{Types: []string{"bearerd-sign-in+jwt"}, Audience: []string{us}, Nonce: nonce, NeedID: true, MaxLifetime: time.Minute}
}

const typ = "bearerd-sign-in+jwt"

func write(tb testing.TB, text string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

func verifier(tb testing.TB, keys assertion.Keys, err error) *assertion.Verifier {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
	v, err := assertion.New(assertion.Config{Issuer: issuer, Keys: keys, Now: clock})
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func fromSet(tb testing.TB, jwks ...map[string]any) *assertion.Verifier {
	tb.Helper()
	keys, err := assertion.SetFile(tb.Context(), "jwks", write(tb, assertiontest.Set(jwks...)), clock)
	return verifier(tb, keys, err)
}

func fromSecret(tb testing.TB) *assertion.Verifier {
	tb.Helper()
	keys, err := assertion.Secret("secret_file", shared)
	return verifier(tb, keys, err)
}

func TestEveryAlgorithmIsAccepted(t *testing.T) {
	t.Parallel()
	ed, es := assertiontest.New(t, "EdDSA", "ed"), assertiontest.New(t, "ES256", "es")
	rs, ps := assertiontest.New(t, "RS256", "rs"), assertiontest.New(t, "PS256", "ps")
	set := fromSet(t, ed.JWK(), es.JWK(), rs.JWK(), ps.JWK())
	for _, k := range []assertiontest.Key{ed, es, rs, ps} {
		c, err := set.Verify(t.Context(), k.Sign(typ, good()), expected())
		if err != nil || c.Subject != "17" || c.ID != "a1" || !c.Expiry.Equal(now.Add(time.Minute)) {
			t.Errorf("%s: %+v, %v", k.Alg, c, err)
		}
		// The only key of its algorithm may go without a name.
		if _, err := set.Verify(t.Context(), k.As(k.Alg, "").Sign(typ, good()), expected()); err != nil {
			t.Errorf("%s without kid: %v", k.Alg, err)
		}
	}
	for _, kid := range []string{"", "any"} {
		if _, err := fromSecret(t).Verify(t.Context(), assertiontest.Shared(t, shared).As("HS256", kid).Sign(typ, good()), expected()); err != nil {
			t.Errorf("HS256 with kid %q: %v", kid, err)
		}
	}
}

func TestClaimsByName(t *testing.T) {
	t.Parallel()
	claims := good()
	claims["one"], claims["none"], claims["n"], claims["mixed"] = "x", nil, 4, []any{"a", 4}
	c, err := fromSecret(t).Verify(t.Context(), assertiontest.Shared(t, shared).Sign(typ, claims), expected())
	if err != nil {
		t.Fatal(err)
	}
	if email, err := c.Text("email"); err != nil || email != "ada@example.org" {
		t.Errorf("email %q, %v", email, err)
	}
	if groups, err := c.List("groups"); err != nil || !slices.Equal(groups, []string{"curators", "staff"}) {
		t.Errorf("groups %q, %v", groups, err)
	}
	if one, err := c.List("one"); err != nil || !slices.Equal(one, []string{"x"}) {
		t.Errorf("one %q, %v", one, err)
	}
	for _, absent := range []string{"none", "missing", "EMAIL"} {
		text, err1 := c.Text(absent)
		list, err2 := c.List(absent)
		if text != "" || list != nil || err1 != nil || err2 != nil {
			t.Errorf("%s: %q %v, %q %v", absent, text, err1, list, err2)
		}
	}
	if _, err := c.Text("groups"); err == nil {
		t.Error("a list is read as text")
	}
	if _, err := c.Text("n"); err == nil {
		t.Error("a number is read as text")
	}
	if _, err := c.List("mixed"); err == nil {
		t.Error("a list with a number in it is read as texts")
	}
	if !c.Has("none") || c.Has("missing") || string(c.Raw("n")) != "4" {
		t.Error("Has or Raw is wrong")
	}
}

// TestEveryRefusal changes one thing of a good assertion at a time.
func TestEveryRefusal(t *testing.T) {
	t.Parallel()
	k := assertiontest.New(t, "EdDSA", "k1")
	v := fromSet(t, k.JWK())
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for name, row := range map[string]struct {
		claims map[string]any
		change func(x *assertion.Expect)
		reason string
	}{
		"another issuer":             {claims: map[string]any{"iss": "https://evil.example"}, reason: "another issuer"},
		"the issuer with a slash":    {claims: map[string]any{"iss": issuer + "/"}, reason: "another issuer"},
		"another audience":           {claims: map[string]any{"aud": "https://other.example"}, reason: "another audience"},
		"the audience with a slash":  {claims: map[string]any{"aud": us + "/"}, reason: "another audience"},
		"a list of other audiences":  {claims: map[string]any{"aud": []string{"a", "b"}}, reason: "another audience"},
		"no expected audience":       {change: func(x *assertion.Expect) { x.Audience = nil }, reason: "another audience"},
		"others beside the audience": {claims: map[string]any{"aud": []string{us, "b"}}, change: func(x *assertion.Expect) { x.SoleAudience = true }, reason: "other audiences"},
		"expired":                    {claims: map[string]any{"exp": at(0), "iat": at(-30 * time.Second)}, reason: "expired"},
		"expired with the leeway":    {claims: map[string]any{"exp": at(-10 * time.Second), "iat": at(-30 * time.Second)}, change: func(x *assertion.Expect) { x.Leeway = 10 * time.Second }, reason: "expired"},
		"issued in the future":       {claims: map[string]any{"iat": at(31 * time.Second)}, reason: "not valid yet"},
		"not yet valid":              {claims: map[string]any{"nbf": at(31 * time.Second)}, reason: "not valid yet"},
		"issued too long ago":        {claims: map[string]any{"iat": at(-301 * time.Second)}, change: func(x *assertion.Expect) { x.MaxAge, x.MaxLifetime = 5*time.Minute, 0 }, reason: "too long ago"},
		"valid for too long":         {claims: map[string]any{"exp": at(61 * time.Second)}, reason: "for too long"},
		"another nonce":              {claims: map[string]any{"nonce": nonce + "x"}, reason: "another nonce"},
		"no nonce":                   {claims: map[string]any{"nonce": nil}, reason: "another nonce"},
		"no expected nonce":          {change: func(x *assertion.Expect) { x.Nonce = "" }, reason: "another nonce"},
		"a nonce where none may be":  {change: func(x *assertion.Expect) { x.Nonce, x.NoNonce = "", true }, reason: "has a nonce"},
		"no exp":                     {claims: map[string]any{"exp": nil}, reason: "no exp"},
		"no exp, nor a bound of age": {claims: map[string]any{"exp": nil}, change: func(x *assertion.Expect) { x.NoExpiry = true }, reason: "no exp"},
		"no exp, and too old":        {claims: map[string]any{"exp": nil, "iat": at(-61 * time.Second)}, change: func(x *assertion.Expect) { x.NoExpiry, x.MaxAge = true, time.Minute }, reason: "too long ago"},
		"no jti":                     {claims: map[string]any{"jti": nil}, reason: "no jti"},
		"no sub":                     {claims: map[string]any{"sub": nil}, reason: "no sub"},
		"no type is expected":        {change: func(x *assertion.Expect) { x.Types = nil }, reason: "another type"},
		"another type":               {change: func(x *assertion.Expect) { x.Types = []string{"logout+jwt", ""} }, reason: "another type"},
		"a type in capitals":         {change: func(x *assertion.Expect) { x.Types = []string{strings.ToUpper(typ)} }, reason: "another type"},
	} {
		x := expected()
		if row.change != nil {
			row.change(&x)
		}
		_, err := v.Verify(t.Context(), k.Sign(typ, assertiontest.With(good(), row.claims)), x)
		if !fault.Is(err, fault.InvalidToken) || !strings.Contains(fault.Message(err), row.reason) {
			t.Errorf("%s: %v, want %q", name, err, row.reason)
		}
	}
}

// What is not judged must have been named.
func TestTheZeroExpectationRefusesAll(t *testing.T) {
	t.Parallel()
	k := assertiontest.Shared(t, shared)
	for _, typ := range []string{"", "JWT", typ} {
		if _, err := fromSecret(t).Verify(t.Context(), k.Sign(typ, good()), assertion.Expect{}); !fault.Is(err, fault.InvalidToken) {
			t.Errorf("typ %q: %v", typ, err)
		}
	}
}

func TestWhatIsLeftOutByName(t *testing.T) {
	t.Parallel()
	k, v := assertiontest.Shared(t, shared), fromSecret(t)
	for name, row := range map[string]struct {
		typ    string
		claims map[string]any
		x      assertion.Expect
	}{
		"any nonce, none":        {"", map[string]any{"nonce": nil}, assertion.Expect{Types: []string{""}, Audience: []string{us}, AnyNonce: true}},
		"any nonce, one":         {"JWT", nil, assertion.Expect{Types: []string{"", "JWT"}, Audience: []string{us}, AnyNonce: true}},
		"no nonce":               {"JWT", map[string]any{"nonce": nil}, assertion.Expect{Types: []string{"JWT"}, Audience: []string{us}, NoNonce: true}},
		"no subject":             {"JWT", map[string]any{"sub": nil}, assertion.Expect{Types: []string{"JWT"}, Audience: []string{us}, AnyNonce: true, NoSubject: true}},
		"no jti":                 {"JWT", map[string]any{"jti": nil}, assertion.Expect{Types: []string{"JWT"}, Audience: []string{us}, AnyNonce: true}},
		"no exp":                 {"JWT", map[string]any{"exp": nil}, assertion.Expect{Types: []string{"JWT"}, Audience: []string{us}, AnyNonce: true, NoExpiry: true, MaxAge: time.Minute}},
		"within the leeway":      {"JWT", map[string]any{"exp": now.Add(-9 * time.Second).Unix()}, assertion.Expect{Types: []string{"JWT"}, Audience: []string{us}, AnyNonce: true, Leeway: 10 * time.Second}},
		"within the skew":        {"JWT", map[string]any{"iat": now.Add(30 * time.Second).Unix(), "nbf": now.Add(30 * time.Second).Unix()}, assertion.Expect{Types: []string{"JWT"}, Audience: []string{us}, AnyNonce: true}},
		"one audience of a list": {"JWT", map[string]any{"aud": []string{"x", us}}, assertion.Expect{Types: []string{"JWT"}, Audience: []string{us + "/token", us}, AnyNonce: true}},
	} {
		if _, err := v.Verify(t.Context(), k.Sign(row.typ, assertiontest.With(good(), row.claims)), row.x); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNothingMalformedIsRead feeds payloads and headers with a good signature.
func TestNothingMalformedIsRead(t *testing.T) {
	t.Parallel()
	k := assertiontest.New(t, "EdDSA", "k1")
	v := fromSet(t, k.JWK())
	text, err := json.Marshal(good())
	if err != nil {
		t.Fatal(err)
	}
	header := `{"alg":"EdDSA","kid":"k1","typ":"` + typ + `"}`
	payload := string(text)
	if _, err := v.Verify(t.Context(), k.SignText(header, payload), expected()); err != nil {
		t.Fatal(err)
	}
	set := func(member, value string) string {
		return strings.Replace(payload, "{", `{"`+member+`":`+value+`,`, 1)
	}
	without := func(member string) string {
		text, _ := json.Marshal(assertiontest.With(good(), map[string]any{member: nil}))
		return string(text)
	}
	instead := func(member, value string) string {
		return strings.Replace(without(member), "{", `{"`+member+`":`+value+`,`, 1)
	}
	for name, payload := range map[string]string{
		"two iss":             set("iss", `"https://museum.example.org"`),
		"two sub, one escape": set("su\\u0062", `"18"`),
		"two unknown members": set("email", `"eve@example.org"`),
		"not an object":       `[]`,
		"nothing":             ``,
		"a BOM":               "\ufeff" + payload,
		"something after it":  payload + "{}",
		"bytes":               instead("sub", "\"\xff\""),
		"half a surrogate":    instead("sub", `"\ud800"`),
		"deep":                set("x", strings.Repeat("[", 20)+strings.Repeat("]", 20)),
		"no iss":              without("iss"),
		"no aud":              without("aud"),
		"no iat":              without("iat"),
		"iss a number":        instead("iss", `4`),
		"iss empty":           instead("iss", `""`),
		"sub a number":        instead("sub", `17`),
		"sub empty":           instead("sub", `""`),
		"sub null":            instead("sub", `null`),
		"jti a number":        instead("jti", `1`),
		"nonce a list":        instead("nonce", `["`+nonce+`"]`),
		"nonce null":          instead("nonce", `null`),
		"aud empty":           instead("aud", `""`),
		"aud an empty list":   instead("aud", `[]`),
		"aud with an empty":   instead("aud", `["`+us+`",""]`),
		"aud with a number":   instead("aud", `["`+us+`",4]`),
		"aud an object":       instead("aud", `{"`+us+`":true}`),
		"exp a string":        instead("exp", `"1795867260"`),
		"exp a fraction":      instead("exp", `1795867260.0`),
		"exp an exponent":     instead("exp", `1e10`),
		"exp negative":        instead("exp", `-1`),
		"exp beyond 2^53":     instead("exp", `9007199254740993`),
		"exp overflows":       instead("exp", `99999999999999999999`),
		"exp true":            instead("exp", `true`),
		"iat null":            instead("iat", `null`),
		"nbf a string":        instead("nbf", `"0"`),
		"auth_time a string":  instead("auth_time", `"0"`),
	} {
		if _, err := v.Verify(t.Context(), k.SignText(header, payload), expected()); !fault.Is(err, fault.InvalidToken) || !strings.Contains(fault.Message(err), "malformed") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, header := range map[string]string{
		"two alg":      `{"alg":"EdDSA","kid":"k1","typ":"` + typ + `","alg":"EdDSA"}`,
		"crit":         `{"alg":"EdDSA","kid":"k1","typ":"` + typ + `","crit":["exp"],"exp":1}`,
		"b64":          `{"alg":"EdDSA","kid":"k1","typ":"` + typ + `","b64":true}`,
		"jwk":          `{"alg":"EdDSA","kid":"k1","typ":"` + typ + `","jwk":{}}`,
		"jku":          `{"alg":"EdDSA","kid":"k1","typ":"` + typ + `","jku":"https://evil.example"}`,
		"x5u":          `{"alg":"EdDSA","kid":"k1","typ":"` + typ + `","x5u":"https://evil.example"}`,
		"x5c":          `{"alg":"EdDSA","kid":"k1","typ":"` + typ + `","x5c":[]}`,
		"no alg":       `{"kid":"k1","typ":"` + typ + `"}`,
		"alg eddsa":    `{"alg":"eddsa","kid":"k1","typ":"` + typ + `"}`,
		"alg a list":   `{"alg":["EdDSA"],"kid":"k1","typ":"` + typ + `"}`,
		"kid empty":    `{"alg":"EdDSA","kid":"","typ":"` + typ + `"}`,
		"kid null":     `{"alg":"EdDSA","kid":null,"typ":"` + typ + `"}`,
		"kid long":     `{"alg":"EdDSA","kid":"` + strings.Repeat("k", 129) + `","typ":"` + typ + `"}`,
		"kid a path":   `{"alg":"EdDSA","kid":"../../k1","typ":"` + typ + `"}`,
		"kid a list":   `{"alg":"EdDSA","kid":["k1"],"typ":"` + typ + `"}`,
		"typ a number": `{"alg":"EdDSA","kid":"k1","typ":4}`,
		"no JSON":      `alg`,
	} {
		if _, err := v.Verify(t.Context(), k.SignText(header, payload), expected()); !fault.Is(err, fault.InvalidToken) {
			t.Errorf("header with %s: %v", name, err)
		}
	}
}

// TestTheSpellingIsTheOnlyOne changes the text of a good assertion without changing what a
// careless decoder reads.
func TestTheSpellingIsTheOnlyOne(t *testing.T) {
	t.Parallel()
	k := assertiontest.New(t, "EdDSA", "k1")
	v := fromSet(t, k.JWK())
	raw := k.Sign(typ, good())
	parts := strings.Split(raw, ".")
	for name, raw := range map[string]string{
		"empty":              "",
		"two parts":          parts[0] + "." + parts[1],
		"four parts":         raw + ".",
		"five parts":         raw + "..",
		"no signature":       parts[0] + "." + parts[1] + ".",
		"padding":            raw + "=",
		"a line end":         raw + "\n",
		"a space":            " " + raw,
		"a line in a part":   parts[0] + "\n." + parts[1] + "." + parts[2],
		"standard alphabet":  strings.NewReplacer("-", "+", "_", "/").Replace(raw) + "+",
		"another signature":  parts[0] + "." + parts[1] + "." + assertiontest.Encode(make([]byte, 64)),
		"a part of another":  parts[0] + "." + strings.Split(k.Sign(typ, assertiontest.With(good(), map[string]any{"sub": "18"})), ".")[1] + "." + parts[2],
		"far too long":       k.Sign(typ, assertiontest.With(good(), map[string]any{"x": strings.Repeat("x", token.MaxForeignBytes)})),
		"signature cut":      raw[:len(raw)-2],
		"the JSON form":      `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"bits that are left": raw[:len(raw)-1] + nextLetter(raw[len(raw)-1]),
	} {
		if _, err := v.Verify(t.Context(), raw, expected()); !fault.Is(err, fault.InvalidToken) || !strings.Contains(fault.Message(err), "malformed") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// nextLetter returns the base64url letter after c: the last letter of 64 bytes carries two
// bits, and four that are 0.
func nextLetter(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)+1])
}

// TestAlgorithmsAreNotConfused signs with what a forger has: nothing, the public key, a key
// of its own, or a good key under another name.
func TestAlgorithmsAreNotConfused(t *testing.T) {
	t.Parallel()
	rs, ed := assertiontest.New(t, "RS256", "rs"), assertiontest.New(t, "EdDSA", "ed")
	set, secret := fromSet(t, rs.JWK(), ed.JWK()), fromSecret(t)
	der, err := x509.MarshalPKIXPublicKey(rs.Public())
	if err != nil {
		t.Fatal(err)
	}
	armoured := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	jwk, err := json.Marshal(rs.JWK())
	if err != nil {
		t.Fatal(err)
	}
	claims, err := json.Marshal(good())
	if err != nil {
		t.Fatal(err)
	}
	unsigned := func(header string) string {
		return assertiontest.Encode([]byte(header)) + "." + assertiontest.Encode(claims) + "."
	}
	own := assertiontest.New(t, "RS256", "rs")
	for name, raw := range map[string]string{
		"none":                        unsigned(`{"alg":"none","typ":"` + typ + `"}`),
		"None with a signature":       unsigned(`{"alg":"None","kid":"rs","typ":"`+typ+`"}`) + "AAAA",
		"HS256 with the public PEM":   assertiontest.Shared(t, armoured).As("HS256", "rs").Sign(typ, good()),
		"HS256 with the public DER":   assertiontest.Shared(t, der).As("HS256", "rs").Sign(typ, good()),
		"HS256 with the JWK":          assertiontest.Shared(t, jwk).As("HS256", "rs").Sign(typ, good()),
		"HS256 without kid":           assertiontest.Shared(t, armoured).As("HS256", "").Sign(typ, good()),
		"HS256 with nothing":          assertiontest.Shared(t, nil).As("HS256", "rs").Sign(typ, good()),
		"RS256 of a forger's key":     own.Sign(typ, good()),
		"the RSA key for PSS":         rs.As("PS256", "rs").Sign(typ, good()),
		"the name of another key":     rs.As("RS256", "ed").Sign(typ, good()),
		"the algorithm of another":    ed.As("RS256", "ed").Sign(typ, good()),
		"EdDSA named as ES256":        ed.As("ES256", "ed").Sign(typ, good()),
		"no name where it is another": own.As("RS256", "").Sign(typ, good()),
		"an algorithm of no key":      assertiontest.New(t, "ES256", "es").Sign(typ, good()),
	} {
		if _, err := set.Verify(t.Context(), raw, expected()); !fault.Is(err, fault.InvalidToken) {
			t.Errorf("%s against a set: %v", name, err)
		}
		if _, err := secret.Verify(t.Context(), raw, expected()); !fault.Is(err, fault.InvalidToken) {
			t.Errorf("%s against a secret: %v", name, err)
		}
	}
	// What isn't said is not a licence: an RSA key without alg takes both of RSA's, nothing else.
	open := rs.JWK()
	delete(open, "alg")
	v := fromSet(t, open)
	for _, alg := range []string{"RS256", "PS256"} {
		if _, err := v.Verify(t.Context(), rs.As(alg, "rs").Sign(typ, good()), expected()); err != nil {
			t.Errorf("%s with a key that names no algorithm: %v", alg, err)
		}
	}
	if _, err := v.Verify(t.Context(), assertiontest.Shared(t, der).As("HS256", "rs").Sign(typ, good()), expected()); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("HS256 with a key that names no algorithm: %v", err)
	}
}

// A refusal says what is wrong, and nothing of what the assertion says.
func TestARefusalHoldsNothingOfTheAssertion(t *testing.T) {
	t.Parallel()
	k := assertiontest.Shared(t, shared)
	for _, member := range []string{"iss", "aud", "nonce"} {
		_, err := fromSecret(t).Verify(t.Context(), k.Sign(typ, assertiontest.With(good(), map[string]any{member: "sensitive"})), expected())
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v", err, err), "sensitive") {
			t.Errorf("%s: %v", member, err)
		}
	}
}

func TestAVerifierNeedsItsParts(t *testing.T) {
	t.Parallel()
	keys, err := assertion.Secret("secret_file", shared)
	if err != nil {
		t.Fatal(err)
	}
	for _, cfg := range []assertion.Config{
		{Keys: keys, Now: clock}, {Issuer: issuer, Now: clock}, {Issuer: issuer, Keys: keys},
	} {
		if _, err := assertion.New(cfg); err == nil {
			t.Errorf("%+v makes a verifier", cfg)
		}
	}
}

func TestSecretsAreChecked(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"short":                 string(shared[:31]),
		"one letter":            strings.Repeat("x", 40),
		"a placeholder":         "changeme-changeme-changeme-changeme",
		"the example":           "documentation-example-of-a-shared-secret",
		"too long":              strings.Repeat(string(shared), 129),
		"short with a line end": string(shared[:31]) + "\n",
	} {
		_, err := assertion.SecretFile("sign_in.sources.0.secret_file", write(t, text))
		if err == nil || !strings.HasPrefix(err.Error(), "sign_in.sources.0.secret_file: ") || strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	keys, err := assertion.SecretFile("secret_file", write(t, string(shared)+"\n"))
	if _, err := verifier(t, keys, err).Verify(t.Context(), assertiontest.Shared(t, shared).Sign(typ, good()), expected()); err != nil {
		t.Error(err)
	}
	if _, err := assertion.SecretFile("secret_file", filepath.Join(t.TempDir(), "missing")); err == nil || !strings.HasPrefix(err.Error(), "secret_file: ") {
		t.Errorf("a missing file: %v", err)
	}
}
