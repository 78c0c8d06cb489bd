package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/auth0/go-jwt-middleware/v2/jwks"
	"github.com/auth0/go-jwt-middleware/v2/validator"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"
	cap "github.com/hashicorp/cap/jwt"
	"github.com/lestrrat-go/jwx/v3/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"
	"golang.org/x/oauth2"
)

// wanted is what a service asks of a token.
type wanted struct{ issuer, audience, algorithm string }

// verify checks a token with a library, as docs/verifiers.md says that it is set up. The
// error is why the token is refused.
type verify func(t *testing.T, w wanted, raw string) error

// library is a line of the table of docs/verifiers.md.
type library struct {
	verify     verify
	algorithms []string // that it takes; nil: all that bearerd has
}

var notEdDSA = []string{"ES256", "RS256", "PS256"}

// libraries are the lines of the table that run here, by their names there.
var libraries = map[string]library{
	"golang-jwt/jwt v5":            {verify: withGolangJWT},
	"go-jose v4":                   {verify: withGoJOSE},
	"coreos/go-oidc v3":            {verify: withGoOIDC},
	"lestrrat-go/jwx v3":           {verify: withJWX},
	"hashicorp/cap (Vault)":        {verify: withCap},
	"auth0/go-jwt-middleware v2":   {verify: withAuth0},
	"jose (npm)":                   {verify: withScript("node", "javascript/jose.mjs")},
	"jsonwebtoken and jwks-rsa":    {verify: withScript("node", "javascript/jsonwebtoken.mjs"), algorithms: notEdDSA},
	"PyJWT":                        {verify: withScript(python, "testdata/verifiers/pyjwt.py")},
	"Authlib":                      {verify: withScript(python, "testdata/verifiers/with_authlib.py")},
	"python-jose":                  {verify: withScript(python, "testdata/verifiers/python_jose.py"), algorithms: []string{"ES256", "RS256"}},
	"HAProxy":                      {verify: withHAProxy, algorithms: []string{"ES256", "RS256"}},
	"Apache mod_oauth2, JWT":       {verify: withModOAuth2, algorithms: notEdDSA},
	"Apache mod_auth_openidc, JWT": {verify: withModAuthOpenIDC, algorithms: notEdDSA},
}

// TestEveryVerifierOfTheTable: each library accepts a token by every algorithm that the
// table says, and refuses one for another audience, a changed one, and by an algorithm
// that it doesn't take. None of them knows of revocations.
func TestEveryVerifierOfTheTable(t *testing.T) {
	t.Parallel()
	for _, algorithm := range algorithms {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			issuer := serve(t, algorithm)
			for name, one := range libraries {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					w := wanted{issuer: issuer, audience: issuer, algorithm: algorithm}
					raw := clientCredentials(t, issuer, oauth2.AuthStyleInHeader)
					if one.algorithms != nil && !strings.Contains(strings.Join(one.algorithms, " "), algorithm) {
						if one.verify(t, w, raw) == nil {
							t.Errorf("it takes %s, which the table doesn't say", algorithm)
						}
						return
					}
					if err := one.verify(t, w, raw); err != nil {
						t.Fatalf("a good token is refused: %v", err)
					}
					other := w
					other.audience = "https://other.example"
					if one.verify(t, other, raw) == nil {
						t.Error("a token for another audience is accepted")
					}
					if one.verify(t, w, changed(t, raw)) == nil {
						t.Error("a changed token is accepted")
					}
					revoke(t, issuer, raw)
					if err := one.verify(t, w, raw); err != nil {
						t.Errorf("it knows of the revocation, which the page denies: %v", err)
					}
				})
			}
		})
	}
}

// TestTheTableNamesWhatRuns: what the page says is tested is, and what isn't has a source.
func TestTheTableNamesWhatRuns(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/verifiers.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| \*\*(.+?)\*\* \|.*\| (.+?) \|$`).FindAllStringSubmatch(string(page), -1)
	tested := map[string]bool{}
	for _, row := range rows {
		name, how := row[1], row[2]
		switch _, runs := libraries[name]; {
		case how == "tested" && !runs:
			t.Errorf("%s is said to be tested, and is not", name)
		case how == "tested":
			tested[name] = true
		case !strings.HasPrefix(how, "by documentation: ["):
			t.Errorf("%s is neither tested nor has a source: %s", name, how)
		}
	}
	for name := range libraries {
		if !tested[name] {
			t.Errorf("the page doesn't say that %s is tested", name)
		}
	}
	if len(rows) < 12 {
		t.Errorf("the table has %d lines", len(rows))
	}
}

// changed returns the token with another subject, under the same signature.
func changed(t *testing.T, raw string) string {
	t.Helper()
	parts := strings.Split(raw, ".")
	payload, err := jwt.NewParser().DecodeSegment(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(string(payload), `"sub":"ci"`, `"sub":"co"`, 1)
	if other == string(payload) {
		t.Fatalf("the payload has no subject: %s", payload)
	}
	parts[1] = encodeSegment(other)
	return strings.Join(parts, ".")
}

// revoke revokes a token, and waits until introspection says so.
func revoke(t *testing.T, issuer, raw string) {
	t.Helper()
	if got := post(t, issuer+"/oauth2/revoke", raw); got["revoked"] != true {
		t.Fatalf("revoking: %v", got)
	}
	if got := post(t, issuer+"/oauth2/introspect", raw); got["active"] != false {
		t.Fatalf("introspection of a revoked token: %v", got)
	}
}

func post(t *testing.T, address, raw string) (answer map[string]any) {
	t.Helper()
	form := url.Values{"token": {raw}, "client_id": {clientID}, "client_secret": {clientSecret}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return answer
}

func withGolangJWT(t *testing.T, w wanted, raw string) error {
	t.Helper()
	keys := jwkSet(t, w.issuer)
	find := func(parsed *jwt.Token) (any, error) {
		kid, _ := parsed.Header["kid"].(string)
		for _, k := range keys.Key(kid) {
			return k.Key, nil
		}
		return nil, jwt.ErrTokenUnverifiable
	}
	_, err := jwt.Parse(raw, find, jwt.WithValidMethods([]string{w.algorithm}), jwt.WithIssuer(w.issuer),
		jwt.WithAudience(w.audience), jwt.WithExpirationRequired())
	return err
}

func withGoJOSE(t *testing.T, w wanted, raw string) error {
	t.Helper()
	parsed, err := josejwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(w.algorithm)})
	if err != nil {
		return err
	}
	var claims josejwt.Claims
	if err := parsed.Claims(jwkSet(t, w.issuer), &claims); err != nil {
		return err
	}
	return claims.Validate(josejwt.Expected{Issuer: w.issuer, Subject: clientID, AnyAudience: josejwt.Audience{w.audience}})
}

// withGoOIDC takes the algorithms from openid-configuration.
func withGoOIDC(t *testing.T, w wanted, raw string) error {
	t.Helper()
	provider, err := oidc.NewProvider(t.Context(), w.issuer)
	if err != nil {
		return err
	}
	_, err = provider.Verifier(&oidc.Config{ClientID: w.audience}).Verify(t.Context(), raw)
	return err
}

func withJWX(t *testing.T, w wanted, raw string) error {
	t.Helper()
	keys, err := jwk.Fetch(t.Context(), w.issuer+"/.well-known/jwks.json")
	if err != nil {
		return err
	}
	_, err = jwxjwt.Parse([]byte(raw), jwxjwt.WithKeySet(keys), jwxjwt.WithIssuer(w.issuer), jwxjwt.WithAudience(w.audience))
	return err
}

func withCap(t *testing.T, w wanted, raw string) error {
	t.Helper()
	keys, err := cap.NewJSONWebKeySet(t.Context(), w.issuer+"/.well-known/jwks.json", "")
	if err != nil {
		return err
	}
	v, err := cap.NewValidator(keys)
	if err != nil {
		return err
	}
	_, err = v.Validate(t.Context(), raw, cap.Expected{
		Issuer: w.issuer, Audiences: []string{w.audience}, SigningAlgorithms: []cap.Alg{cap.Alg(w.algorithm)},
	})
	return err
}

func withAuth0(t *testing.T, w wanted, raw string) error {
	t.Helper()
	issuer, err := url.Parse(w.issuer)
	if err != nil {
		return err
	}
	v, err := validator.New(jwks.NewCachingProvider(issuer, time.Minute).KeyFunc, validator.SignatureAlgorithm(w.algorithm),
		w.issuer, []string{w.audience})
	if err != nil {
		return err
	}
	_, err = v.ValidateToken(t.Context(), raw)
	return err
}

// TestVerifiersThatTakeRS256AloneAsTheyCome: what the page says of libraries that need to
// be told the algorithm.
func TestVerifiersThatTakeRS256AloneAsTheyCome(t *testing.T) {
	t.Parallel()
	issuer := serve(t, "EdDSA")
	raw := clientCredentials(t, issuer, oauth2.AuthStyleInHeader)
	keys, err := cap.NewJSONWebKeySet(t.Context(), issuer+"/.well-known/jwks.json", "")
	if err != nil {
		t.Fatal(err)
	}
	v, err := cap.NewValidator(keys)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Validate(t.Context(), raw, cap.Expected{Issuer: issuer, Audiences: []string{issuer}}); err == nil {
		t.Error("hashicorp/cap takes EdDSA as it comes")
	}
	bare := oidc.NewVerifier(issuer, oidc.NewRemoteKeySet(t.Context(), issuer+"/.well-known/jwks.json"), &oidc.Config{ClientID: issuer})
	if _, err := bare.Verify(t.Context(), raw); err == nil {
		t.Error("go-oidc takes EdDSA without discovery")
	}
}

var errRefused = errors.New("the script refused the token")

// withScript runs a script that ends with 0 when it accepts the token.
func withScript(program, script string) verify {
	return func(t *testing.T, w wanted, raw string) error {
		t.Helper()
		need(t, program, script)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, script)
		cmd.Env = append(os.Environ(), "BEARERD="+w.issuer, "AUDIENCE="+w.audience, "ALGORITHM="+w.algorithm, "TOKEN="+raw,
			"PYTHONDONTWRITEBYTECODE=1")
		out, err := cmd.CombinedOutput()
		if err == nil {
			return nil
		}
		if code := cmd.ProcessState.ExitCode(); code != 3 { // 3 is a refusal; all else is a mistake of the script
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
		t.Logf("%s: %s", script, out)
		return errRefused
	}
}

// need skips where a program or its libraries are missing, but in CI that is a failure.
func need(t *testing.T, program, script string) {
	t.Helper()
	check := exec.CommandContext(t.Context(), program, script)
	check.Env = append(os.Environ(), "TOKEN=")
	out, err := check.CombinedOutput()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is needed, with the libraries that .ci/packages installs: %v\n%s", program, err, out)
	default:
		t.Skipf("%s is missing, or a library: %v", program, err)
	}
}
