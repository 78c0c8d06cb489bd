package oauth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// dead reports whether a token is refused as revoked.
func (e *env) dead(t testing.TB, raw string) bool {
	t.Helper()
	_, err := e.Verify(t.Context(), raw, verification.Requirements{AnyAudience: true})
	return fault.Is(err, fault.InvalidToken) && fault.Message(err) == token.ReasonRevoked
}

func (e *env) accessToken(t testing.TB, username string, scope ...string) string {
	t.Helper()
	return e.AccessToken(t, username, "correct horse", scope...).Value.Reveal()
}

// newRevokeEnv has two users, one who may revoke others' tokens, and two clients.
func newRevokeEnv(t testing.TB, o nodetest.Options) *env {
	t.Helper()
	e := newEnv(t, o)
	e.User(t, "ada", "correct horse")
	e.User(t, "bob", "correct horse")
	e.User(t, "warden", "correct horse", nodetest.May(access.ActionDelete, access.PathTokens))
	e.Client(t, "ci", "read")
	e.Client(t, "other")
	return e
}

func TestRevokingTakesATokenBack(t *testing.T) {
	t.Parallel()
	e := newRevokeEnv(t, nodetest.Options{})
	for name, c := range map[string]struct {
		victim string
		by     func(victim string) option
	}{
		"its client":             {e.clientToken(t, "ci"), func(string) option { return asClient("ci") }},
		"itself":                 {e.accessToken(t, "ada"), asBearer},
		"its owner":              {e.accessToken(t, "ada"), func(string) option { return asBearer(e.accessToken(t, "ada")) }},
		"who may":                {e.accessToken(t, "ada"), func(string) option { return asBearer(e.accessToken(t, "warden")) }},
		"a client's, by who may": {e.clientToken(t, "ci"), func(string) option { return asBearer(e.accessToken(t, "warden")) }},
	} {
		a := e.post(t, "/oauth2/revoke", form("token", c.victim), c.by(c.victim)).ok(t)
		a.uncached(t)
		seq, _ := a.body["seq"].(float64)
		if a.body["revoked"] != true || seq < 1 || a.body["nodes"] != 1.0 || a.body["confirmed"] != 1.0 || a.body["expired"] != 0.0 {
			t.Errorf("%s: %s", name, a.text)
		}
		if !e.dead(t, c.victim) {
			t.Errorf("%s: the token lives", name)
		}
	}
}

func TestRevokingTwiceIsSuccess(t *testing.T) {
	t.Parallel()
	e := newRevokeEnv(t, nodetest.Options{})
	victim := e.clientToken(t, "ci")
	for range 2 {
		if a := e.post(t, "/oauth2/revoke", form("token", victim), asClient("ci")).ok(t); a.body["revoked"] != true {
			t.Errorf("answered %s", a.text)
		}
	}
}

func TestRevokingAnExpiredTokenIsSuccess(t *testing.T) {
	t.Parallel()
	e := newRevokeEnv(t, nodetest.Options{})
	victim := e.clientToken(t, "ci", "expires_in", "60")
	e.Advance(2 * time.Minute)
	if a := e.post(t, "/oauth2/revoke", form("token", victim), asClient("ci")).ok(t); a.body["revoked"] != true {
		t.Errorf("answered %s", a.text)
	}
}

func TestWaitIsAsThePolicyOrTheRequestSays(t *testing.T) {
	t.Parallel()
	for policy, waits := range map[revocation.Wait]bool{revocation.WaitNodes: true, revocation.WaitNone: false} {
		e := newRevokeEnv(t, nodetest.Options{Settings: func(p *node.Settings) { p.Wait = policy }})
		for wait, want := range map[string]bool{"": waits, "true": true, "false": false} {
			victim := e.clientToken(t, "ci")
			a := e.post(t, "/oauth2/revoke", form("token", victim, "wait", wait), asClient("ci")).ok(t)
			if _, waited := a.body["nodes"]; waited != want {
				t.Errorf("policy %v, wait=%q: %s", policy, wait, a.text)
			}
			if !e.dead(t, victim) {
				t.Errorf("policy %v, wait=%q: this node accepts the token after it acknowledged", policy, wait)
			}
		}
	}
}

func TestATokenTypeHintChangesNothing(t *testing.T) {
	t.Parallel()
	e := newRevokeEnv(t, nodetest.Options{})
	for _, hint := range []string{"access_token", "refresh_token", "nonsense", ""} {
		victim := e.clientToken(t, "ci")
		if a := e.post(t, "/oauth2/revoke", form("token", victim, "token_type_hint", hint), asClient("ci")).ok(t); a.body["revoked"] != true {
			t.Errorf("%q: %s", hint, a.text)
		}
	}
}

func TestWhatIsNoTokenIsNotRevokedAndNoError(t *testing.T) {
	t.Parallel()
	e := newRevokeEnv(t, nodetest.Options{})
	good := e.clientToken(t, "ci")
	for _, junk := range []string{"junk", "a.b.c", good[:len(good)-4] + "AAAA", "bda_" + strings.Repeat("0", 36), strings.Repeat("x", 20<<10), "\n"} {
		a := e.post(t, "/oauth2/revoke", form("token", junk), asClient("ci")).ok(t)
		a.uncached(t)
		if a.text != `{"revoked":false}`+"\n" {
			t.Errorf("%.20q: %s", junk, a.text)
		}
	}
	e.post(t, "/oauth2/introspect", form("token", good), asClient("ci")).ok(t)
	if e.dead(t, good) {
		t.Error("a token died by another's name")
	}
}

func TestRevocationEndpointRefuses(t *testing.T) {
	t.Parallel()
	e := newRevokeEnv(t, nodetest.Options{})
	victim, users := e.clientToken(t, "ci"), e.accessToken(t, "ada")
	mine := form("token", victim)
	revoked := e.accessToken(t, "bob")
	e.post(t, "/oauth2/revoke", form("token", revoked), asBearer(revoked)).ok(t)
	for name, c := range map[string]struct {
		form    string
		options []option
		status  int
		code    string
	}{
		"nobody":                  {mine, nil, 401, "invalid_client"},
		"the token's own value":   {mine + "&access_token=" + victim, nil, 401, "invalid_client"},
		"a cookie":                {mine, []option{withHeader("Cookie", "bearerd_session="+victim)}, 401, "invalid_client"},
		"wrong secret":            {mine, []option{asBasic("ci", "wrong")}, 401, "invalid_client"},
		"confidential, no secret": {mine + "&client_id=ci", nil, 401, "invalid_client"},
		"bad Bearer":              {mine, []option{asBearer("junk")}, 401, "invalid_token"},
		"revoked Bearer":          {form("token", users), []option{asBearer(revoked)}, 401, "invalid_token"},
		"malformed Bearer":        {mine, []option{withHeader("Authorization", "Bearer a b")}, 400, "invalid_request"},
		"Bearer and a client":     {mine + "&client_id=ci", []option{asBearer(users)}, 400, "invalid_request"},
		"two Authorizations":      {mine, []option{asBearer(users), asBearer(users)}, 400, "invalid_request"},
		"another client's":        {mine, []option{asClient("other")}, 403, "access_denied"},
		"a client's, by a user":   {mine, []option{asBearer(users)}, 403, "access_denied"},
		"a user's, by a client":   {form("token", users), []option{asClient("ci")}, 403, "access_denied"},
		"another user's":          {form("token", users), []option{asBearer(e.accessToken(t, "bob"))}, 403, "access_denied"},
		"no token":                {"token_type_hint=access_token", []option{asClient("ci")}, 400, "invalid_request"},
		"empty token":             {"token=", []option{asClient("ci")}, 400, "invalid_request"},
		"bad wait":                {mine + "&wait=yes", []option{asClient("ci")}, 400, "invalid_request"},
		"repeated":                {mine + "&" + mine, []option{asClient("ci")}, 400, "invalid_request"},
		"JSON":                    {`{"token":"x"}`, []option{asClient("ci"), withHeader("Content-Type", "application/json")}, 400, "invalid_request"},
		"not UTF-8":               {"token=%ff", []option{asClient("ci")}, 400, "invalid_request"},
		"huge":                    {"token=" + strings.Repeat("a", 65<<10), []option{asClient("ci")}, 413, "invalid_request"},
	} {
		a := e.post(t, "/oauth2/revoke", c.form, c.options...)
		t.Run(name, func(t *testing.T) { a.refused(t, c.status, c.code) })
	}
	if e.dead(t, victim) || e.dead(t, users) {
		t.Error("a refused request revoked a token")
	}
}

func TestNobodyIsToldBothWaysToAuthenticate(t *testing.T) {
	t.Parallel()
	e := newRevokeEnv(t, nodetest.Options{})
	for _, path := range []string{"/oauth2/revoke", "/oauth2/introspect"} {
		a := e.post(t, path, "token=x")
		want := []string{`Basic realm="http://localhost:8080", charset="UTF-8"`, `Bearer realm="http://localhost:8080"`}
		if got := a.header["Www-Authenticate"]; strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%s: %q", path, got)
		}
		a = e.post(t, path, "token=x", asBearer("junk"))
		bad := `Bearer realm="http://localhost:8080", error="invalid_token", error_description="malformed or unknown token"`
		if got := a.header["Www-Authenticate"]; len(got) != 1 || got[0] != bad {
			t.Errorf("%s: %q", path, got)
		}
	}
}

func TestExchangeKeyRevokesItselfAlone(t *testing.T) {
	t.Parallel()
	e := newRevokeEnv(t, nodetest.Options{})
	session, err := e.Session(t.Context(), e.SessionToken(t, "ada", "correct horse").Value.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	issued, err := e.Issue(t.Context(), session, &issuance.Request{Kind: token.KindExchangeKey, Parent: session.Token, Name: "key"})
	if err != nil {
		t.Fatal(err)
	}
	key, own := issued.Value.Reveal(), e.accessToken(t, "ada")
	e.post(t, "/oauth2/revoke", form("token", own), asBearer(key)).refused(t, 403, "access_denied")
	if a := e.post(t, "/oauth2/revoke", form("token", key), asBearer(key)).ok(t); a.body["revoked"] != true {
		t.Errorf("answered %s", a.text)
	}
	e.post(t, "/oauth2/revoke", form("token", own), asBearer(key)).refused(t, 401, "invalid_token")
}

func TestATokenRevokesItselfTwiceAndThoughItHasExpired(t *testing.T) {
	t.Parallel()
	e := newRevokeEnv(t, nodetest.Options{})
	session, err := e.Session(t.Context(), e.SessionToken(t, "ada", "correct horse").Value.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	key, err := e.Issue(t.Context(), session, &issuance.Request{Kind: token.KindExchangeKey, Parent: session.Token, Name: "key"})
	if err != nil {
		t.Fatal(err)
	}
	opaque, err := e.CreateAPIToken(t.Context(), session, credentials.NewCredential{Name: "laptop"})
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string]string{
		"access token": e.accessToken(t, "ada"), "client's": e.clientToken(t, "ci"),
		"API key": key.Value.Reveal(), "API token": opaque.Value.Reveal(),
	} {
		e.post(t, "/oauth2/revoke", form("token", raw), asBearer(raw)).ok(t)
		before := e.Follower.Applied()
		for _, wait := range []string{"true", "false"} {
			a := e.post(t, "/oauth2/revoke", form("token", raw, "wait", wait), asBearer(raw)).ok(t)
			a.uncached(t)
			if _, waited := a.body["nodes"]; a.body["revoked"] != true || waited != (wait == "true") {
				t.Errorf("%s, again: %s", name, a.text)
			}
		}
		if after := e.Follower.Applied(); after != before {
			t.Errorf("%s: what was revoked is written again: %d entries", name, after-before)
		}
		e.post(t, "/oauth2/introspect", form("token", raw), asBearer(raw)).refused(t, 401, "invalid_token")
		e.post(t, "/oauth2/revoke", form("token", raw, "wait", "perhaps"), asBearer(raw)).refused(t, 400, "invalid_request")
	}
	old := e.accessToken(t, "ada")
	e.Advance(2 * time.Hour)
	before := e.Follower.Applied()
	if a := e.post(t, "/oauth2/revoke", form("token", old), asBearer(old)).ok(t); a.body["revoked"] != true || e.Follower.Applied() == before {
		t.Errorf("expired: %s", a.text)
	}
}

func TestATokenThatLostItsCollectionRevokesItself(t *testing.T) {
	t.Parallel()
	e := newRevokeEnv(t, nodetest.Options{})
	e.Collection(t, 4, "Fish")
	e.User(t, "lis", "correct horse", nodetest.May("access", "/collections/4"))
	lis := e.Login(t, "lis", "correct horse", 4)
	four := int64(4)
	issued, err := e.Issue(t.Context(), lis, &issuance.Request{Kind: token.KindAccess, Principal: lis.Principal, Collection: &four})
	if err != nil {
		t.Fatal(err)
	}
	raw := issued.Value.Reveal()
	if _, _, err := e.RemoveAccess(t.Context(), caller.Operator(), "lis", "/collections/4"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Verify(t.Context(), raw, verification.Requirements{}); !fault.Is(err, fault.InsufficientScope) {
		t.Fatalf("the token without its collection: %v", err)
	}
	e.post(t, "/oauth2/revoke", form("token", raw), asBearer(raw)).ok(t)
	if !e.dead(t, raw) {
		t.Error("it lives")
	}
}

func TestWhatIsNoTokenOrOfAnotherKindDoesNotRevokeItself(t *testing.T) {
	t.Parallel()
	e := newRevokeEnv(t, nodetest.Options{})
	good := e.accessToken(t, "ada")
	session := e.SessionToken(t, "ada", "correct horse").Value.Reveal()
	for name, raw := range map[string]string{
		"junk": "junk", "forged": good[:len(good)-4] + "AAAA", "unknown": "bda_" + strings.Repeat("0", 36), "session": session,
	} {
		a := e.post(t, "/oauth2/revoke", form("token", raw), asBearer(raw))
		t.Run(name, func(t *testing.T) { a.refused(t, 401, "invalid_token") })
	}
	if _, err := e.Session(t.Context(), session); err != nil {
		t.Errorf("the session: %v", err)
	}
	signing, err := e.Ring.Signing()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.RetireKey(t.Context(), caller.Operator(), signing.KID); err != nil {
		t.Fatal(err)
	}
	e.post(t, "/oauth2/revoke", form("token", good), asBearer(good)).refused(t, 401, "invalid_token")
}

func TestPublicClientRevokesWhatWasIssuedToItAlone(t *testing.T) {
	t.Parallel()
	e := newRevokeEnv(t, nodetest.Options{})
	e.addClient(t, identity.NewClient{ID: "app", Grants: []string{identity.GrantTypeDeviceCode}})
	app, err := e.IdentifyClient(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	ada := e.Login(t, "ada", "correct horse")
	issued, err := e.Issue(t.Context(), ada, &issuance.Request{Kind: token.KindAccess, Principal: ada.Principal, Client: app.Principal})
	if err != nil {
		t.Fatal(err)
	}
	e.post(t, "/oauth2/revoke", form("client_id", "app", "token", e.accessToken(t, "ada"))).refused(t, 403, "access_denied")
	e.post(t, "/oauth2/introspect", form("client_id", "app", "token", issued.Value.Reveal())).refused(t, 403, "insufficient_scope")
	a := e.post(t, "/oauth2/revoke", form("client_id", "app", "token", issued.Value.Reveal())).ok(t)
	if a.body["revoked"] != true || !e.dead(t, issued.Value.Reveal()) {
		t.Errorf("answered %s", a.text)
	}
}

func TestRevokedParentTakesWhatWasMadeFromIt(t *testing.T) {
	t.Parallel()
	e := newRevokeEnv(t, nodetest.Options{})
	parent := e.accessToken(t, "ada")
	caller, err := e.Bearer(t.Context(), parent)
	if err != nil {
		t.Fatal(err)
	}
	child, err := e.Issue(t.Context(), caller, &issuance.Request{Kind: token.KindAccess, Parent: caller.Token})
	if err != nil {
		t.Fatal(err)
	}
	e.post(t, "/oauth2/revoke", form("token", parent), asBearer(parent)).ok(t)
	if !e.dead(t, child.Value.Reveal()) {
		t.Error("a token outlived what it was made from")
	}
}
