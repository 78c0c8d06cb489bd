package interop_test

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

var algorithms = []string{"EdDSA", "ES256", "RS256", "PS256"}

// TestTheGoClientGetsTokens: the client-credentials client of x/oauth2 gets a token, which
// says what it is (RFC 9068 §2.1), and bearerd accepts it.
func TestTheGoClientGetsTokens(t *testing.T) {
	t.Parallel()
	for _, algorithm := range algorithms {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			url := serve(t, algorithm)
			raw := clientCredentials(t, url, oauth2.AuthStyleInHeader)
			parsed, err := josejwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(algorithm)})
			if err != nil {
				t.Fatal(err)
			}
			if typ := parsed.Headers[0].ExtraHeaders["typ"]; typ != "at+jwt" {
				t.Errorf("typ is %v", typ)
			}
		})
	}
}

// clientCredentials gets a token as a client does, and uses it once.
func clientCredentials(t *testing.T, url string, style oauth2.AuthStyle) string {
	t.Helper()
	config := clientcredentials.Config{
		ClientID: clientID, ClientSecret: clientSecret, TokenURL: url + "/oauth2/token", Scopes: []string{"read"}, AuthStyle: style,
	}
	got, err := config.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.TokenType != "Bearer" || time.Until(got.Expiry) < 29*time.Minute || time.Until(got.Expiry) > 30*time.Minute {
		t.Errorf("token type %q, expiry %v", got.TokenType, got.Expiry)
	}
	if status := get(t, config.Client(t.Context()), url+"/auth/verify?scope=read"); status != http.StatusOK {
		t.Errorf("the token of the oauth2 client: %d", status)
	}
	return got.AccessToken
}

func TestOAuth2ClientAuthenticatesInTheForm(t *testing.T) {
	t.Parallel()
	clientCredentials(t, serve(t, "EdDSA"), oauth2.AuthStyleInParams)
}

func TestOAuth2DeviceFlowBegins(t *testing.T) {
	t.Parallel()
	url := serve(t, "EdDSA")
	config := oauth2.Config{
		ClientID: clientID, ClientSecret: clientSecret,
		Endpoint: oauth2.Endpoint{DeviceAuthURL: url + "/oauth2/device_authorization", TokenURL: url + "/oauth2/token"},
	}
	if _, err := config.DeviceAuth(t.Context()); err == nil {
		t.Error("a client without the grant began the device flow")
	}
}

func get(t *testing.T, client *http.Client, url string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func jwkSet(t *testing.T, url string) (keys jose.JSONWebKeySet) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/.well-known/jwks.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &keys); err != nil {
		t.Fatal(err)
	}
	return keys
}
