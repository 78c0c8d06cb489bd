package oauth_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/oauth"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

const (
	exchangeType = identity.GrantTypeTokenExchange
	deviceType   = identity.GrantTypeDeviceCode
	accessType   = "urn:ietf:params:oauth:token-type:access_token"
	jwtType      = "urn:ietf:params:oauth:token-type:jwt"
)

// newGrants is an environment with a user who may have task tokens of one type, and
// with clients of several makes.
func newGrants(t *testing.T) *env {
	t.Helper()
	e := newEnv(t, nodetest.Options{Settings: func(p *node.Settings) {
		p.Policy.TaskMax = map[string]time.Duration{"TES": 2 * time.Hour, "WES": time.Hour}
	}})
	e.User(t, "ada", "correct horse", nodetest.May("create", "/task-tokens/TES"))
	e.client(t, "tv", "", identity.GrantTypeDeviceCode, identity.GrantTypeRefreshToken)
	e.client(t, "other", "", identity.GrantTypeDeviceCode, identity.GrantTypeRefreshToken)
	e.client(t, "trader", nodetest.ClientSecret, exchangeType, identity.GrantTypeRefreshToken)
	e.Client(t, "plain", "read")
	return e
}

func (e *env) client(t *testing.T, id, secret string, grants ...string) {
	t.Helper()
	_, _, err := e.CreateClient(t.Context(), caller.Operator(), identity.NewClient{
		ID: id, Secret: token.Secret(secret), Grants: grants,
	}, false)
	if err != nil {
		t.Fatal(err)
	}
}

// session signs ada in.
func (e *env) session(t *testing.T) *caller.Caller {
	t.Helper()
	c, err := e.Session(t.Context(), e.SessionToken(t, "ada", "correct horse").Value.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (e *env) apiToken(t *testing.T, scope ...string) string {
	t.Helper()
	issued, err := e.CreateAPIToken(t.Context(), e.session(t), credentials.NewCredential{Name: "laptop", Scope: scope})
	if err != nil {
		t.Fatal(err)
	}
	return issued.Value.Reveal()
}

func (e *env) apiKey(t *testing.T, scope ...string) string {
	t.Helper()
	issued, err := e.CreateExchangeKey(t.Context(), e.session(t), credentials.NewCredential{Scope: scope})
	if err != nil {
		t.Fatal(err)
	}
	return issued.Value.Reveal()
}

func (e *env) trade(t *testing.T, subject string, more ...string) answer {
	t.Helper()
	pairs := []string{"grant_type", exchangeType, "subject_token", subject, "subject_token_type", accessType}
	return e.post(t, "/oauth2/token", form(append(pairs, more...)...))
}

func TestExchangeNarrowsAndDiesWithItsSubject(t *testing.T) {
	t.Parallel()
	e := newGrants(t)
	for name, subject := range map[string]string{
		"API token": e.apiToken(t, "read", "write"), "API key": e.apiKey(t, "read", "write"),
	} {
		a := e.trade(t, subject, "scope", "read", "expires_in", "60").ok(t)
		a.uncached(t)
		if a.body["issued_token_type"] != accessType || a.body["token_type"] != "Bearer" || a.body["scope"] != "read" || a.body["expires_in"] != 60.0 {
			t.Errorf("%s: %s", name, a.text)
		}
		if _, given := a.body["refresh_token"]; given {
			t.Errorf("%s: a refresh token that nobody asked for", name)
		}
		made := a.str(t, "access_token")
		if _, err := e.Verify(t.Context(), made, verification.Requirements{Scope: []string{"read"}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		e.post(t, "/oauth2/revoke", form("token", subject), asBearer(subject)).ok(t)
		if _, err := e.Verify(t.Context(), made, verification.Requirements{}); err == nil {
			t.Errorf("%s: what was made from it outlived it", name)
		}
		e.trade(t, subject).refused(t, http.StatusBadRequest, "invalid_request")
	}
}

func TestExchangeGivesTaskTokensByAudience(t *testing.T) {
	t.Parallel()
	e := newGrants(t)
	key := e.apiKey(t)
	task := e.trade(t, key, "audience", "TES").ok(t)
	if task.body["expires_in"] != 7200.0 {
		t.Errorf("without a lifetime, the ceiling: %s", task.text)
	}
	got, err := e.Verify(t.Context(), task.str(t, "access_token"), verification.Requirements{Audience: "TES"})
	if err != nil || got.Kind != token.KindTask || got.TaskTokenType != "TES" {
		t.Errorf("%+v %v", got, err)
	}
	e.trade(t, key, "audience", "WES").refused(t, http.StatusBadRequest, "invalid_target")
	e.trade(t, key, "audience", "XYZ").refused(t, http.StatusBadRequest, "invalid_target")
	e.trade(t, key, "audience", "TES", "expires_in", "7201").refused(t, http.StatusBadRequest, "invalid_request")
	e.trade(t, task.str(t, "access_token")).refused(t, http.StatusBadRequest, "invalid_request")
}

// TestExchangeTellsTheLifetimeFromTheType: a type that isn't granted at all can't be
// a target, and of one that is granted it is the lifetime that is wrong.
func TestExchangeTellsTheLifetimeFromTheType(t *testing.T) {
	t.Parallel()
	e := newGrants(t)
	right := nodetest.May("create", "/task-tokens/WES/100")
	right.User = "ada"
	if _, err := e.CreateBinding(t.Context(), caller.Operator(), right); err != nil {
		t.Fatal(err)
	}
	key := e.apiKey(t)
	e.trade(t, key, "audience", "WES", "expires_in", "100").ok(t)
	for lifetime, want := range map[string]string{
		"": "a lifetime must be asked for: 100", "99": "the maximum is 100 seconds", "101": "the maximum is 100 seconds",
		"3601": "the maximum is 100 seconds",
	} {
		a := e.trade(t, key, "audience", "WES", "expires_in", lifetime)
		a.refused(t, http.StatusBadRequest, "invalid_request")
		if !strings.Contains(a.str(t, "error_description"), want) {
			t.Errorf("%q: %s", lifetime, a.text)
		}
	}
}

func TestExchangeRefusals(t *testing.T) {
	t.Parallel()
	e := newGrants(t)
	good := e.apiToken(t, "read")
	session := e.SessionToken(t, "ada", "correct horse").Value.Reveal()
	e.client(t, "agent", nodetest.ClientSecret, exchangeType, identity.GrantTypeClientCredentials)
	own := e.clientToken(t, "agent")
	for name, c := range map[string]struct {
		form    string
		options []option
		status  int
		code    string
	}{
		"no subject":              {form("grant_type", exchangeType, "subject_token_type", jwtType), nil, 400, "invalid_request"},
		"no subject type":         {form("grant_type", exchangeType, "subject_token", good), nil, 400, "invalid_request"},
		"unknown subject type":    {form("grant_type", exchangeType, "subject_token", good, "subject_token_type", "x"), nil, 400, "invalid_request"},
		"unknown requested type":  {form("grant_type", exchangeType, "subject_token", good, "subject_token_type", jwtType, "requested_token_type", "x"), nil, 400, "invalid_request"},
		"an actor without a type": {form("grant_type", exchangeType, "subject_token", good, "subject_token_type", jwtType, "actor_token", own), []option{asClient("agent")}, 400, "invalid_request"},
		"an unknown actor type":   {form("grant_type", exchangeType, "subject_token", good, "subject_token_type", jwtType, "actor_token", own, "actor_token_type", "x"), []option{asClient("agent")}, 400, "invalid_request"},
		"a type without an actor": {form("grant_type", exchangeType, "subject_token", good, "subject_token_type", jwtType, "actor_token_type", jwtType), []option{asClient("trader")}, 400, "invalid_request"},
		"an API token for actor":  {form("grant_type", exchangeType, "subject_token", good, "subject_token_type", jwtType, "actor_token", good, "actor_token_type", accessType), []option{asClient("trader")}, 400, "invalid_request"},
		"an actor, no client":     {form("grant_type", exchangeType, "subject_token", good, "subject_token_type", jwtType, "actor_token", own, "actor_token_type", accessType), nil, 401, "invalid_client"},
		"another client's actor":  {form("grant_type", exchangeType, "subject_token", good, "subject_token_type", jwtType, "actor_token", own, "actor_token_type", accessType), []option{asClient("trader")}, 400, "invalid_request"},
		"an actor who refreshes":  {form("grant_type", exchangeType, "subject_token", good, "subject_token_type", jwtType, "actor_token", own, "actor_token_type", accessType, "scope", "offline_access"), []option{asClient("agent")}, 400, "invalid_scope"},
		"junk":                    {form("grant_type", exchangeType, "subject_token", "junk", "subject_token_type", jwtType), nil, 400, "invalid_request"},
		"a session":               {form("grant_type", exchangeType, "subject_token", session, "subject_token_type", jwtType), nil, 400, "invalid_request"},
		"more scope":              {form("grant_type", exchangeType, "subject_token", good, "subject_token_type", jwtType, "scope", "write"), nil, 400, "invalid_scope"},
		"another resource":        {form("grant_type", exchangeType, "subject_token", good, "subject_token_type", jwtType, "resource", "https://other.example"), nil, 400, "invalid_target"},
		"a client without it":     {form("grant_type", exchangeType, "subject_token", good, "subject_token_type", jwtType), []option{asClient("plain")}, 400, "unauthorized_client"},
		"a wrong secret":          {form("grant_type", exchangeType, "subject_token", good, "subject_token_type", jwtType), []option{asBasic("trader", "no")}, 401, "invalid_client"},
		"too long":                {form("grant_type", exchangeType, "subject_token", good, "subject_token_type", jwtType, "expires_in", "3601"), nil, 400, "invalid_request"},
		"no integer":              {form("grant_type", exchangeType, "subject_token", good, "subject_token_type", jwtType, "expires_in", "1.5"), nil, 400, "invalid_request"},
	} {
		a := e.post(t, "/oauth2/token", c.form, c.options...)
		if a.status != c.status || a.body["error"] != c.code {
			t.Errorf("%s: %d %s, want %d %s", name, a.status, a.text, c.status, c.code)
		}
	}
}

// Introspection names every actor, the current one outermost (RFC 8693 §4.1), and a token
// without one has no such member.
func TestATokenWithActorsIsIntrospectedWithThem(t *testing.T) {
	t.Parallel()
	e := newGrants(t)
	for id, from := range map[string][]string{"agent": nil, "relay": {"agent"}} {
		e.addClient(t, identity.NewClient{
			ID: id, Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants(), Scopes: []string{"introspect", "read"}, ExchangeFrom: from,
		})
	}
	subject := e.apiToken(t, "read")
	for _, id := range []string{"agent", "relay"} {
		a := e.post(t, "/oauth2/token", form("grant_type", exchangeType, "subject_token", subject, "subject_token_type", accessType,
			"actor_token", e.clientToken(t, id), "actor_token_type", jwtType), asClient(id)).ok(t)
		if _, refresh := a.body["refresh_token"]; refresh || a.body["scope"] != "read" || a.body["issued_token_type"] != accessType {
			t.Errorf("%s", a.text)
		}
		subject = a.str(t, "access_token")
	}
	a := e.introspect(t, subject, asClient("agent")).ok(t)
	want := map[string]any{"sub": "relay", "act": map[string]any{"sub": "agent"}}
	if diff := cmp.Diff(want, a.body["act"]); diff != "" || a.body["username"] != "ada" || a.body["client_id"] != "relay" {
		t.Errorf("%s (-want +got):\n%s", a.text, diff)
	}
	if a := e.introspect(t, e.clientToken(t, "agent"), asClient("agent")).ok(t); a.body["act"] != nil {
		t.Errorf("a token without an actor: %s", a.text)
	}
}

func TestRefreshTokenIsGoodOnceAndReuseKillsItsFamily(t *testing.T) {
	t.Parallel()
	e := newGrants(t)
	first := e.trade(t, e.apiToken(t, "read"), "scope", "read offline_access").ok(t)
	refresh := func(value string, options ...option) answer {
		return e.post(t, "/oauth2/token", form("grant_type", "refresh_token", "refresh_token", value), options...)
	}
	old := first.str(t, "refresh_token")
	e.post(t, "/oauth2/token", form("grant_type", "refresh_token", "refresh_token", old, "scope", "admin")).refused(t, 400, "invalid_scope")
	second := refresh(old).ok(t)
	if _, err := e.Verify(t.Context(), second.str(t, "access_token"), verification.Requirements{Scope: []string{"read"}}); err != nil {
		t.Fatal(err)
	}
	sibling := refresh(old).ok(t) // as if the answer had been lost
	third := refresh(second.str(t, "refresh_token")).ok(t)
	refresh(old).refused(t, http.StatusBadRequest, "invalid_grant")
	refresh(third.str(t, "refresh_token")).refused(t, http.StatusBadRequest, "invalid_grant")
	for _, a := range []answer{first, second, sibling, third} {
		if _, err := e.Verify(t.Context(), a.str(t, "access_token"), verification.Requirements{}); err == nil {
			t.Error("an access token of a killed family is good")
		}
	}
	refresh("junk").refused(t, http.StatusBadRequest, "invalid_grant")
	e.post(t, "/oauth2/token", form("grant_type", "refresh_token")).refused(t, http.StatusBadRequest, "invalid_request")
}

func TestRefreshTokenIsGoodForItsClientAlone(t *testing.T) {
	t.Parallel()
	e := newGrants(t)
	pair := e.post(t, "/oauth2/token", form("grant_type", exchangeType, "subject_token", e.apiToken(t), "subject_token_type", accessType,
		"scope", "offline_access"), asClient("trader")).ok(t)
	value := form("grant_type", "refresh_token", "refresh_token", pair.str(t, "refresh_token"))
	e.post(t, "/oauth2/token", value).refused(t, http.StatusUnauthorized, "invalid_client")
	e.post(t, "/oauth2/token", value+"&client_id=tv").refused(t, http.StatusBadRequest, "invalid_grant")
	e.post(t, "/oauth2/token", value, asClient("trader")).ok(t)
}

func TestDeviceFlow(t *testing.T) {
	t.Parallel()
	e := newGrants(t)
	start := e.post(t, "/oauth2/device_authorization", form("client_id", "tv", "scope", "read offline_access")).ok(t)
	start.uncached(t)
	if start.str(t, "verification_uri") != nodetest.Issuer+"/auth/device" || start.body["interval"] != 5.0 {
		t.Errorf("start: %s", start.text)
	}
	poll := func(client string) answer {
		return e.post(t, "/oauth2/token", form("grant_type", deviceType, "device_code", start.str(t, "device_code"), "client_id", client))
	}
	poll("tv").refused(t, http.StatusBadRequest, "authorization_pending")
	poll("tv").refused(t, http.StatusBadRequest, "slow_down")
	poll("other").refused(t, http.StatusBadRequest, "invalid_grant")
	if err := e.DecideDevice(t.Context(), e.session(t), start.str(t, "user_code"), true); err != nil {
		t.Fatal(err)
	}
	pair := poll("tv").ok(t)
	got, err := e.Verify(t.Context(), pair.str(t, "access_token"), verification.Requirements{Scope: []string{"read"}})
	if err != nil || got.Username != "ada" || got.ClientID != "tv" {
		t.Errorf("%+v %v", got, err)
	}
	pair.str(t, "refresh_token")
	poll("tv").refused(t, http.StatusBadRequest, "invalid_grant")
}

func TestDeviceFlowRefusals(t *testing.T) {
	t.Parallel()
	e := newGrants(t)
	e.post(t, "/oauth2/device_authorization", form("scope", "read")).refused(t, http.StatusUnauthorized, "invalid_client")
	e.post(t, "/oauth2/device_authorization", "", asClient("plain")).refused(t, http.StatusBadRequest, "unauthorized_client")
	e.post(t, "/oauth2/device_authorization", form("client_id", "trader")).refused(t, http.StatusUnauthorized, "invalid_client")
	e.post(t, "/oauth2/token", form("grant_type", deviceType, "client_id", "tv")).refused(t, http.StatusBadRequest, "invalid_request")
	e.post(t, "/oauth2/token", form("grant_type", deviceType, "client_id", "tv", "device_code", "junk")).refused(t, http.StatusBadRequest, "invalid_grant")

	denied := e.post(t, "/oauth2/device_authorization", form("client_id", "tv")).ok(t)
	if err := e.DecideDevice(t.Context(), e.session(t), denied.str(t, "user_code"), false); err != nil {
		t.Fatal(err)
	}
	e.post(t, "/oauth2/token", form("grant_type", deviceType, "client_id", "tv", "device_code", denied.str(t, "device_code"))).
		refused(t, http.StatusBadRequest, "access_denied")

	late := e.post(t, "/oauth2/device_authorization", form("client_id", "tv")).ok(t)
	e.Advance(time.Hour)
	e.post(t, "/oauth2/token", form("grant_type", deviceType, "client_id", "tv", "device_code", late.str(t, "device_code"))).
		refused(t, http.StatusBadRequest, "expired_token")
}

func TestResourceMetadata(t *testing.T) {
	t.Parallel()
	a := newGrants(t).get(t, "/.well-known/oauth-protected-resource").ok(t)
	if a.body["resource"] != nodetest.Issuer {
		t.Errorf("resource: %s", a.text)
	}
	if servers, ok := a.body["authorization_servers"].([]any); !ok || len(servers) != 1 || servers[0] != nodetest.Issuer {
		t.Errorf("authorization_servers: %s", a.text)
	}
}

// Each protected resource has its own document, beneath its path, on its host; what isn't
// configured has none (RFC 9728 §3).
func TestEachResourceHasItsMetadata(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	e := serve(t, f, func(e *oauth.Edge) {
		e.Site.Scopes = map[string]string{"read": "", "write": ""}
		e.Site.Resources = []oauth.Resource{
			{URL: "https://museum.example.org/api/"}, {URL: "https://museum.example.org/mcp", Scopes: []string{"read"}}, {URL: "https://other.example/mcp"},
		}
	})
	const at = "/.well-known/oauth-protected-resource"
	on := func(host string) option { return func(r *http.Request) { r.Host = host } }
	for name, tt := range map[string]struct{ path, host, resource, scopes string }{
		"by path":      {at + "/api", "", "https://museum.example.org/api/", "[read write]"},
		"by host":      {at + "/mcp", "museum.example.org", "https://museum.example.org/mcp", "[read]"},
		"another host": {at + "/mcp", "other.example", "https://other.example/mcp", "[read write]"},
	} {
		a := e.get(t, tt.path, on(tt.host)).ok(t)
		if a.body["resource"] != tt.resource || fmt.Sprint(a.body["scopes_supported"]) != tt.scopes {
			t.Errorf("%s: %s", name, a.text)
		}
	}
	for _, path := range []string{at, at + "/mcp", at + "/api/x", at + "/ap"} {
		if a := e.get(t, path, on("third.example")); a.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, a.status, a.text)
		}
	}
	for resource, want := range map[string]string{
		"https://museum.example.org/api/": "https://museum.example.org" + at + "/api", "https://museum.example.org": "https://museum.example.org" + at,
	} {
		if got := oauth.MetadataOf(resource); got != want {
			t.Errorf("the metadata of %s is at %s, want %s", resource, got, want)
		}
	}
}

// A device flow too many is answered in the words of OAuth, with when to come back.
func TestDeviceFlowTooManyIs429(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nodetest.Options{})
	e.Freeze()
	e.addClient(t, identity.NewClient{ID: "tv", Grants: []string{identity.GrantTypeDeviceCode}})
	for i := range 300 {
		e.post(t, "/oauth2/device_authorization", form("client_id", "tv"), edgetest.From(fmt.Sprintf("192.0.2.%d", i/30))).ok(t)
	}
	a := e.post(t, "/oauth2/device_authorization", form("client_id", "tv"), edgetest.From("192.0.2.100"))
	a.refused(t, http.StatusTooManyRequests, "temporarily_unavailable")
	if got := a.header.Get("Retry-After"); got != "1" || a.str(t, "error_description") != "too many device flows were begun by this client" {
		t.Errorf("Retry-After %q, %s", got, a.text)
	}
}

func TestScopeIsBounded(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nodetest.Options{})
	e.addClient(t, identity.NewClient{ID: "tv", Grants: []string{identity.GrantTypeDeviceCode}})
	names := func(n int) string { return strings.TrimSpace(strings.Repeat("abcdefg ", n)) }
	e.post(t, "/oauth2/device_authorization", form("client_id", "tv", "scope", names(128))).ok(t)
	e.post(t, "/oauth2/device_authorization", form("client_id", "tv", "scope", names(129))).refused(t, http.StatusBadRequest, "invalid_scope")
}
