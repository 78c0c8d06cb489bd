package specify_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// What Specify 7 expects: the tests of its login, and what its pull request 7826 (at
// d8241b1) says of its endpoints in their descriptions and does in its middleware.
const (
	loginPy  = "specify7 specifyweb/backend/context/tests/test_api_login.py: TestApiLogin."
	viewsPy  = "specify7 specifyweb/backend/context/views.py: "
	tokenPy  = "specify7 specifyweb/backend/accounts/views.py: acquire_access_token"
	revokePy = "specify7 specifyweb/backend/accounts/views.py: revoke_access_token"
	utilsPy  = "specify7 specifyweb/backend/accounts/access_token_utils.py: "
	guardPy  = "specify7 specifyweb/backend/accounts/middleware.py: JWTAuthMiddleware"
	ajaxTS   = "specify7 specifyweb/frontend/js_src/lib/utils/ajax/index.ts: ajax"
)

type (
	step = edgetest.Step
	has  = map[string]any
)

const (
	isJSON   = "Content-Type: application/json"
	csrfPair = "Cookie: csrftoken=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	csrfHead = "X-CSRFToken: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	adaToken = "Authorization: Bearer <token>"
)

func facts() []edgetest.Fact {
	one := func(from, says string, s ...step) edgetest.Fact {
		return edgetest.Fact{From: from, Says: says, Steps: s}
	}
	alone := func(from, says string, s ...step) edgetest.Fact {
		return edgetest.Fact{From: from, Says: says, Steps: s, Fresh: true}
	}
	put := func(body string, status int) step {
		return step{Ask: "PUT " + loginPath, Header: []string{isJSON, csrfPair, csrfHead}, Body: body, Status: status}
	}
	post := func(body string, status int, h has) step {
		return step{Ask: "POST " + tokenPath, Body: body, Status: status, Has: h}
	}
	revoke := func(body string, status int, header ...string) step {
		return step{Ask: "POST " + revPath, Header: header, Body: body, Status: status}
	}
	session := csrfPair + "; sessionid=<session>"
	in := put(`{"username":"ada","password":"correct horse","collection":4}`, 204)
	in.Sets = []string{"sessionid", "collection"}
	probe := func(status int, header ...string) step {
		return step{Ask: "GET " + loginPath, Header: header, Status: status}
	}
	return []edgetest.Fact{
		one(loginPy+"test_login_put_lifecycle", "signing in is 204", in),
		alone(loginPy+"test_login_put_lifecycle", "and counts for what comes after", revoke("access_token=<token>", 204, session, csrfHead)),
		one(loginPy+"test_login_put_lifecycle", "no collection signs out", put(`{"username":"ada","password":"correct horse","collection":null}`, 204)),
		alone(loginPy+"test_login_put_lifecycle", "after which nobody is signed in: 403",
			step{Ask: "PUT " + loginPath, Header: []string{isJSON, session, csrfHead}, Body: `{"username":"ada","password":"correct horse","collection":null}`, Status: 204},
			revoke("access_token=<token>", 403, session, csrfHead)),
		one(loginPy+"test_login_get", "the form is 200", probe(200)),
		one(loginPy+"test_login_get", "and lists the collections by name", step{Ask: "GET " + loginPath, Status: 200, Has: has{"collections.KU Fish Voucher Collection": 4.0}}),
		one(loginPy+"test_login_get", "its username is null", step{Ask: "GET " + loginPath, Status: 200, Has: has{"username": nil}}),
		one(loginPy+"test_login_get", "its password is null", step{Ask: "GET " + loginPath, Status: 200, Has: has{"password": nil}}),
		one(loginPy+"test_login_get", "its collection is null", step{Ask: "GET " + loginPath, Status: 200, Has: has{"collection": nil}}),
		one(loginPy+"test_login_put_collection_does_not_exist", "an unknown collection is 400", put(`{"username":"ada","password":"correct horse","collection":99}`, 400)),
		one(loginPy+"test_login_put_wrong_password", "a wrong password is 403", put(`{"username":"ada","password":"wrong","collection":4}`, 403)),

		one(viewsPy+"api_login (never_cache)", "the form is kept by no cache", probe(200)),
		one(viewsPy+"api_login (ensure_csrf_cookie)", "and sets the CSRF cookie", step{Ask: "GET " + loginPath, Status: 200, Sets: []string{"csrftoken"}}),
		one(viewsPy+"api_login (require_http_methods)", "another method is 405", step{Ask: "POST " + loginPath, Body: "x=y", Status: 405}),
		one(viewsPy+"api_login (description)", "null for the username signs out", put(`{"username":null,"password":"x","collection":4}`, 204)),
		one(viewsPy+"api_login (description)", "null for the password signs out", put(`{"username":"ada","password":null,"collection":4}`, 204)),
		one(viewsPy+"api_login", "an unknown user is 403", put(`{"username":"nobody","password":"x","collection":4}`, 403)),
		one(viewsPy+"api_login", "without the CSRF token it is 403", step{Ask: "PUT " + loginPath, Header: []string{isJSON}, Body: `{"username":"ada","password":"correct horse","collection":4}`, Status: 403}),
		one(viewsPy+"set_collection_cookie", "the collection chosen is in a cookie", in),
		{From: viewsPy + "api_login", Says: "a collection that one has no access to is signed in to", Differs: "`PUT /context/login/` to a collection without access", Steps: []step{put(`{"username":"ada","password":"correct horse","collection":5}`, 403)}},
		one(ajaxTS, "the form that comes back with its collections is taken", put(`{"collections":{"KU Fish Voucher Collection":4},"username":"ada","password":"correct horse","collection":4}`, 204)),
		one(ajaxTS, "unsafe requests repeat the cookie in a header", revoke("access_token=<token>", 403, session)),

		one(tokenPy, "a password is traded for a token", post(good, 200, has{"access_token": edgetest.Any})),
		one(tokenPy, "which lives for 1800 s", post(good, 200, has{"expires_in": 1800.0})),
		one(tokenPy, "or as long as asked for", post(good+"&expires=60", 200, has{"expires_in": 60.0})),
		one(tokenPy, "no CSRF token is needed", post(good, 200, nil)),
		one(tokenPy, "nothing else is in the answer", post(good, 200, has{"refresh_token": edgetest.None, "token_type": edgetest.None})),
		one(tokenPy, "no username is 400", post("password=x&collectionid=4", 400, nil)),
		one(tokenPy, "no password is 400", post("username=ada&collectionid=4", 400, nil)),
		one(tokenPy, "no collection is 400", post("username=ada&password=x", 400, nil)),
		one(tokenPy, "nothing is 400", step{Ask: "POST " + tokenPath, Header: []string{"Content-Type: " + formType}, Status: 400}),
		one(tokenPy, "a lifetime of 0 is 400", post(good+"&expires=0", 400, nil)),
		one(tokenPy, "a negative one", post(good+"&expires=-1", 400, nil)),
		one(tokenPy, "one that is no number", post(good+"&expires=soon", 400, nil)),
		one(tokenPy, "an unknown collection is 400", post("username=ada&password=correct+horse&collectionid=99", 400, nil)),
		one(tokenPy, "a wrong password is 403", post("username=ada&password=wrong&collectionid=4", 403, nil)),
		one(tokenPy, "an unknown user is 403", post("username=nobody&password=x&collectionid=4", 403, nil)),
		one(tokenPy, "no access to the collection is 403", post("username=ada&password=correct+horse&collectionid=5", 403, nil)),
		one(tokenPy+" (require_POST)", "GET is 405", step{Ask: "GET " + tokenPath, Status: 405}),
		one(tokenPy+" (require_POST)", "PUT is 405", step{Ask: "PUT " + tokenPath, Body: good, Status: 405}),

		one(utilsPy+"generate_access_token", "the token works at once", post(good, 200, nil), probe(200, adaToken)),
		one(utilsPy+"get_token_from_request", "no Authorization header is no token", probe(200)),
		one(utilsPy+"get_token_from_request", "another scheme neither", probe(200, "Authorization: Basic x")),
		alone(utilsPy+"AUTH_JWT_DECODE_OPTIONS", "an expired token is 401", step{Act: "time passes"}, probe(401, adaToken)),
		one(utilsPy+"get_token_from_request", "a forged one is 401", probe(401, "Authorization: Bearer <forged>")),
		one(utilsPy+"get_token_from_request", "junk is 401", probe(401, "Authorization: Bearer junk")),
		alone(utilsPy+"token_is_revoked", "a revoked one is 401", revoke("access_token=<token>", 204, adaToken), probe(401, adaToken)),

		alone(revokePy, "a token revokes itself", revoke("access_token=<token>", 204, adaToken)),
		one(revokePy, "and others of its user", post(good, 200, nil), revoke("access_token=<other>", 204, adaToken)),
		one(revokePy+" (login_maybe_required)", "nobody may: 403", revoke("access_token=<token>", 403)),
		one(revokePy, "junk is 400", revoke("access_token=junk", 400, adaToken)),
		one(revokePy, "nothing is 400", revoke("x=y", 400, adaToken)),
		alone(revokePy, "an expired token is 400", step{Act: "two minutes pass"}, revoke("access_token=<short>", 400, adaToken)),
		one(revokePy+" (require_POST)", "GET is 405", step{Ask: "GET " + revPath, Status: 405}),

		one(guardPy, "a bad token is refused whatever is asked for", step{Ask: "POST " + tokenPath, Header: []string{"Authorization: Bearer junk"}, Body: good, Status: 401}),
		one(guardPy, "a request with a token needs no CSRF token", revoke("access_token=junk", 400, adaToken)),
		alone(guardPy, "a user who has lost the collection is 403", step{Act: "ada loses the collection"}, probe(403, adaToken)),
	}
}

func TestFactsOfSpecify(t *testing.T) {
	t.Parallel()
	edgetest.CheckFacts(t, facts(), "../../../docs/dialect-specify.md", newFactStage)
}

func newFactStage(t *testing.T) edgetest.Stage {
	t.Helper()
	s := newSite(t, nodetest.Options{})
	s.Freeze()
	raw := s.send("POST", tokenPath, good).tokens(t).AccessToken
	session, four := s.Fixture.Login(t, "ada", password, 4), int64(4)
	begun, err := s.StartSession(t.Context(), session, &four)
	nodetest.Must(t, err)
	secrets := map[string]string{
		"token": raw, "other": s.send("POST", tokenPath, good).tokens(t).AccessToken, "session": begun.Value.Reveal(),
		"forged": raw[:len(raw)-8] + "AAAAAAAA", "short": s.send("POST", tokenPath, good+"&expires=60").tokens(t).AccessToken,
	}
	return edgetest.Stage{URL: s.url, Secrets: secrets, Acts: map[string]func(){
		"time passes":      func() { s.Advance(2 * time.Hour) },
		"two minutes pass": func() { s.Advance(2 * time.Minute) },
		"ada loses the collection": func() {
			_, _, err := s.RemoveAccess(t.Context(), caller.Operator(), "ada", access.CollectionPath(4))
			nodetest.Must(t, err)
		},
	}}
}
