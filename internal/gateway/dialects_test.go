package gateway_test

import (
	"cmp"
	"context"
	"encoding/base64"
	"net/http"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/dialect/specify"
	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	bearernode "github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
)

// bySession is a world whose gate has what the specify dialect brings, and a session of
// ada's in collection 4.
func bySession(t *testing.T) (w *world, session string) {
	t.Helper()
	return bySessionOf(t, nodetest.Options{})
}

func bySessionOf(t *testing.T, o nodetest.Options) (w *world, session string) {
	t.Helper()
	w = newWorld(t, o)
	origin, err := httpkit.NewCrossOrigin(nodetest.Issuer)
	must(t, err)
	w.gate.CrossOrigin = origin
	w.gate.Finders = []httpkit.CredentialFinder{&specify.Sessions{Check: func(ctx context.Context, raw string) error {
		_, err := w.Session(ctx, raw)
		return err
	}}}
	four := int64(4)
	issued, err := w.StartSession(t.Context(), w.Login(t, "ada", password, four), &four)
	must(t, err)
	return w, issued.Value.Reveal()
}

const csrfToken = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// cookies are those of somebody who signed in, with more headers as name, value.
func cookies(session string, more ...string) http.Header {
	h := http.Header{"Cookie": {"csrftoken=" + csrfToken + "; sessionid=" + session + "; collection=4"}}
	for i := 0; i < len(more); i += 2 {
		h.Set(more[i], more[i+1])
	}
	return h
}

func TestASessionOfTheDialectSpeaksForItsUserInTheCollectionChosen(t *testing.T) {
	t.Parallel()
	w, session := bySession(t)
	asked := get(t, w.verifier(t)+"/auth/verify", cookies(session))
	if asked.status != http.StatusOK {
		t.Fatalf("%d %s", asked.status, asked.body)
	}
	for at, id := range map[string]map[string]string{
		"forward auth": identityIn(t, asked.header),
		"proxy":        identityIn(t, get(t, w.proxy(t, nil)+"/x", cookies(session)).reached(t).Header),
	} {
		if id["Remote-User"] != "ada" || id["X-Bearerd-Collection"] != "4" || id["X-Bearerd-Token-Kind"] != "session" {
			t.Errorf("%s: %v", at, id)
		}
	}
}

func TestASessionThatChangesSomethingNeedsTheCSRFToken(t *testing.T) {
	t.Parallel()
	w, session := bySession(t)
	verify, proxy := w.verifier(t)+"/auth/verify", w.proxy(t, nil)+"/x"
	for _, tc := range []struct {
		name   string
		method string
		header http.Header
		want   int
	}{
		{"reading", "GET", cookies(session), 200},
		{"with the token", "POST", cookies(session, "X-CSRFToken", csrfToken), 200},
		{"without it", "POST", cookies(session), 403},
		{"with another one", "DELETE", cookies(session, "X-CSRFToken", "B"+csrfToken[1:]), 403},
		{"from another site", "PUT", cookies(session, "X-CSRFToken", csrfToken, "Sec-Fetch-Site", "cross-site"), 403},
	} {
		passed := map[int]int{http.StatusOK: http.StatusTeapot}[tc.want] // what the application answers
		if got := send(t, tc.method, proxy, tc.header, nil); got.status != cmp.Or(passed, tc.want) {
			t.Errorf("proxy, %s: %d %s", tc.name, got.status, got.body)
		}
		for _, name := range []string{"X-Forwarded-Method", "X-Original-Method"} {
			h := tc.header.Clone()
			h.Set(name, tc.method)
			if got := get(t, verify, h); got.status != tc.want {
				t.Errorf("forward auth, %s, by %s: %d %s", tc.name, name, got.status, got.body)
			}
		}
	}
}

func TestASessionIsJudgedAsATokenIs(t *testing.T) {
	t.Parallel()
	w, session := bySession(t)
	verify := w.verifier(t) + "/auth/verify"
	for query, want := range map[string]int{
		"":                           200,
		"?scope=read+write":          200, // a session has every scope
		"?collection=4":              200,
		"?collection=5":              403,
		"?action=read&path=/things":  200,
		"?action=write&path=/things": 403,
		"?audience=other":            401,
	} {
		if got := get(t, verify+query, cookies(session)); got.status != want {
			t.Errorf("%q: %d %s, want %d", query, got.status, got.body, want)
		}
	}
	if _, _, err := w.RemoveAccess(t.Context(), caller.Operator(), "ada", access.Path("/collections/4")); err != nil {
		t.Fatal(err)
	}
	get(t, verify, cookies(session)).refused(t, 403, "insufficient_scope", "no access to the collection")
}

func TestASessionThatHasEndedIsNone(t *testing.T) {
	t.Parallel()
	w, session := bySession(t)
	verify, proxy := w.verifier(t)+"/auth/verify", w.proxy(t, nil)
	by, err := w.Session(t.Context(), session)
	must(t, err)
	must(t, w.EndSession(t.Context(), by))
	get(t, verify, cookies(session)).refused(t, 401, "", "")
	if got := get(t, verify+"?optional=true", cookies(session)); got.status != http.StatusOK || identityIn(t, got.header)["Remote-User"] != "" {
		t.Errorf("where none is needed: %d %v", got.status, got.header)
	}
	s := get(t, proxy+"/session/x", cookies(session)).reached(t)
	if cookie := s.Header.Get("Cookie"); cookie != "csrftoken="+csrfToken+"; collection=4" {
		t.Errorf("the application got %q", cookie)
	}
}

func TestASessionOfTheApplicationIsTheApplications(t *testing.T) {
	t.Parallel()
	w, _ := bySession(t)
	s := get(t, w.proxy(t, nil)+"/session/x", cookies("1234567890abcdef")).reached(t)
	if cookie := s.Header.Get("Cookie"); cookie != "csrftoken="+csrfToken+"; sessionid=1234567890abcdef; collection=4" {
		t.Errorf("the application got %q", cookie)
	}
}

func TestAnotherDialectsSessionOpensNothing(t *testing.T) {
	t.Parallel()
	w, session := bySession(t)
	w.gate.Finders = senaiteFinders(w.Fixture)
	verify := w.verifier(t) + "/auth/verify"
	for name, h := range map[string]http.Header{
		"its cookie":          cookies(session),
		"as a Bearer":         {"Authorization": {"Bearer " + session}},
		"in the token cookie": {"Cookie": {"token=" + session}},
		"in the header":       {"X-Jwt-Auth-Token": {session}},
	} {
		if got := get(t, verify, h); got.status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
}

func basic(user, secret string) http.Header {
	return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret))}}
}

// byPassword is a world whose gate has what the senaite dialect brings.
func byPassword(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, nodetest.Options{})
	origin, err := httpkit.NewCrossOrigin(nodetest.Issuer)
	must(t, err)
	w.gate.CrossOrigin, w.gate.Finders = origin, senaiteFinders(w.Fixture)
	return w
}

func TestAPasswordOpensTheApplicationAndStaysWithTheProxy(t *testing.T) {
	t.Parallel()
	w := byPassword(t)
	asked := get(t, w.verifier(t)+"/auth/verify", basic("ada", password))
	if asked.status != http.StatusOK || identityIn(t, asked.header)["Remote-User"] != "ada" {
		t.Fatalf("%d %v", asked.status, asked.header)
	}
	for name, change := range map[string]func(*gateway.ProxyConfig){
		"": nil, "where tokens are passed on": func(c *gateway.ProxyConfig) { c.PassToken = true },
	} {
		s := send(t, "POST", w.proxy(t, change)+"/x", basic("ada", password), nil).reached(t)
		if got := s.Header.Get("Authorization"); got != "" {
			t.Errorf("%s: the application got %q", name, got)
		}
		if id := identityIn(t, s.Header); id["Remote-User"] != "ada" {
			t.Errorf("%s: %v", name, id)
		}
	}
	h := basic("ada", password)
	h.Set("Sec-Fetch-Site", "cross-site")
	if got := send(t, "POST", w.proxy(t, nil)+"/x", h, nil); got.status != http.StatusForbidden {
		t.Errorf("a password that a browser remembers, by another site: %d", got.status)
	}
}

func TestAPasswordThatIsNotGoodOpensNothing(t *testing.T) {
	t.Parallel()
	w := byPassword(t)
	verify := w.verifier(t) + "/auth/verify"
	for name, h := range map[string]http.Header{
		"wrong": basic("ada", "wrong"), "unknown": basic("nobody", password), "none": basic("ada", ""),
		"not well formed": {"Authorization": {"Basic !"}},
		"two headers":     {"Authorization": {basic("ada", password).Get("Authorization"), "Basic eA=="}},
	} {
		if got := get(t, verify, h); got.status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
		if got := get(t, verify, h); name == "wrong" && got.members(t)["error_description"] != "wrong username or password" {
			t.Errorf("%s: %s", name, got.body)
		}
		if got := get(t, verify+"?optional=true", h); got.status != http.StatusUnauthorized {
			t.Errorf("%s, where none is needed: %d %s", name, got.status, got.body)
		}
	}
}

func TestAPasswordIsCheckedOnceAWhile(t *testing.T) {
	t.Parallel()
	w := byPassword(t)
	verify := w.verifier(t) + "/auth/verify"
	before := len(w.Events(t, audit.Filter{Action: audit.Login}))
	for range 5 {
		if got := get(t, verify, basic("ada", password)); got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	if n := len(w.Events(t, audit.Filter{Action: audit.Login})) - before; n != 1 {
		t.Errorf("five requests signed in %d times", n)
	}
}

// TestWhatRevokesTokensEndsAPassword: the token that stands for a password is revoked as
// every other, and is traded for again only where the password is still good.
func TestWhatRevokesTokensEndsAPassword(t *testing.T) {
	t.Parallel()
	w := byPassword(t)
	verify := w.verifier(t) + "/auth/verify"
	ask := func(secret string) int { return get(t, verify, basic("ada", secret)).status }
	if got := ask(password); got != http.StatusOK {
		t.Fatal(got)
	}
	if _, err := w.RevokeAll(t.Context(), w.login, w.ada.ID); err != nil {
		t.Fatal(err)
	}
	if got := ask(password); got != http.StatusOK {
		t.Errorf("after everything was revoked: %d", got)
	}
	w.setPassword(t, "another horse")
	if got := ask(password); got != http.StatusUnauthorized {
		t.Errorf("the old password: %d", got)
	}
	if got := ask("another horse"); got != http.StatusOK {
		t.Errorf("the new password: %d", got)
	}
	w.disable(t)
	if got := ask("another horse"); got != http.StatusUnauthorized {
		t.Errorf("of a disabled user: %d", got)
	}
}

func (w *world) setPassword(t *testing.T, secret string) {
	t.Helper()
	changed := token.Secret(secret)
	if _, err := w.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Password: &changed}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) disable(t *testing.T) {
	t.Helper()
	disabled := true
	if _, err := w.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Disabled: &disabled}); err != nil {
		t.Fatal(err)
	}
}

func TestTooManyWrongPasswordsAre429(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{Settings: func(p *bearernode.Settings) {
		p.Limits = identity.Limits{Account: 2, AccountTotal: 100, Address: 100, Window: 15 * time.Minute}
	}})
	w.gate.Finders = senaiteFinders(w.Fixture)
	verify := w.verifier(t) + "/auth/verify"
	for range 2 {
		get(t, verify, basic("ada", "wrong"))
	}
	if got := get(t, verify, basic("ada", password)); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
		t.Errorf("%d %v", got.status, got.header)
	}
}
