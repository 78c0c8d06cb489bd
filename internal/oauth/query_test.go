package oauth_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/oauth"
	"github.com/bearerd/bearerd/internal/verification"
)

// inQuery is a token endpoint that takes its parameters from the query too.
func inQuery(t *testing.T) *env {
	t.Helper()
	return serve(t, nodetest.New(t, nodetest.Options{}), func(e *oauth.Edge) { e.TokenInQuery = true })
}

func TestTheTokenEndpointReadsAQueryOnlyWhereItIsTold(t *testing.T) {
	t.Parallel()
	e := inQuery(t)
	e.Client(t, "ci", "read", "write")
	const query = "?" + ccGrant + "&scope=read"
	for what, a := range map[string]answer{
		"no body":                              e.do(t, "POST", "/oauth2/token"+query, "", asClient("ci")),
		"no body, but a content type":          e.post(t, "/oauth2/token"+query, "", asClient("ci")),
		"its id again":                         e.do(t, "POST", "/oauth2/token"+query+"&client_id=ci", "", asClient("ci")),
		"a form":                               e.post(t, "/oauth2/token", ccGrant+"&scope=read", asClient("ci")),
		"a form, and a query that is nobody's": e.post(t, "/oauth2/token?trace=1", ccGrant+"&scope=read", asClient("ci")),
	} {
		a.ok(t).uncached(t)
		token, err := e.Verify(t.Context(), a.str(t, "access_token"), verification.Requirements{Scope: []string{"read"}})
		if err != nil || token.Subject != "ci" || len(token.Scope) != 1 {
			t.Errorf("%s: %v, %v", what, token, err)
		}
	}
	strict := newEnv(t, nodetest.Options{})
	strict.Client(t, "ci", "read")
	strict.do(t, "POST", "/oauth2/token"+query, "", asClient("ci")).refused(t, 400, "invalid_request")
	strict.post(t, "/oauth2/token"+query, "", asClient("ci")).refused(t, 400, "invalid_request")
}

func TestATokenRequestInTheQueryIsReadAsStrictlyAsAForm(t *testing.T) {
	t.Parallel()
	e := inQuery(t)
	e.Client(t, "ci", "read", "write")
	for what, x := range map[string]struct{ query, body, code string }{
		"no parameters":                         {"", "", "invalid_request"},
		"a parameter twice":                     {ccGrant + "&scope=read&scope=write", "", "invalid_request"},
		"bad escapes":                           {ccGrant + "&scope=%zz", "", "invalid_request"},
		"an unknown grant":                      {"grant_type=nothing", "", "unsupported_grant_type"},
		"another client's id":                   {ccGrant + "&client_id=other", "", "invalid_request"},
		"a scope that it lacks":                 {ccGrant + "&scope=admin", "", "invalid_scope"},
		"one parameter in both":                 {"scope=read", ccGrant + "&scope=read", "invalid_request"},
		"a scope in the query, beside a body":   {"scope=read", ccGrant, "invalid_request"},
		"an empty one, beside a body":           {"scope=", ccGrant, "invalid_request"},
		"the grant in the query, beside a body": {ccGrant, "scope=read", "invalid_request"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			if x.body == "" {
				e.do(t, "POST", "/oauth2/token?"+x.query, "", asClient("ci")).refused(t, 400, x.code)
				return
			}
			e.post(t, "/oauth2/token?"+x.query, x.body, asClient("ci")).refused(t, 400, x.code)
		})
	}
	e.do(t, "POST", "/oauth2/token?"+ccGrant, "").refused(t, 401, "invalid_client")
}

func TestNoSecretIsTakenFromAQuery(t *testing.T) {
	t.Parallel()
	e := inQuery(t)
	e.Client(t, "ci", "read")
	ada := e.User(t, "ada", "correct horse")
	key := e.AccessToken(t, ada.Username, "correct horse").Value.Reveal()
	for _, query := range []string{
		ccGrant + "&" + form("client_id", "ci", "client_secret", nodetest.ClientSecret),
		form("grant_type", "refresh_token", "refresh_token", "bdr_whatever"),
		form("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token", key,
			"subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
		form("grant_type", "urn:ietf:params:oauth:grant-type:device_code", "device_code", "whatever", "client_id", "ci"),
	} {
		e.do(t, "POST", "/oauth2/token?"+query, "").refused(t, 400, "invalid_request")
	}
}
