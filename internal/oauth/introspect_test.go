package oauth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/verification"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
)

func (e *env) introspect(t testing.TB, raw string, options ...option) answer {
	t.Helper()
	if options == nil {
		options = []option{asClient("api")}
	}
	return e.post(t, "/oauth2/introspect", form("token", raw), options...)
}

// inactive checks the whole answer about what can't be used.
func (a answer) inactive(t testing.TB, what string) {
	t.Helper()
	if a.status != http.StatusOK || a.text != `{"active":false}`+"\n" {
		t.Errorf("%s: %d %s", what, a.status, a.text)
	}
	a.uncached(t)
}

func newIntrospectEnv(t testing.TB) (*env, identity.User) {
	t.Helper()
	e := newEnv(t, nodetest.Options{Settings: func(p *node.Settings) { p.Policy.TaskMax = map[string]time.Duration{"TES": time.Hour} }})
	e.Client(t, "api", "read")
	e.Collection(t, 4, "Fish")
	ada := e.User(t, "ada", "correct horse",
		nodetest.May("access", "/collections/4"), nodetest.May("create", "/task-tokens/TES"),
		nodetest.May(identity.ScopeIntrospect, access.PathTokens))
	return e, ada
}

// issueTo issues a token to ada by her session.
func (e *env) issueTo(t testing.TB, r issuance.Request) *issuance.Issued {
	t.Helper()
	if r.Parent == nil {
		session, err := e.Session(t.Context(), e.SessionToken(t, "ada", "correct horse").Value.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		r.Parent = session.Token
	}
	s, err := e.Subject(t.Context(), r.Parent)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := e.Issue(t.Context(), caller.ByToken(&verification.Identity{Token: r.Parent, Subject: s}), &r)
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

func TestIntrospectionTellsWhatATokenIs(t *testing.T) {
	t.Parallel()
	e, ada := newIntrospectEnv(t)
	four := int64(4)
	issued := e.issueTo(t, issuance.Request{Kind: token.KindAccess, Scope: []string{"read", "write"}, Collection: &four, Lifetime: 300})
	a := e.introspect(t, issued.Value.Reveal()).ok(t)
	a.uncached(t)
	chain, _ := a.body["chain"].([]any)
	seq, _ := a.body["seq"].(float64)
	want := map[string]any{
		"active": true, "iss": nodetest.Issuer, "sub": ada.ID, "username": "ada", "client_id": identity.OwnClientID,
		"aud": nodetest.Issuer, "scope": "read write", "token_type": "Bearer", "token_kind": "access",
		"jti": issued.ID, "exp": float64(issued.Expiry.Unix()), "iat": float64(issued.Expiry.Unix() - 300),
		"collection": 4.0, "chain": chain, "seq": seq, "log_seq": float64(e.Follower.Applied()),
	}
	if diff := cmp.Diff(want, a.body); diff != "" || len(chain) != 1 || seq < 1 {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestIntrospectionOfEachKind(t *testing.T) {
	t.Parallel()
	e, ada := newIntrospectEnv(t)
	key := e.issueTo(t, issuance.Request{Kind: token.KindExchangeKey, Name: "key"})
	session := e.SessionToken(t, "ada", "correct horse")
	e.introspect(t, key.Value.Reveal()).inactive(t, "an API key")
	e.introspect(t, session.Value.Reveal()).inactive(t, "a session")

	a := e.introspect(t, e.issueTo(t, issuance.Request{Kind: token.KindAPIToken, Name: "laptop", Scope: []string{"read"}}).Value.Reveal()).ok(t)
	_, expires := a.body["exp"]
	if a.body["token_kind"] != "api-token" || a.body["username"] != "ada" || a.body["sub"] != ada.ID || a.body["aud"] != nodetest.Issuer || expires {
		t.Errorf("an API token: %s", a.text)
	}
	access, err := e.Bearer(t.Context(), e.accessToken(t, "ada"))
	if err != nil {
		t.Fatal(err)
	}
	a = e.introspect(t, e.issueTo(t, issuance.Request{Kind: token.KindTask, Parent: access.Token, TaskType: "TES"}).Value.Reveal()).ok(t)
	if a.body["token_kind"] != "task" || a.body["aud"] != "TES" || a.body["task_token_type"] != "TES" {
		t.Errorf("a task token: %s", a.text)
	}
	a = e.introspect(t, e.clientToken(t, "api", "scope", "read")).ok(t)
	if _, named := a.body["username"]; named || a.body["sub"] != "api" || a.body["client_id"] != "api" {
		t.Errorf("a client's token: %s", a.text)
	}
}

func TestWhatCantBeUsedIsInactiveAndNothingMore(t *testing.T) {
	t.Parallel()
	e, ada := newIntrospectEnv(t)
	four := int64(4)
	revoked := e.accessToken(t, "ada")
	e.post(t, "/oauth2/revoke", form("token", revoked), asBearer(revoked)).ok(t)
	e.introspect(t, revoked).inactive(t, "revoked")
	for _, junk := range []string{"junk", "a.b.c", revoked[:len(revoked)-3] + "AAA", "bda_" + strings.Repeat("0", 36), strings.Repeat("x", 9<<10)} {
		e.introspect(t, junk).inactive(t, junk[:4])
	}
	short := e.clientToken(t, "api", "expires_in", "60")
	lost := e.issueTo(t, issuance.Request{Kind: token.KindAccess, Collection: &four, Lifetime: 3600}).Value.Reveal()
	e.introspect(t, short).ok(t)
	e.Advance(time.Minute)
	e.introspect(t, short).inactive(t, "expired")
	if a := e.introspect(t, lost); a.body["active"] != true {
		t.Errorf("with access: %s", a.text)
	}
	if _, _, err := e.RemoveAccess(t.Context(), caller.Operator(), ada.ID, access.CollectionPath(4)); err != nil {
		t.Fatal(err)
	}
	e.introspect(t, lost).inactive(t, "a lost collection")
}

func TestIntrospectionIsForWhoMay(t *testing.T) {
	t.Parallel()
	e, _ := newIntrospectEnv(t)
	e.addClient(t, identity.NewClient{ID: "app", Grants: []string{identity.GrantTypeDeviceCode}})
	e.addClient(t, identity.NewClient{
		ID: "robot", Secret: nodetest.ClientSecret, Grants: []string{identity.GrantTypeClientCredentials},
		Scopes: []string{identity.ScopeIntrospect},
	})
	victim := e.accessToken(t, "ada")
	e.introspect(t, victim, asBearer(e.accessToken(t, "ada", identity.ScopeIntrospect))).ok(t)
	e.introspect(t, victim, asBearer(e.clientToken(t, "robot", "scope", identity.ScopeIntrospect))).ok(t)
	e.post(t, "/oauth2/introspect", form("token", victim, "client_id", "api", "client_secret", nodetest.ClientSecret)).ok(t)

	secret := form("token", victim)
	for name, c := range map[string]struct {
		form    string
		options []option
		status  int
		code    string
	}{
		"nobody":              {secret, nil, 401, "invalid_client"},
		"wrong secret":        {secret, []option{asBasic("api", "wrong")}, 401, "invalid_client"},
		"a public client":     {secret + "&client_id=app", nil, 403, "insufficient_scope"},
		"no scope":            {secret, []option{asBearer(victim)}, 403, "insufficient_scope"},
		"a client's token":    {secret, []option{asBearer(e.clientToken(t, "api"))}, 403, "insufficient_scope"},
		"bad Bearer":          {secret, []option{asBearer("junk")}, 401, "invalid_token"},
		"Bearer and a client": {secret + "&client_secret=x", []option{asBearer(victim)}, 400, "invalid_request"},
		"two ways":            {form("token", victim, "client_id", "api", "client_secret", nodetest.ClientSecret), []option{asClient("api")}, 400, "invalid_request"},
		"no token":            {"", []option{asClient("api")}, 400, "invalid_request"},
		"repeated":            {secret + "&token=x", []option{asClient("api")}, 400, "invalid_request"},
		"JSON":                {`{"token":"x"}`, []option{asClient("api"), withHeader("Content-Type", "application/json")}, 400, "invalid_request"},
		"not UTF-8":           {"token=%c3%28", []option{asClient("api")}, 400, "invalid_request"},
		"huge":                {"token=" + strings.Repeat("a", 65<<10), []option{asClient("api")}, 413, "invalid_request"},
	} {
		a := e.post(t, "/oauth2/introspect", c.form, c.options...)
		t.Run(name, func(t *testing.T) { a.refused(t, c.status, c.code) })
	}
	a := e.introspect(t, victim, asBearer(victim))
	if got := a.header.Get("WWW-Authenticate"); !strings.Contains(got, `error="insufficient_scope"`) || !strings.Contains(got, `scope="introspect"`) {
		t.Errorf("WWW-Authenticate: %s", got)
	}
}
