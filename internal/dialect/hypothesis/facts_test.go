package hypothesis_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/dialect/hypothesis"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/webui"
)

// The tests of h at commit 24395ca, by file.
const (
	oauthTest   = "h tests/functional/oauth_test.py: TestOAuth."
	profileTest = "h tests/functional/api/profile_test.py: "
	clientTest  = "h tests/functional/client_login_test.py: TestLoginFlow."
	authTest    = "h tests/unit/h/views/api/auth_test.py: "
	tokenTest   = "h tests/unit/h/services/auth_token_test.py: TestAuthTokenService."
	sessionTest = "h tests/unit/h/session_test.py: TestProfile."
	pageTest    = "h tests/unit/h/views/accounts_test.py: TestDeveloperController."
	makerTest   = "h tests/unit/h/services/developer_token_test.py: TestDeveloperTokenService."
)

const (
	bearerAccess = "Authorization: Bearer <access>"
	bearerAPI    = "Authorization: Bearer <developer>"
	bySession    = "Cookie: bearerd_session=<session>"
	refreshBody  = "grant_type=refresh_token&refresh_token="
	itsOwn       = http.StatusTeapot // what the application answers
)

type (
	step = edgetest.Step
	has  = map[string]any
)

func headers(h ...string) []string { return h }

// facts are what h's own tests expect of these endpoints, with h behind bearerd.
func facts() []edgetest.Fact {
	one := func(from, says string, s ...step) edgetest.Fact {
		return edgetest.Fact{From: from, Says: says, Steps: s}
	}
	alone := func(from, says string, s ...step) edgetest.Fact {
		return edgetest.Fact{From: from, Says: says, Steps: s, Fresh: true}
	}
	differs := func(from, says, why string, s ...step) edgetest.Fact {
		return edgetest.Fact{From: from, Says: says, Steps: s, Differs: why}
	}
	preflight := func(path string) step {
		return step{Ask: "OPTIONS " + path, Header: headers("Origin: https://third-party-client.example", "Access-Control-Request-Method: POST"), Status: 200, Kept: true}
	}
	return []edgetest.Fact{
		one(oauthTest+"test_getting_an_access_token", "a grant token is traded for an access token, by h",
			step{Ask: "POST /api/token", Body: "grant_type=" + jwtBearer + "&assertion=" + grantToken, Status: itsOwn, Text: grantToken}),
		one(oauthTest+"assert_is_authorized", "an access token speaks for its user at the profile",
			step{Ask: "GET /api/profile", Header: headers(bearerAccess), Status: 200, Has: has{"userid": "acct:ada@localhost"}}),
		one(oauthTest+"test_request_fails_if_access_token_wrong", "a token of nobody's is 401",
			step{Ask: "GET /api/debug-token", Header: headers("Authorization: Bearer <unknown>"), Status: 401}),
		differs(oauthTest+"assert_is_not_authorised", "with a token that is not good the profile is nobody's", "an invalid token at `/api/profile` counts as none",
			step{Ask: "GET /api/profile", Header: headers("Authorization: Bearer <unknown>"), Status: 401}),
		alone(oauthTest+"test_request_fails_if_access_token_expired", "an expired token is 401",
			step{Act: "time passes"}, step{Ask: "GET /api/debug-token", Header: headers(bearerAccess), Status: 401}),
		alone(oauthTest+"test_using_a_refresh_token", "a refresh token is traded for an access token that works",
			step{Ask: "POST /api/token", Body: refreshBody + "<refresh>", Status: 200, Keep: map[string]string{"access_token": "next"}},
			step{Ask: "GET /api/profile", Header: headers("Authorization: Bearer <next>"), Status: 200, Has: has{"userid": "acct:ada@localhost"}}),
		alone(oauthTest+"test_using_a_refresh_token", "the access token before it works too",
			step{Ask: "POST /api/token", Body: refreshBody + "<refresh>", Status: 200},
			step{Ask: "GET /api/profile", Header: headers("Authorization: Bearer <beside>"), Status: 200, Has: has{"userid": "acct:ada@localhost"}}),
		one(oauthTest+"test_refresh_token_request_fails_if_refresh_token_wrong", "a refresh token of nobody's is 400",
			step{Ask: "POST /api/token", Body: refreshBody + "<unknown refresh>", Status: 400}),
		alone(oauthTest+"test_refresh_token_request_fails_if_token_expired", "an expired refresh token is 400",
			step{Act: "much time passes"}, step{Ask: "POST /api/token", Body: refreshBody + "<refresh>", Status: 400}),
		one(oauthTest+"test_you_cannot_use_a_refresh_token_to_authenticate_api_requests", "a refresh token calls no API",
			step{Ask: "GET /api/debug-token", Header: headers("Authorization: Bearer <refresh>"), Status: 401}),
		alone(oauthTest+"test_revoke_token", "the refresh token is revoked with the access token as Bearer",
			step{Ask: "POST /oauth/revoke", Header: headers("Authorization: Bearer <beside>"), Body: "token=<refresh>", Status: 200}),
		alone(oauthTest+"test_revoke_token", "then the access token is dead",
			step{Ask: "POST /oauth/revoke", Header: headers("Authorization: Bearer <beside>"), Body: "token=<refresh>", Status: 200},
			step{Ask: "GET /api/debug-token", Header: headers("Authorization: Bearer <beside>"), Status: 401}),
		one(oauthTest+"test_oauth_routes_support_cors_preflight[POST-/api/token]", "any origin may ask for a token", preflight("/api/token")),
		one(oauthTest+"test_oauth_routes_support_cors_preflight[POST-/oauth/revoke]", "any origin may revoke", preflight("/oauth/revoke")),

		one(profileTest+"TestGetProfile.test_it_returns_profile_with_single_group_when_not_authd", "without a token the profile is nobody's",
			step{Ask: "GET /api/profile", Status: 200, Has: has{"userid": nil}}),
		one(profileTest+"TestGetProfile.test_it_returns_profile_with_single_group_when_not_authd", "it names the site's authority",
			step{Ask: "GET /api/profile", Status: 200, Has: has{"authority": "localhost"}}),
		one(profileTest+"TestGetProfile.test_it_returns_profile_with_single_group_when_not_authd", "it has the world's group alone",
			step{Ask: "GET /api/profile", Status: 200, Has: has{"groups.0.id": "__world__", "groups.1": edgetest.None}}),
		one(profileTest+"TestGetProfile.test_it_returns_profile_for_authenticated_user", "a developer token speaks for its user",
			step{Ask: "GET /api/profile", Header: headers(bearerAPI), Status: 200, Has: has{"userid": "acct:ada@localhost"}}),
		differs(profileTest+"TestGetProfile.test_it_returns_profile_for_third_party_authd_user", "a user of another authority has none of the open groups", "users of several authorities",
			step{Ask: "GET /api/profile", Header: headers(bearerAPI), Status: 200, Has: has{"groups.0.id": "__world__", "authority": "localhost"}}),
		one(profileTest+"TestGetProfileGroups.test_it_returns_empty_list_when_not_authed", "the groups with all their members are h's",
			step{Ask: "GET /api/profile/groups", Status: itsOwn}),
		one(profileTest+"TestPatchProfile.test_it_allows_authenticated_user", "preferences are kept by h",
			step{Ask: "PATCH /api/profile", Header: headers(bearerAPI, "Content-Type: application/json"), Body: `{"preferences":{"show_sidebar_tutorial":true}}`, Status: itsOwn, Text: "show_sidebar_tutorial"}),

		one(clientTest+"test_authorisation_presents_form_if_logged_in", "the authorization page is h's",
			step{Ask: "GET /oauth/authorize?client_id=c&response_type=code&response_mode=web_message&state=s&origin=http://localhost:5000", Status: itsOwn, Text: "web_message"}),
		one(clientTest+"test_the_code_from_auth_can_be_exchanged", "its code is traded by h",
			step{Ask: "POST /api/token", Body: "client_id=c&code=abc&grant_type=authorization_code", Status: itsOwn, Text: "client_id=c\\u0026code=abc"}),

		alone(authTest+"TestOAuthAccessTokenController.test_it_returns_correct_response_on_success", "the answer is JSON with the access token",
			step{Ask: "POST /api/token", Body: refreshBody + "<refresh>", Status: 200, Has: has{"access_token": edgetest.Any, "refresh_token": edgetest.Any, "token_type": "Bearer", "expires_in": edgetest.Any}}),
		one(authTest+"TestOAuthAccessTokenController.test_it_raises_when_error", "what is wrong with a grant is 400",
			step{Ask: "POST /api/token", Body: refreshBody + "<unknown refresh>&refresh_token=x", Status: 400, Has: has{"error": "invalid_request"}}),
		alone(authTest+"TestOAuthRevocationController.test_it_returns_empty_response_on_success", "a revocation answers an empty object",
			step{Ask: "POST /oauth/revoke", Body: "token=<access>", Status: 200, Text: "{}"}),
		one(authTest+"TestOAuthRevocationController.test_it_raises_when_error", "what is wrong with a revocation is 400",
			step{Ask: "POST /oauth/revoke", Body: "token=<access>&token=<refresh>", Status: 400, Has: has{"error": "invalid_request"}}),
		one(authTest+"TestDebugToken.test_it", "a token's user, times and state are shown",
			step{Ask: "GET /api/debug-token", Header: headers(bearerAccess), Status: 200, Has: has{"userid": "acct:ada@localhost", "expires_at": edgetest.Any, "issued_at": edgetest.Any, "expired": false}}),
		one(authTest+"TestDebugToken.test_it", "and the client that it was issued to",
			step{Ask: "GET /api/debug-token", Header: headers("Authorization: Bearer <of a client>"), Status: 200, Has: has{"client.id": "sidebar", "client.name": edgetest.Any}}),
		one(authTest+"TestDebugToken.test_it_without_auth_client", "where there is one",
			step{Ask: "GET /api/debug-token", Header: headers(bearerAccess), Status: 200, Has: has{"client": edgetest.None}}),
		one(authTest+"TestDebugToken.test_it_without_token_string", "no token is an error",
			step{Ask: "GET /api/debug-token", Status: 401}),
		one(authTest+"TestDebugToken.test_it_with_invalid_token_string", "a bad one too",
			step{Ask: "GET /api/debug-token", Header: headers("Authorization: Bearer <unknown>"), Status: 401}),
		one(authTest+"TestAPITokenError.test_it_returns_the_error", "a bad token's error has a code",
			step{Ask: "GET /api/debug-token", Header: headers("Authorization: Bearer <unknown>"), Status: 401, Has: has{"error": edgetest.Any}}),
		one(authTest+"TestAPITokenError.test_it_returns_error_description", "and a description",
			step{Ask: "GET /api/debug-token", Header: headers("Authorization: Bearer <unknown>"), Status: 401, Has: has{"error_description": edgetest.Any}}),
		one(authTest+"TestAPITokenError.test_it_skips_description_when_missing", "which is left out where there is none",
			step{Ask: "GET /api/debug-token", Status: 401, Has: has{"error_description": edgetest.None}}),

		one(tokenTest+"test_get_bearer_token[None]", "no Authorization header is no token", step{Ask: "GET /api/profile", Status: 200, Has: has{"userid": nil}}),
		one(tokenTest+"test_get_bearer_token[abcdef123]", "one without a scheme neither",
			step{Ask: "GET /api/profile", Header: headers("Authorization: abcdef123"), Status: 200, Has: has{"userid": nil}}),
		differs(tokenTest+"test_get_bearer_token[Bearer ]", "a Bearer header without a token is no token", "an Authorization header that is not well formed",
			step{Ask: "GET /api/profile", Header: headers("Authorization: Bearer"), Status: 400}),

		one(sessionTest+"test_open_group_is_public", "the world's group is public", step{Ask: "GET /api/profile", Status: 200, Has: has{"groups.0.public": true}}),
		one(sessionTest+"test_open_group_has_no_url", "and has no address", step{Ask: "GET /api/profile", Status: 200, Has: has{"groups.0.url": edgetest.None}}),
		one(sessionTest+"test_private_group_is_not_public", "a group of one's own is not public",
			step{Ask: "GET /api/profile", Header: headers("Authorization: Bearer <member>"), Status: 200, Has: has{"groups.1.name": "curators", "groups.1.public": false}}),
		differs(sessionTest+"test_private_group_has_url", "it has an address", "`groups` have the application's ids and addresses",
			step{Ask: "GET /api/profile", Header: headers("Authorization: Bearer <member>"), Status: 200, Has: has{"groups.1.url": edgetest.None}}),
		one(sessionTest+"test_anonymous_hides_sidebar_tutorial", "nobody has the preference for the tutorial", step{Ask: "GET /api/profile", Status: 200, Has: has{"preferences.show_sidebar_tutorial": edgetest.None}}),
		one(sessionTest+"test_anonymous_hides_youtube_gdpr_banner", "nor for the banner", step{Ask: "GET /api/profile", Status: 200, Has: has{"preferences.show_youtube_gdpr_banner": edgetest.None}}),
		one(sessionTest+"test_authority_override", "nobody may ask for another authority", step{Ask: "GET /api/profile?authority=foo.com", Status: 200, Has: has{"authority": "foo.com"}}),
		one(sessionTest+"test_authenticated_ignores_authority_override", "a user has their own, whatever is asked for",
			step{Ask: "GET /api/profile?authority=foo.com", Header: headers(bearerAPI), Status: 200, Has: has{"authority": "localhost"}}),
		one(sessionTest+"test_user_info_authenticated", "a user has a display name",
			step{Ask: "GET /api/profile", Header: headers(bearerAPI), Status: 200, Has: has{"user_info.display_name": "ada Example"}}),
		one("h tests/unit/h/session_test.py: TestUserInfo.test_allows_null_display_name", "which may be null",
			step{Ask: "GET /api/profile", Header: headers("Authorization: Bearer <member>"), Status: 200, Has: has{"user_info.display_name": nil}}),
		one(sessionTest+"test_user_info_unauthenticated", "nobody has no user_info", step{Ask: "GET /api/profile", Status: 200, Has: has{"user_info": edgetest.None}}),

		alone(pageTest+"test_get_returns_empty_context_for_missing_token", "the developer page has no token at first",
			step{Ask: "GET /account/developer", Header: headers("Cookie: bearerd_session=<her session>"), Status: 200, Not: "6879-"}),
		differs(pageTest+"test_get_returns_token_for_authenticated_user", "later it shows it at each visit", "the value is on the page at each visit",
			step{Ask: "GET /account/developer", Header: headers(bySession), Status: 200, Not: "<developer>"}),
		alone(pageTest+"test_post_returns_new_token_when_not_found", "a POST makes it and shows it",
			step{Ask: "POST /account/developer", Header: headers("Cookie: bearerd_session=<her session>"), Status: 200, Text: "6879-"}),
		alone(pageTest+"test_post_regenerates_token_when_found", "another one makes it again",
			step{Ask: "POST /account/developer", Header: headers(bySession), Status: 200, Text: "6879-", Not: "<developer>"},
			step{Ask: "GET /api/debug-token", Header: headers(bearerAPI), Status: 401}),
		one(makerTest+"test_create_returns_new_developer_token_for_userid", "a developer token never expires and is of no client",
			step{Ask: "GET /api/debug-token", Header: headers(bearerAPI), Status: 200, Has: has{"expires_at": nil, "client": edgetest.None, "userid": "acct:ada@localhost"}}),
		one(makerTest+"test_fetch_returns_none_for_missing_userid", "nobody has no page", step{Ask: "GET /account/developer", Status: 303}),
	}
}

func TestFactsOfH(t *testing.T) {
	t.Parallel()
	edgetest.CheckFacts(t, facts(), "../../../docs/dialect-hypothesis.md", newStage)
}

// newStage is the dialect and its page, with an application behind.
func newStage(t *testing.T) edgetest.Stage {
	t.Helper()
	var made *hypothesis.Dialect
	s := newSite(t, nodetest.Options{}, behind, func(d *hypothesis.Dialect) { made = d })
	origin, err := httpkit.NewCrossOrigin(nodetest.Issuer)
	must(t, err)
	mux := http.NewServeMux()
	made.Register(mux)
	(&webui.Pages{
		Passwords: true,
		SignIn:    s.Authenticator, Accounts: s.Accounts, Issuance: s.Issuance, Tokens: s.Tokens, Flows: s.Flows, Revoker: s.Revoker, Directory: s.Directory, Explainer: s.Explainer,
		Status: s.Follower.Status, Policy: s.Settings.Policy, Now: s.Time, CrossOrigin: origin,
		Cookies: httpkit.NewCookies(nodetest.Issuer), SessionCookies: []string{"bearerd_session"},
		Challenge: httpkit.Challenge{Realm: "test"}, DeveloperPrefix: hypothesis.TokenPrefix,
	}).Register(mux)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" {
			application(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	pair := s.pair(t)
	s.User(t, "eve", password)
	groups, none := []string{"curators"}, ""
	_, err = s.UpdateUser(t.Context(), caller.Operator(), "eve", identity.UserPatch{Groups: &groups, Name: &none})
	must(t, err)
	return edgetest.Stage{
		URL: server.URL,
		Secrets: map[string]string{
			"session": s.session, "developer": s.developerToken(t), "access": s.AccessToken(t, "ada", password).Value.Reveal(),
			"refresh": pair.Refresh.Value.Reveal(), "beside": pair.Access.Value.Reveal(),
			"her session": s.SessionToken(t, "eve", password).Value.Reveal(), "member": s.AccessToken(t, "eve", password).Value.Reveal(),
			"of a client": s.ofClient(t), "unknown": unknown(t, token.KindAPIToken), "unknown refresh": unknown(t, token.KindRefresh),
		},
		Acts: map[string]func(){
			"time passes":      func() { s.Advance(2 * time.Hour) },
			"much time passes": func() { s.Advance(31 * 24 * time.Hour) },
		},
	}
}

// ofClient is a token of ada's that was issued to a client.
func (s *site) ofClient(t *testing.T) string {
	t.Helper()
	c := s.Claims(s.ada.ID, s.Ledger.Applied())
	c.ClientID = "sidebar"
	return s.Sign(t, c).Value.Reveal()
}

// unknown is a token of bearerd's form that was never issued.
func unknown(t *testing.T, kind token.Kind) string {
	t.Helper()
	forms, err := token.NewForms(token.PrefixAPIToken, hypothesis.TokenPrefix)
	must(t, err)
	value, _, err := forms.New(kind)
	must(t, err)
	return value.Reveal()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
