package gen3_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node"

	"github.com/bearerd/bearerd/internal/caller"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/dialect/gen3"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

var update = flag.Bool("update", false, "write the conversations again")

const (
	password      = "correct horse"
	sessionCookie = "bearerd_session"
	typeForm      = "application/x-www-form-urlencoded"
	typeJSON      = "application/json"
)

// site is the dialect on a real authority, behind a real listener.
type site struct {
	*nodetest.Fixture
	t       testing.TB
	http    *edgetest.Site
	url     string
	session string // ada's
	ada     string // her subject
}

// tasks are the task token types of a site: FOO has a ceiling of its own.
func tasks(p *node.Settings) {
	p.Policy.TaskMax = map[string]time.Duration{"FOO": 4 * time.Hour, "BAR": 0}
	p.Policy.Profile = gen3.Profile()
}

func newSite(t testing.TB, bindings ...access.Binding) *site {
	t.Helper()
	return newSiteWith(t, nodetest.Options{Settings: tasks}, bindings...)
}

func newSiteWith(t testing.TB, o nodetest.Options, bindings ...access.Binding) *site {
	t.Helper()
	f := nodetest.New(t, o)
	s := &site{Fixture: f, t: t, http: serve(t, &gen3.Dialect{
		SignIn: f.Authenticator, Issuance: f.Issuance, Assertions: f.Assertions, Tokens: f.Tokens, Revoker: f.Revoker, Verifier: f.Verifier, PublicKeys: f.PublicKeys, Now: f.Time,
		SessionCookies: []string{sessionCookie}, CrossOrigin: edgetest.CrossOrigin(t),
		Challenge: httpkit.Challenge{Realm: nodetest.Issuer}, CacheTime: 5 * time.Minute,
	})}
	s.url, s.ada = s.http.URL, f.User(t, "ada", password, bindings...).ID
	s.session = f.SessionToken(t, "ada", password).Value.Reveal()
	return s
}

// serve serves a dialect with its denylist.
func serve(t testing.TB, d *gen3.Dialect) *edgetest.Site {
	t.Helper()
	s := edgetest.Serve(t, d.Now, d, &gen3.Denylist{Verifier: d.Verifier})
	s.Type = typeJSON
	return s
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string
}

// decode reads the body of an answer.
func decode[T any](t testing.TB, a answer) (body T) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.text), &body); err != nil {
		t.Fatalf("%q: %v", a.text, err)
	}
	return body
}

// message is what a refusal says.
func (a answer) message(t testing.TB) string {
	t.Helper()
	return decode[struct{ Message string }](t, a).Message
}

type option = edgetest.Option

func bearer(token string) option { return edgetest.Bearer(token) }

func header(name, value string) option { return edgetest.Header(name, value) }

func contentType(value string) option { return edgetest.Type(value) }

func (s *site) bySession(r *http.Request) {
	r.AddCookie(&http.Cookie{Name: sessionCookie, Value: s.session})
}

// do sends a request; a body is JSON where no option says otherwise.
func (s *site) do(method, path, body string, options ...option) answer {
	s.t.Helper()
	a := s.http.Do(s.t, method, path, body, options...)
	return answer{a.Status, a.Header, a.Body}
}

// newKey is the answer to a key that was made.
type newKey struct {
	ID    string `json:"key_id"`
	Value string `json:"api_key"`
}

// key makes an API key by ada's session.
func (s *site) key(query string) newKey {
	s.t.Helper()
	a := s.do("POST", "/credentials/api"+query, "", s.bySession)
	if a.status != http.StatusOK {
		s.t.Fatalf("making a key: %d %s", a.status, a.text)
	}
	return decode[newKey](s.t, a)
}

// trade asks for a token for an API key.
func (s *site) trade(query, key string) answer {
	s.t.Helper()
	body, err := json.Marshal(map[string]string{"api_key": key})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.do("POST", "/credentials/api/access_token"+query, string(body))
}

// accessToken trades an API key, which must succeed.
func (s *site) accessToken(query, key string) string {
	s.t.Helper()
	a := s.trade(query, key)
	if a.status != http.StatusOK {
		s.t.Fatalf("trading a key: %d %s", a.status, a.text)
	}
	return decode[struct {
		Value string `json:"access_token"`
	}](s.t, a).Value
}

// refused checks a refusal: its status, its shape, and that nobody keeps it.
func (a answer) refused(t testing.TB, what string, status int) {
	t.Helper()
	if a.status != status {
		t.Errorf("%s: %d %s, want %d", what, a.status, a.text, status)
		return
	}
	if a.message(t) == "" || a.header.Get("Content-Type") != typeJSON || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: %v %s", what, a.header, a.text)
	}
	if challenge := a.header.Get("WWW-Authenticate"); status == http.StatusUnauthorized && !strings.HasPrefix(challenge, "Bearer realm=") {
		t.Errorf("%s: challenge %q", what, challenge)
	}
}

// TestConversations holds whole conversations against testdata/*.txtar.
func TestConversations(t *testing.T) {
	t.Parallel()
	edgetest.Play(t, *update, func(t *testing.T) edgetest.Stage {
		t.Helper()
		s := newSite(t,
			nodetest.May("create", "/task-tokens/FOO"), nodetest.May("create", "/task-tokens/BAR/100"),
			nodetest.May("read", "/programs/jnkns"),
		)
		s.User(t, "mallory", "battery staple")
		return edgetest.Stage{URL: s.url, Secrets: map[string]string{
			"session":   s.session,
			"bearer":    s.AccessToken(t, "ada", password, "credentials").Value.Reveal(),
			"plain":     s.AccessToken(t, "ada", password).Value.Reveal(),
			"mallory's": s.SessionToken(t, "mallory", "battery staple").Value.Reveal(),
		}, Acts: map[string]func(){
			"two hours pass": func() { s.Advance(2 * time.Hour) },
			"the signing key is rotated": func() {
				if err := s.RotateKeys(t.Context(), caller.Operator(), true); err != nil {
					t.Fatal(err)
				}
			},
			"ada is disabled": func() {
				yes := true
				if _, err := s.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Disabled: &yes}); err != nil {
					t.Fatal(err)
				}
			},
		}}
	})
}
