package token_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/token"
)

func decode(s string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(s) }

var noon = time.Unix(1800000000, 0).UTC()

func goodClaims() token.Claims {
	collection := int64(4)
	return token.Claims{
		Issuer: "https://auth.example.org", Subject: "5f0c7d3e-7d4c-4a86-9d5a-0c6f4f1f2b11",
		Audience: []string{"https://api.example.org"}, Expiry: noon.Add(30 * time.Minute), IssuedAt: noon,
		ID: "0b6a3f52-3d0b-4d0e-8c0e-52f3a2f9f6a7", ClientID: "ci", Username: "jthomas",
		Scope: []string{"read", "write"}, Collection: &collection, Seq: 1234567,
	}
}

// newKey makes a key, or returns the published test key where making one takes long.
func newKey(t testing.TB, alg token.Algorithm) token.SigningKey {
	t.Helper()
	if alg == token.RS256 || alg == token.PS256 {
		keys := readKeys(t).Keys
		return keys[slices.IndexFunc(keys, func(k vectorKey) bool { return k.Alg == alg })].signing(t)
	}
	k, err := token.GenerateKey(alg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// only returns the finder of one key by its id.
func only(k token.VerificationKey) func(string) (token.VerificationKey, bool) {
	return func(kid string) (token.VerificationKey, bool) { return k, kid == k.KID }
}

// checkOf returns the check that err refuses by.
func checkOf(err error) token.Check {
	if refusal, ok := errors.AsType[*token.Refusal](err); ok {
		return refusal.Check
	}
	return 0
}

func TestVerifyReadsWhatSignWrote(t *testing.T) {
	t.Parallel()
	full := goodClaims()
	full.NotBefore = noon.Add(-time.Minute)
	full.Audience = []string{"a", "b"}
	full.Chain = []string{"root", "key"}
	full.Actors = []string{"current", "before \"it\"", "first"}
	full.TaskTokenType = "TES"
	full.Username = "Ünï \"quoted\" \\ \n\u2028😀\x7f<&>"
	bare := token.Claims{
		Issuer: "i", Subject: "s", Audience: []string{"a"}, Expiry: noon, IssuedAt: noon, ID: "j",
	}
	zero := int64(0)
	bare0 := bare
	bare0.Collection = &zero
	asList := goodClaims()
	asList.AsLists = true
	emptyList := bare
	emptyList.AsLists = true
	for _, alg := range []token.Algorithm{token.EdDSA, token.ES256, token.RS256, token.PS256} {
		key := newKey(t, alg)
		for name, c := range map[string]token.Claims{
			"full": full, "bare": bare, "collection 0": bare0, "scope as list": asList, "no scope as list": emptyList, "usual": goodClaims(),
		} {
			for _, typ := range []string{token.TypeAccess, token.TypeExchangeKey} {
				raw, err := token.Sign(key, typ, c)
				if err != nil {
					t.Fatalf("%s, %s: %v", alg, name, err)
				}
				got, err := token.Verify(raw, only(key.Verification()))
				if err != nil {
					t.Fatalf("%s, %s: %v", alg, name, err)
				}
				c.AsLists = false
				want := &token.JWT{Type: typ, KID: key.KID, Claims: c}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s, %s (-signed +verified):\n%s", alg, name, diff)
				}
			}
		}
	}
}

func TestSignWritesTheClaimsOfRFC9068(t *testing.T) {
	t.Parallel()
	key := newKey(t, token.EdDSA)
	c := goodClaims()
	c.Extra = map[string]any{"pur": "access", "azp": "", "context": map[string]any{"user": map[string]any{"name": "jthomas"}}}
	raw, err := token.Sign(key, token.TypeAccess, c)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(raw, ".")
	head, _ := decode(parts[0])
	payload, _ := decode(parts[1])
	if want := `{"alg":"EdDSA","typ":"at+jwt","kid":"` + key.KID + `"}`; string(head) != want {
		t.Errorf("header %s, want %s", head, want)
	}
	want := `{"iss":"https://auth.example.org","sub":"5f0c7d3e-7d4c-4a86-9d5a-0c6f4f1f2b11","aud":"https://api.example.org",` +
		`"exp":1800001800,"iat":1800000000,"jti":"0b6a3f52-3d0b-4d0e-8c0e-52f3a2f9f6a7","client_id":"ci","username":"jthomas",` +
		`"scope":"read write","collection":4,"seq":1234567,"azp":"","context":{"user":{"name":"jthomas"}},"pur":"access"}`
	if string(payload) != want {
		t.Errorf("payload\n%s, want\n%s", payload, want)
	}
}

func TestSignWritesListsWhereAskedTo(t *testing.T) {
	t.Parallel()
	c := goodClaims()
	c.AsLists = true
	raw, err := token.Sign(newKey(t, token.EdDSA), token.TypeAccess, c)
	if err != nil {
		t.Fatal(err)
	}
	payload, _ := decode(strings.Split(raw, ".")[1])
	for _, want := range []string{`"aud":["https://api.example.org"]`, `"scope":["read","write"]`} {
		if !strings.Contains(string(payload), want) {
			t.Errorf("%s has no %s", payload, want)
		}
	}
}

func TestSignRefusesWhatVerifyWouldNotRead(t *testing.T) {
	t.Parallel()
	key := newKey(t, token.EdDSA)
	negative := int64(-1)
	for name, spoil := range map[string]func(*token.Claims){
		"no issuer":                 func(c *token.Claims) { c.Issuer = "" },
		"no subject":                func(c *token.Claims) { c.Subject = "" },
		"no id":                     func(c *token.Claims) { c.ID = "" },
		"no audience":               func(c *token.Claims) { c.Audience = nil },
		"an empty audience":         func(c *token.Claims) { c.Audience = []string{""} },
		"no expiry":                 func(c *token.Claims) { c.Expiry = time.Time{} },
		"no time of issue":          func(c *token.Claims) { c.IssuedAt = time.Time{} },
		"expiry beyond 2^53":        func(c *token.Claims) { c.Expiry = time.Unix(1<<53+1, 0) },
		"a time before 1970":        func(c *token.Claims) { c.NotBefore = time.Unix(-1, 0) },
		"a negative collection":     func(c *token.Claims) { c.Collection = &negative },
		"a negative sequence":       func(c *token.Claims) { c.Seq = -1 },
		"invalid UTF-8":             func(c *token.Claims) { c.Username = "a\xffb" },
		"a scope that would be two": func(c *token.Claims) { c.Scope = []string{"read admin"} },
		"a scope that would be two, as list": func(c *token.Claims) {
			c.Scope, c.AsLists = []string{"read admin"}, true
		},
		"an empty scope name":           func(c *token.Claims) { c.Scope = []string{""} },
		"a long chain":                  func(c *token.Claims) { c.Chain = slices.Repeat([]string{"a"}, 17) },
		"a long id in the chain":        func(c *token.Claims) { c.Chain = []string{strings.Repeat("a", 65)} },
		"five actors":                   func(c *token.Claims) { c.Actors = []string{"a", "b", "c", "d", "e"} },
		"an actor without an id":        func(c *token.Claims) { c.Actors = []string{"a", ""} },
		"an actor with a long id":       func(c *token.Claims) { c.Actors = []string{strings.Repeat("a", 256)} },
		"an extra that names an actor":  func(c *token.Claims) { c.Extra = map[string]any{"act": map[string]any{"sub": "a"}} },
		"an extra that replaces":        func(c *token.Claims) { c.Extra = map[string]any{"sub": "admin"} },
		"an extra where ours is absent": func(c *token.Claims) { c.Extra = map[string]any{"task_token_type": "TES"} },
		"an extra that is no JSON":      func(c *token.Claims) { c.Extra = map[string]any{"x": func() {}} },
		"an extra too deep": func(c *token.Claims) {
			c.Extra = map[string]any{"x": [][][][][][][][]int{{{{{{{{1}}}}}}}}}
		},
		"too long": func(c *token.Claims) { c.Extra = map[string]any{"x": strings.Repeat("a", 6000)} },
	} {
		c := goodClaims()
		spoil(&c)
		if raw, err := token.Sign(key, token.TypeAccess, c); err == nil || raw != "" {
			t.Errorf("%s: signed", name)
		}
	}
	for _, typ := range []string{"", "JWT", "AT+JWT"} {
		if _, err := token.Sign(key, typ, goodClaims()); err == nil {
			t.Errorf("type %q: signed", typ)
		}
	}
}

func TestSignRefusesKeysThatDoNotFit(t *testing.T) {
	t.Parallel()
	ed, ec := newKey(t, token.EdDSA), newKey(t, token.ES256)
	for name, k := range map[string]token.SigningKey{
		"the zero key":            {},
		"no algorithm":            {KID: "k", Key: ed.Key},
		"alg none":                {KID: "k", Algorithm: "none", Key: ed.Key},
		"no id":                   {Algorithm: token.EdDSA, Key: ed.Key},
		"no key":                  {KID: "k", Algorithm: token.EdDSA},
		"a key of another type":   {KID: "k", Algorithm: token.EdDSA, Key: ec.Key},
		"a public key":            {KID: "k", Algorithm: token.EdDSA, Key: ed.Verification().Key},
		"a public key as secret":  {KID: "k", Algorithm: token.HS256, Key: ed.Verification().Key},
		"a secret as private key": {KID: "k", Algorithm: token.ES256, Key: []byte("secret")},
	} {
		if raw, err := token.Sign(k, token.TypeAccess, goodClaims()); err == nil || raw != "" {
			t.Errorf("%s: signed", name)
		}
	}
}

func TestSignKeepsToTheGreatestLength(t *testing.T) {
	t.Parallel()
	key := newKey(t, token.EdDSA)
	longest := 0
	for pad := 5000; ; pad++ {
		c := goodClaims()
		c.Extra = map[string]any{"x": strings.Repeat("a", pad)}
		raw, err := token.Sign(key, token.TypeAccess, c)
		if err != nil {
			break
		}
		if _, err := token.Verify(raw, only(key.Verification())); err != nil {
			t.Fatalf("%d bytes: %v", len(raw), err)
		}
		longest = len(raw)
	}
	if longest > token.MaxBytes || longest < token.MaxBytes-2 {
		t.Errorf("the longest token has %d bytes, want about %d", longest, token.MaxBytes)
	}
}

func TestVerifyRejectsRevokedKey(t *testing.T) {
	t.Parallel()
	key := newKey(t, token.EdDSA)
	raw, err := token.Sign(key, token.TypeAccess, goodClaims())
	if err != nil {
		t.Fatal(err)
	}
	revoked := key.Verification()
	revoked.Revoked = true
	if got, err := token.Verify(raw, only(revoked)); got != nil || checkOf(err) != token.CheckRevoked {
		t.Errorf("Verify = %v, %v, want revoked", got, err)
	}
	// Only who holds a token of the key learns that it was revoked.
	if _, err := token.Verify(raw[:len(raw)-4]+"AAAA", only(revoked)); checkOf(err) != token.CheckSignature {
		t.Errorf("a bad signature by a revoked key: %v", err)
	}
}

func TestVerifyAsksForKeysOnlyByID(t *testing.T) {
	t.Parallel()
	key := newKey(t, token.EdDSA)
	raw, err := token.Sign(key, token.TypeAccess, goodClaims())
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	_, err = token.Verify(raw, func(kid string) (token.VerificationKey, bool) {
		asked = append(asked, kid)
		return token.VerificationKey{}, false
	})
	if checkOf(err) != token.CheckSignature || !slices.Equal(asked, []string{key.KID}) {
		t.Errorf("asked for %q: %v", asked, err)
	}
	if _, err := token.Verify(raw, func(string) (token.VerificationKey, bool) { return token.VerificationKey{}, true }); checkOf(err) != token.CheckSignature {
		t.Errorf("the zero key: %v", err)
	}
}

func TestVerifyWantsAKIDOfAllButASharedSecret(t *testing.T) {
	t.Parallel()
	ed := newKey(t, token.EdDSA)
	raw, err := token.Sign(ed, token.TypeAccess, goodClaims())
	if err != nil {
		t.Fatal(err)
	}
	_, payload, _ := strings.Cut(raw, ".")
	payload, _, _ = strings.Cut(payload, ".")
	r := recipes{t: t}
	bare := r.seal(ed, b64(`{"alg":"EdDSA","typ":"at+jwt"}`)+"."+payload)
	anyKey := func(string) (token.VerificationKey, bool) { return ed.Verification(), true }
	if _, err := token.Verify(bare, anyKey); checkOf(err) != token.CheckSignature {
		t.Errorf("without kid: %v", err)
	}
	if _, err := token.Verify(raw, anyKey); err != nil {
		t.Errorf("with kid: %v", err)
	}
}

func TestVerifyWantsTheKeyToFitItsAlgorithm(t *testing.T) {
	t.Parallel()
	ed, ec, rs := newKey(t, token.EdDSA), newKey(t, token.ES256), newKey(t, token.RS256)
	keys := map[token.Algorithm]any{
		token.EdDSA: ed.Verification().Key, token.ES256: ec.Verification().Key, token.RS256: rs.Verification().Key,
		token.PS256: rs.Verification().Key, token.HS256: []byte("0123456789abcdef0123456789abcdef"),
	}
	for _, signer := range []token.SigningKey{ed, ec, rs} {
		raw, err := token.Sign(signer, token.TypeAccess, goodClaims())
		if err != nil {
			t.Fatal(err)
		}
		for _, alg := range slices.Collect(maps.Keys(keys)) {
			for _, key := range keys {
				v := token.VerificationKey{KID: signer.KID, Algorithm: alg, Key: key}
				_, err := token.Verify(raw, only(v))
				good := alg == signer.Algorithm && cmp.Equal(key, keys[alg])
				if good != (err == nil) || (!good && checkOf(err) != token.CheckSignature) {
					t.Errorf("a token of %s by a key of %s that is a %T: %v", signer.Algorithm, alg, key, err)
				}
			}
		}
	}
}

func TestStringsAreReadAsJSONReadsThem(t *testing.T) {
	t.Parallel()
	r := recipes{t: t, keys: readKeys(t), ed: newKey(t, token.EdDSA)}
	for _, text := range []string{
		`""`, `"plain"`, `"\"\\\/\b\f\n\r\t"`, `"\u0041\u00e4\u00E4\uABCD\uabcd\u0000"`, `"\ud83d\ude00 and \uD83D\uDE00"`, `"äß😀 "`,
		`"a\u0022b"`, `"\uFFFD\ufffe"`,
		`"\`, `"\u`, `"\u12`, `"\u123`, `"\ud83d`, `"\ud83d\`, `"\ud83d\u`, `"\ud83d\ude0`, `"\ud83d\n"`, `"\` + "\n", `"\n`, `"a`,
		"\"\\n\x1f\"", "\"\x7f\"", `"\u00g0"`, `"\a"`, `"\U0041"`,
	} {
		var want string
		wantErr := json.Unmarshal([]byte(text), &want)
		got, err := token.Verify(r.with("username", text), only(r.ed.Verification()))
		if text == `"\ud83d\n"` { // encoding/json puts U+FFFD where there is half a character
			wantErr = errors.New("a lone surrogate")
		}
		switch {
		case (err == nil) != (wantErr == nil):
			t.Errorf("%s: %v, encoding/json says %v", text, err, wantErr)
		case err == nil && got.Claims.Username != want:
			t.Errorf("%s is read as %q, want %q", text, got.Claims.Username, want)
		}
	}
}

func TestKindIsToldByTheTokenAlone(t *testing.T) {
	t.Parallel()
	task := token.Claims{TaskTokenType: "TES"}
	for want, jwts := range map[token.Kind][]token.JWT{
		token.KindAccess:      {{Type: "at+jwt"}},
		token.KindTask:        {{Type: "at+jwt", Claims: task}},
		token.KindExchangeKey: {{Type: "api-key+jwt"}, {Type: "api-key+jwt", Claims: task}},
		token.KindUnknown:     {{}, {Type: "JWT"}, {Type: "AT+JWT"}, {Type: "JWT", Claims: task}},
	} {
		for _, j := range jwts {
			if got := j.Kind(); got != want {
				t.Errorf("Kind of %q = %s, want %s", j.Type, got, want)
			}
		}
	}
}

func TestValidateRefusesWhenNothingIsExpected(t *testing.T) {
	t.Parallel()
	full := token.Expectation{Type: "at+jwt", Issuer: "https://auth.example.org", Audience: "https://api.example.org", Now: noon}
	for name, c := range map[string]struct {
		forget func(*token.Expectation)
		want   token.Check
	}{
		"nothing forgotten":   {func(*token.Expectation) {}, 0},
		"everything":          {func(x *token.Expectation) { *x = token.Expectation{} }, token.CheckType},
		"type":                {func(x *token.Expectation) { x.Type = "" }, token.CheckType},
		"issuer":              {func(x *token.Expectation) { x.Issuer = "" }, token.CheckIssuer},
		"audience":            {func(x *token.Expectation) { x.Audience = "" }, token.CheckAudience},
		"audience on purpose": {func(x *token.Expectation) { x.Audience, x.AnyAudience = "", true }, 0},
		"now":                 {func(x *token.Expectation) { x.Now = time.Time{} }, token.CheckTime},
	} {
		for _, types := range []string{"at+jwt", ""} {
			x := full
			c.forget(&x)
			claims := goodClaims()
			want := c.want
			if types == "" { // what is missing in the token matches nothing
				claims.Issuer, claims.Audience, want = "", []string{""}, token.CheckType
			}
			j := token.JWT{Type: types, Claims: claims}
			if got := checkOf(j.Validate(x)); got != want {
				t.Errorf("without %s, type %q: refused by %q, want %q", name, types, got, want)
			}
		}
	}
}

func TestValidateChecksInOrder(t *testing.T) {
	t.Parallel()
	x := token.Expectation{Type: "at+jwt", Issuer: "https://auth.example.org", Audience: "https://api.example.org", Now: noon}
	j := token.JWT{Type: "JWT", Claims: goodClaims()}
	j.Claims.Issuer, j.Claims.Audience = "other", []string{"other"}
	j.Claims.Expiry, j.Claims.NotBefore, j.Claims.IssuedAt = noon, noon.Add(time.Hour), noon.Add(time.Hour)
	for _, step := range []struct {
		reason string
		repair func()
	}{
		{"wrong type", func() { j.Type = "at+jwt" }},
		{"wrong issuer", func() { j.Claims.Issuer = x.Issuer }},
		{"expired", func() { j.Claims.Expiry = noon.Add(time.Nanosecond) }},
		{"not yet valid", func() { j.Claims.NotBefore = noon.Add(30 * time.Second) }},
		{"not yet valid", func() { j.Claims.IssuedAt = noon.Add(30 * time.Second) }},
		{"wrong audience", func() { j.Claims.Audience = []string{"other", x.Audience} }},
	} {
		var refusal *token.Refusal
		if err := j.Validate(x); !errors.As(err, &refusal) || refusal.Reason != step.reason {
			t.Errorf("Validate = %v, want %s", err, step.reason)
		}
		step.repair()
	}
	if err := j.Validate(x); err != nil {
		t.Errorf("Validate with all repaired: %v", err)
	}
}

func TestValidateJudgesAllButExpiryOfAnExpiredToken(t *testing.T) {
	t.Parallel()
	x := token.Expectation{
		Type: "at+jwt", Issuer: "https://auth.example.org", AnyAudience: true, ExpiredToo: true, Now: noon.Add(24 * time.Hour),
	}
	j := token.JWT{Type: "at+jwt", Claims: goodClaims()}
	if err := j.Validate(x); err != nil {
		t.Errorf("expired: %v", err)
	}
	j.Claims.NotBefore = x.Now.Add(time.Minute)
	if err := j.Validate(x); checkOf(err) != token.CheckTime {
		t.Errorf("not yet valid: %v", err)
	}
	j.Claims.Issuer = "other"
	if err := j.Validate(x); checkOf(err) != token.CheckIssuer {
		t.Errorf("of another issuer: %v", err)
	}
}
