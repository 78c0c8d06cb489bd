package gen3_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/dialect/gen3"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/oauth"
	"github.com/bearerd/bearerd/internal/token"
)

// fenceTest is one of Fence's own tests in testdata/fence.yaml, which says what its
// members are.
type fenceTest struct {
	Test  string      `yaml:"test"`
	Steps []fenceStep `yaml:"steps"`
}

type fenceStep struct {
	Fact    string            `yaml:"fact"`
	Differs string            `yaml:"differs"`
	Do      string            `yaml:"do"`
	Look    string            `yaml:"look"`
	By      string            `yaml:"by"`
	Raw     string            `yaml:"raw"`
	JSON    string            `yaml:"json"`
	Form    string            `yaml:"form"`
	Later   int               `yaml:"later"`
	Status  int               `yaml:"status"`
	Has     []string          `yaml:"has"`
	Is      map[string]any    `yaml:"is"`
	Text    string            `yaml:"text"`
	Header  map[string]string `yaml:"header"`
	Claims  map[string]any    `yaml:"claims"`
	Keep    map[string]string `yaml:"keep"`
}

func readFenceTests(t *testing.T) (tests []fenceTest) {
	t.Helper()
	text, err := os.ReadFile("testdata/fence.yaml")
	if err != nil {
		t.Fatal(err)
	}
	loader, err := yaml.NewLoader(strings.NewReader(string(text)), yaml.WithKnownFields())
	if err != nil {
		t.Fatal(err)
	}
	if err := loader.Load(&tests); err != nil {
		t.Fatal(err)
	}
	return tests
}

// TestFencesOwnExpectations asks bearerd for what Fence's tests ask Fence for.
func TestFencesOwnExpectations(t *testing.T) {
	t.Parallel()
	facts, differ := 0, 0
	for _, test := range readFenceTests(t) {
		for _, s := range test.Steps {
			switch {
			case s.Differs != "":
				differ++
			case s.Fact != "":
				facts++
			}
		}
		t.Run(test.Test, func(t *testing.T) {
			t.Parallel()
			algorithm := token.EdDSA
			if strings.HasPrefix(test.Test, "tests/rfc7517/") {
				algorithm = token.RS256 // a second to make
			}
			w := newFenceWorld(t, algorithm)
			for i, s := range test.Steps {
				if s.Differs == "" {
					w.step(t, strconv.Itoa(i)+", "+s.Fact, s)
				}
			}
		})
	}
	if facts < 130 {
		t.Errorf("%d facts hold and %d differ", facts, differ)
	}
}

// TestEveryDifferenceFromFenceIsOnThePage holds the page to the table, reasons included.
func TestEveryDifferenceFromFenceIsOnThePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/dialect-gen3.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range readFenceTests(t) {
		for _, s := range test.Steps {
			if row := "| " + s.Fact + " | " + s.Differs + " |"; s.Differs != "" && !strings.Contains(string(page), row) {
				t.Errorf("%s: the page has no row\n%s", test.Test, row)
			}
		}
	}
}

// fenceWorld is bearerd with the people, clients and tokens of testdata/fence.yaml.
type fenceWorld struct {
	*nodetest.Fixture
	http   *edgetest.Site
	values map[string]string
}

func newFenceWorld(t *testing.T, algorithm token.Algorithm) *fenceWorld {
	t.Helper()
	f := nodetest.New(t, nodetest.Options{Algorithm: algorithm, Settings: func(s *node.Settings) {
		s.Policy.AccessTTL = s.Policy.AccessMax
		s.Policy.TaskMax = map[string]time.Duration{"FOO": 4 * time.Hour, "OTHER": 0, "FIXED": 0, "WRONG": 0}
		s.Policy.Profile = gen3.Profile()
	}})
	w := &fenceWorld{Fixture: f, values: map[string]string{}}
	w.serve(t)
	w.people(t)
	w.clients(t)
	signing, err := f.Ring.Signing()
	nodetest.Must(t, err)
	public := signing.Verification()
	der, err := x509.MarshalPKIXPublicKey(public.Key)
	nodetest.Must(t, err)
	jwk, err := public.JWK()
	nodetest.Must(t, err)
	w.values["kid"], w.values["modulus"] = signing.KID, jwk["n"]
	w.values["pem"] = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	return w
}

func (w *fenceWorld) serve(t *testing.T) {
	t.Helper()
	w.http = edgetest.Serve(t, w.Time, &gen3.Dialect{
		SignIn: w.Authenticator, Issuance: w.Issuance, Tokens: w.Tokens, Revoker: w.Revoker, Verifier: w.Verifier, PublicKeys: w.PublicKeys, Now: w.Time,
		SessionCookies: []string{sessionCookie}, CrossOrigin: edgetest.CrossOrigin(t), Challenge: httpkit.Challenge{Realm: nodetest.Issuer},
	}, &gen3.Denylist{Verifier: w.Verifier}, &oauth.Edge{
		SignIn: w.Authenticator, ClientAuth: w.ClientAuth, Issuance: w.Issuance, Flows: w.Flows, Assertions: w.Assertions, Revoker: w.Revoker, Verifier: w.Verifier, Applied: w.Ledger.Applied,
		JWKS: w.JWKS, SignedBy: w.Algorithms, Quota: w.Quota, Now: w.Time, TokenInQuery: true,
		Site: oauth.Site{Issuer: nodetest.Issuer, DefaultAudience: nodetest.Issuer, Staleness: w.Settings.Staleness},
	})
}

func (w *fenceWorld) people(t *testing.T) {
	t.Helper()
	ada := w.Person(t, "ada", nodetest.May("read", "/open"), nodetest.May("create", "/task-tokens/FOO"), nodetest.May("*", "/task-tokens/OTHER"),
		nodetest.May("create", "/task-tokens/FIXED/200"), nodetest.May("delete", "/task-tokens/WRONG/200"))
	warden, eve := w.Person(t, "warden", nodetest.May("delete", "/tokens")), w.Person(t, "eve")
	w.values["ada"] = ada.ID()
	w.values["creds"] = w.MadeAccess(t, ada, "openid", "user", "data", "credentials").Value.Reveal()
	w.values["plain"] = w.MadeAccess(t, ada, "openid", "user").Value.Reveal()
	w.values["warden"] = w.MadeAccess(t, warden, "admin", "credentials").Value.Reveal()
	w.values["wardens_creds"] = w.MadeAccess(t, warden, "user", "credentials").Value.Reveal()
	w.values["eves"] = w.MadeAccess(t, eve, "openid", "user").Value.Reveal()
	w.values["session:ada"] = w.SessionOf(t, "ada").Value.Reveal()
	w.values["session:garbage"] = "garbage-string"
}

func (w *fenceWorld) clients(t *testing.T) {
	t.Helper()
	device := []string{identity.GrantTypeDeviceCode, identity.GrantTypeRefreshToken}
	scopes := []string{"openid", "user", "offline_access"}
	app := w.NewClient(t, identity.NewClient{ID: "app", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants(), Scopes: scopes})
	tv := w.NewClient(t, identity.NewClient{ID: "tv", Grants: device, Scopes: scopes})
	w.NewClient(t, identity.NewClient{ID: "limited", Secret: nodetest.ClientSecret, Grants: device, Scopes: scopes})
	ada := w.SignedIn(t, "ada")
	refresh := func(client *caller.Caller) string {
		start, err := w.StartDevice(t.Context(), client, scopes, "")
		nodetest.Must(t, err)
		nodetest.Must(t, w.DecideDevice(t.Context(), ada, start.UserCode, true))
		pair, err := w.RedeemDevice(t.Context(), client, start.DeviceCode.Reveal())
		nodetest.Must(t, err)
		return pair.Refresh.Value.Reveal()
	}
	w.values["refresh"], w.values["refresh2"], w.values["public"] = refresh(app), refresh(app), refresh(tv)
	own, err := w.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: app})
	nodetest.Must(t, err)
	w.values["clients"] = own.Value.Reveal()
}

// fill puts values in the place of their names.
func (w *fenceWorld) fill(text string) string {
	for name, value := range w.values {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return text
}

// step does one step, and judges what came back.
func (w *fenceWorld) step(t *testing.T, what string, s fenceStep) {
	t.Helper()
	w.Advance(time.Duration(s.Later) * time.Second)
	answer, text := map[string]any{"access_token": w.values[s.Look]}, ""
	if s.Look == "" {
		response := w.send(t, s)
		text, answer = response.text, nil
		_ = json.Unmarshal([]byte(text), &answer)
		if want := s.Status; want != 0 && response.status != want || want == 0 && s.Fact == "" && response.status != http.StatusOK {
			t.Errorf("%s: %d %s, want %d", what, response.status, text, want)
		}
		for name, want := range s.Header {
			if got := response.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", what, name, got, want)
			}
		}
	}
	if !strings.Contains(text, s.Text) {
		t.Errorf("%s: %s", what, text)
	}
	for _, path := range s.Has {
		if _, ok := member(answer, path); !ok {
			t.Errorf("%s: no %s in %s", what, path, text)
		}
	}
	w.judge(t, what, answer, s.Is)
	if s.Claims != nil {
		w.judge(t, what, claimsIn(t, answer), s.Claims)
	}
	for name, from := range s.Keep {
		w.values[name], _ = answer[from].(string)
	}
}

func (w *fenceWorld) send(t *testing.T, s fenceStep) answer {
	t.Helper()
	method, path, _ := strings.Cut(w.fill(s.Do), " ")
	var options []option
	switch {
	case s.Form != "":
		options = append(options, contentType(typeForm))
	case s.JSON != "":
		options = append(options, contentType(typeJSON))
	}
	switch name, id, _ := strings.Cut(s.By, ":"); {
	case s.Raw != "":
		options = append(options, header("Authorization", w.fill(s.Raw)))
	case name == "session":
		options = append(options, header("Cookie", sessionCookie+"="+w.values[s.By]))
	case name == "client":
		options = append(options, edgetest.Basic(id, nodetest.ClientSecret))
	case s.By != "":
		if w.values[s.By] == "" {
			t.Fatalf("there is no %s", s.By)
		}
		options = append(options, bearer(w.values[s.By]))
	}
	a := w.http.Do(t, method, path, w.fill(s.Form+s.JSON), options...)
	return answer{a.Status, a.Header, a.Body}
}

// judge compares members; the texts number, text and absent stand for any of that sort.
func (w *fenceWorld) judge(t *testing.T, what string, answer map[string]any, want map[string]any) {
	t.Helper()
	for path, value := range want {
		got, there := member(answer, path)
		if text, ok := value.(string); ok {
			value = w.fill(text)
		}
		good := there
		switch value {
		case "absent":
			good = !there
		case "number":
			_, good = got.(float64)
		case "text":
			_, good = got.(string)
		default:
			good = good && reflect.DeepEqual(got, jsonOf(t, value))
		}
		if !good {
			t.Errorf("%s: %s is %v, want %v", what, path, got, value)
		}
	}
}

// jsonOf returns a value as it comes from JSON.
func jsonOf(t *testing.T, value any) (out any) {
	t.Helper()
	text, err := json.Marshal(value)
	nodetest.Must(t, err)
	nodetest.Must(t, json.Unmarshal(text, &out))
	return out
}

// member returns what stands at a path with dots: names, indices, and length.
func member(value any, path string) (any, bool) {
	for name := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			next, ok := v[name]
			if !ok {
				return nil, false
			}
			value = next
		case []any:
			i, err := strconv.Atoi(name)
			switch {
			case name == "length":
				value = float64(len(v))
			case err != nil || i >= len(v):
				return nil, false
			default:
				value = v[i]
			}
		default:
			return nil, false
		}
	}
	return value, true
}

// claimsIn returns the payload of the token in an answer, with its kid and its lifetime.
func claimsIn(t *testing.T, answer map[string]any) (claims map[string]any) {
	t.Helper()
	raw, _ := answer["access_token"].(string)
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		t.Errorf("no token in %v", answer)
		return nil
	}
	var head struct {
		KID string `json:"kid"`
	}
	for i, into := range []any{&head, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		nodetest.Must(t, err)
		nodetest.Must(t, json.Unmarshal(text, into))
	}
	exp, _ := claims["exp"].(float64)
	iat, _ := claims["iat"].(float64)
	claims["kid"], claims["lifetime"] = head.KID, exp-iat
	return claims
}
