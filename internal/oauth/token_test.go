package oauth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/verification"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

const ccGrant = "grant_type=client_credentials"

func TestClientCredentialsGiveAnAccessToken(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nodetest.Options{})
	e.Client(t, "ci", "read", "write")
	for name, get := range map[string]func() answer{
		"Basic": func() answer { return e.post(t, "/oauth2/token", ccGrant+"&scope=write+read", asClient("ci")) },
		"Basic and its id again": func() answer {
			return e.post(t, "/oauth2/token", ccGrant+"&scope=write+read&client_id=ci", asClient("ci"))
		},
		"form": func() answer {
			return e.post(t, "/oauth2/token", ccGrant+"&scope=write+read&"+form("client_id", "ci", "client_secret", nodetest.ClientSecret))
		},
		"a charset": func() answer {
			return e.post(t, "/oauth2/token", ccGrant+"&scope=write+read", asClient("ci"), withHeader("Content-Type", typeForm+"; charset=UTF-8"))
		},
		"empty parameters": func() answer {
			return e.post(t, "/oauth2/token", ccGrant+"&scope=write+read&expires_in=&resource=&audience=", asClient("ci"))
		},
	} {
		a := get().ok(t)
		a.uncached(t)
		if a.body["token_type"] != "Bearer" || a.body["expires_in"] != 1800.0 || a.body["scope"] != "write read" {
			t.Errorf("%s: %s", name, a.text)
		}
		if got := a.header.Get("Content-Type"); got != "application/json" {
			t.Errorf("%s: Content-Type %q", name, got)
		}
		token, err := e.Verify(t.Context(), a.str(t, "access_token"), verification.Requirements{Scope: []string{"read"}})
		if err != nil || token.Subject != "ci" || token.ClientID != "ci" {
			t.Errorf("%s: token of %v, %v", name, token, err)
		}
	}
}

func TestClientIdAndSecretAreFormDecodedInBasic(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nodetest.Options{})
	secret := "a secret with + and % and : in it, long"
	e.addClient(t, identity.NewClient{ID: "a:b c+d", Secret: "a secret with + and % and : in it, long", Grants: []string{identity.GrantTypeClientCredentials}})
	e.post(t, "/oauth2/token", ccGrant, asBasic("a:b c+d", secret)).ok(t)
	e.post(t, "/oauth2/token", ccGrant, func(r *http.Request) { r.SetBasicAuth("a%3Ab+c%2Bd", secret) }).refused(t, 400, "invalid_request")
}

func TestTokenEndpointRefuses(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nodetest.Options{Settings: func(p *node.Settings) {
		p.Policy.TaskMax = map[string]time.Duration{"TES": time.Hour}
		p.Policy.Scopes = map[string]string{"declared": "by the operator"}
	}})
	e.Client(t, "ci", "read")
	e.addClient(t, identity.NewClient{ID: "other", Secret: nodetest.ClientSecret, Grants: []string{identity.GrantTypeTokenExchange}})
	e.addClient(t, identity.NewClient{ID: "public", Grants: []string{identity.GrantTypeDeviceCode}})
	ci := asClient("ci")
	for name, c := range map[string]struct {
		form    string
		options []option
		status  int
		code    string
	}{
		"no grant type":        {"scope=read", []option{ci}, 400, "invalid_request"},
		"empty grant type":     {"grant_type=", []option{ci}, 400, "invalid_request"},
		"unknown grant type":   {"grant_type=password&username=a&password=b", []option{ci}, 400, "unsupported_grant_type"},
		"nobody":               {ccGrant, nil, 401, "invalid_client"},
		"wrong secret":         {ccGrant, []option{asBasic("ci", "wrong")}, 401, "invalid_client"},
		"wrong secret in form": {ccGrant + "&client_id=ci&client_secret=wrong", nil, 401, "invalid_client"},
		"unknown client":       {ccGrant, []option{asBasic("nobody", "x")}, 401, "invalid_client"},
		"no secret":            {ccGrant + "&client_id=ci", nil, 401, "invalid_client"},
		"a secret of nobody":   {ccGrant + "&client_secret=x", nil, 401, "invalid_client"},
		"public client":        {ccGrant + "&client_id=public", nil, 401, "invalid_client"},
		"Bearer":               {ccGrant, []option{asBearer("abc")}, 401, "invalid_client"},
		"two ways":             {ccGrant + "&" + form("client_id", "ci", "client_secret", nodetest.ClientSecret), []option{ci}, 400, "invalid_request"},
		"two clients":          {ccGrant + "&client_id=other", []option{ci}, 400, "invalid_request"},
		"two Authorizations":   {ccGrant, []option{ci, func(r *http.Request) { r.Header.Add("Authorization", "Basic eDp5") }}, 400, "invalid_request"},
		"bad Basic":            {ccGrant, []option{withHeader("Authorization", "Basic !!!")}, 400, "invalid_request"},
		"grant not its own":    {ccGrant, []option{asClient("other")}, 400, "unauthorized_client"},
		"scope not its own":    {ccGrant + "&scope=declared", []option{ci}, 400, "invalid_scope"},
		"undeclared scope":     {ccGrant + "&scope=nonsense", []option{ci}, 400, "invalid_scope"},
		"bad scope":            {ccGrant + "&scope=%22", []option{ci}, 400, "invalid_scope"},
		"credentials":          {ccGrant + "&scope=credentials", []option{ci}, 400, "invalid_scope"},
		"offline access":       {ccGrant + "&scope=offline_access", []option{ci}, 400, "invalid_scope"},
		"relative resource":    {ccGrant + "&resource=/api", []option{ci}, 400, "invalid_target"},
		"resource with #":      {ccGrant + "&resource=https://api.example.org/%23x", []option{ci}, 400, "invalid_target"},
		"no resource of its":   {ccGrant + "&resource=https://api.example.org/x", []option{ci}, 400, "invalid_target"},
		"no audience of its":   {ccGrant + "&audience=api", []option{ci}, 400, "invalid_target"},
		"task token type":      {ccGrant + "&audience=TES", []option{ci}, 400, "invalid_target"},
		"two targets":          {ccGrant + "&resource=https://a.example/&audience=b", []option{ci}, 400, "invalid_target"},
		"repeated":             {ccGrant + "&" + ccGrant, []option{ci}, 400, "invalid_request"},
		"repeated resource":    {ccGrant + "&resource=https://a.example/&resource=https://b.example/", []option{ci}, 400, "invalid_request"},
		"repeated and empty":   {ccGrant + "&scope=&scope=read", []option{ci}, 400, "invalid_request"},
		"bad escape":           {ccGrant + "&scope=%zz", []option{ci}, 400, "invalid_request"},
		"not UTF-8":            {ccGrant + "&scope=%ff", []option{ci}, 400, "invalid_request"},
		"empty body":           {"", []option{ci}, 400, "invalid_request"},
		"JSON":                 {`{"grant_type":"client_credentials"}`, []option{ci, withHeader("Content-Type", "application/json")}, 400, "invalid_request"},
		"no type":              {ccGrant, []option{ci, func(r *http.Request) { r.Header.Del("Content-Type") }}, 400, "invalid_request"},
		"huge":                 {ccGrant + "&x=" + strings.Repeat("a", 64<<10), []option{ci}, 413, "invalid_request"},
		"above the ceiling":    {ccGrant + "&expires_in=3601", []option{ci}, 400, "invalid_request"},
	} {
		a := e.post(t, "/oauth2/token", c.form, c.options...)
		t.Run(name, func(t *testing.T) { a.refused(t, c.status, c.code) })
	}
	for _, n := range e.Events(t, audit.Filter{}) {
		if n.Action == audit.TokenIssue && n.Outcome == audit.OK {
			t.Errorf("a refused request left %+v", n)
		}
	}
}

func TestClientThatUsedBasicIsChallengedForIt(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nodetest.Options{})
	a := e.post(t, "/oauth2/token", ccGrant, asBasic("ci", "wrong"))
	if got := a.header["Www-Authenticate"]; len(got) != 1 || !strings.HasPrefix(got[0], `Basic realm="`+nodetest.Issuer+`"`) {
		t.Errorf("WWW-Authenticate: %q", got)
	}
}

func TestLifetimeIsADecimalIntegerOfSeconds(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nodetest.Options{})
	e.Client(t, "ci")
	for _, good := range []string{"1", "300", "3600"} {
		a := e.post(t, "/oauth2/token", ccGrant+"&expires_in="+good, asClient("ci")).ok(t)
		if !strings.Contains(a.text, `"expires_in":`+good) {
			t.Errorf("asked for %s, got %s", good, a.text)
		}
	}
	for _, bad := range []string{"0", "-1", "%2B300", "+300", "3e2", "1.5", "true", "0300", "99999999999999999999", "9223372036854775807", "٣"} {
		e.post(t, "/oauth2/token", ccGrant+"&expires_in="+bad, asClient("ci")).refused(t, 400, "invalid_request")
	}
	a := e.post(t, "/oauth2/token", ccGrant+"&expires_in=3601", asClient("ci"))
	if !strings.Contains(a.str(t, "error_description"), "3600") {
		t.Errorf("the maximum isn't told: %s", a.text)
	}
}

func TestAudienceIsWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nodetest.Options{})
	const api = "https://api.example.org/v1?tenant=4"
	e.addClient(t, identity.NewClient{
		ID: "ci", Secret: nodetest.ClientSecret, Grants: []string{identity.GrantTypeClientCredentials}, Audiences: []string{api, "warehouse"},
	})
	for _, c := range []struct {
		pairs []string
		want  string
	}{
		{nil, nodetest.Issuer},
		{[]string{"resource", api}, api},
		{[]string{"audience", api}, api},
		{[]string{"resource", api, "audience", api}, api},
		{[]string{"audience", "warehouse"}, "warehouse"},
		{[]string{"resource", nodetest.Issuer}, nodetest.Issuer},
	} {
		raw := e.clientToken(t, "ci", c.pairs...)
		if _, err := e.Verify(t.Context(), raw, verification.Requirements{Audience: c.want}); err != nil {
			t.Errorf("%v: %v", c.pairs, err)
		}
	}
}

func TestOtherMethodsAreNotAllowed(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nodetest.Options{})
	for path, allow := range map[string]string{
		"/oauth2/token": "OPTIONS, POST", "/oauth2/revoke": "POST", "/oauth2/introspect": "POST", "/auth/leaked": "POST",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			if a := e.do(t, method, path, ""); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != allow {
				t.Errorf("%s %s: %d, Allow %q", method, path, a.status, a.header.Get("Allow"))
			}
		}
	}
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
		if a := e.do(t, http.MethodPost, path, ""); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "GET, HEAD, OPTIONS" {
			t.Errorf("POST %s: %d, Allow %q", path, a.status, a.header.Get("Allow"))
		}
	}
}

// URL libraries add a slash to http://host; what is issued is for the resource as the
// client lists it.
func TestAResourceWithASlashAtItsEndIsTheSame(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nodetest.Options{})
	e.addClient(t, identity.NewClient{
		ID: "ci", Secret: nodetest.ClientSecret, Grants: []string{identity.GrantTypeClientCredentials}, Audiences: []string{"https://api.example.org"},
	})
	for resource, want := range map[string]string{
		"https://api.example.org/": "https://api.example.org", "https://api.example.org": "https://api.example.org",
		nodetest.Issuer + "/": nodetest.Issuer, nodetest.Issuer: nodetest.Issuer,
	} {
		a := e.post(t, "/oauth2/token", ccGrant+"&resource="+resource, asClient("ci")).ok(t)
		if _, err := e.Verify(t.Context(), a.str(t, "access_token"), verification.Requirements{Audience: want}); err != nil {
			t.Errorf("%s: %v", resource, err)
		}
		e.post(t, "/oauth2/token", ccGrant+"&resource="+resource+"&audience="+want, asClient("ci")).ok(t)
	}
}
