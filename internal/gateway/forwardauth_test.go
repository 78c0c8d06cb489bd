package gateway_test

import (
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	parts "github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
)

func adaIdentity(w *world, issued *issuance.Issued) map[string]string {
	return map[string]string{
		"Remote-User": "ada", "Remote-Name": "Ada Lovelace", "Remote-Email": "ada@example.org", "Remote-Groups": "curators,staff",
		"X-Bearerd-Subject": w.ada.ID, "X-Bearerd-Token-Id": issued.ID, "X-Bearerd-Token-Kind": "access",
		"X-Bearerd-Scope": strings.Join(issued.Scope, " "), "X-Bearerd-Collection": "", "X-Bearerd-Audience": issued.Audience,
	}
}

func TestVerifySaysWhoIsCalling(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	url := w.verifier(t) + "/auth/verify"

	plain := w.issue(t, func(r *issuance.Request) { r.Scope = []string{"read", "write"} })
	four := int64(4)
	bound := w.issue(t, func(r *issuance.Request) { r.Collection = &four })
	boundIdentity := adaIdentity(w, bound)
	boundIdentity["X-Bearerd-Collection"] = "4"
	api, err := w.CreateAPIToken(t.Context(), session(t, w), credentials.NewCredential{Name: "notebook", Scope: []string{"read"}})
	if err != nil {
		t.Fatal(err)
	}
	apiIdentity := adaIdentity(w, api)
	apiIdentity["X-Bearerd-Token-Kind"], apiIdentity["X-Bearerd-Audience"] = "api-token", nodetest.Issuer

	for _, tc := range []struct {
		name   string
		header http.Header
		want   map[string]string
	}{
		{"access token", bearer(plain), adaIdentity(w, plain)},
		{"token of a collection", bearer(bound), boundIdentity},
		{"API token", bearer(api), apiIdentity},
		{"scheme in another case", http.Header{"Authorization": {"bEARER " + plain.Value.Reveal()}}, adaIdentity(w, plain)},
	} {
		got := get(t, url, tc.header)
		if got.status != http.StatusOK || got.body != "" || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %q %q", tc.name, got.status, got.body, got.header.Get("Cache-Control"))
		}
		if diff := cmp.Diff(tc.want, identityIn(t, got.header)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func session(t testing.TB, w *world) *caller.Caller {
	t.Helper()
	c, err := w.Session(t.Context(), w.SessionToken(t, "ada", password).Value.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestVerifyDoesNotTakeAClientForAUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	w.Client(t, "ada-sync", "read")
	c, err := w.AuthenticateClient(t.Context(), "ada-sync", nodetest.ClientSecret)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := w.Issue(t.Context(), c, &issuance.Request{
		Kind: token.KindAccess, Principal: c.Principal, Client: c.Principal, Scope: []string{"read"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := get(t, w.verifier(t)+"/auth/verify", bearer(issued))
	want := nobody()
	maps.Copy(want, map[string]string{
		"X-Bearerd-Subject": "ada-sync", "X-Bearerd-Token-Id": issued.ID, "X-Bearerd-Token-Kind": "access",
		"X-Bearerd-Scope": "read", "X-Bearerd-Audience": nodetest.Issuer,
	})
	if diff := cmp.Diff(want, identityIn(t, got.header)); got.status != http.StatusOK || diff != "" {
		t.Errorf("%d (-want +got):\n%s", got.status, diff)
	}
}

func TestVerifyAnswersEveryMethodAndIgnoresTheBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	url := w.verifier(t) + "/auth/verify"
	good := w.issue(t, nil)
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "BREW"} {
		got := send(t, method, url, bearer(good), strings.NewReader("access_token=nonsense"))
		if got.status != http.StatusOK || got.body != "" || got.header.Get("Remote-User") != "ada" {
			t.Errorf("%s: %d %q", method, got.status, got.body)
		}
		if got := send(t, method, url, nil, nil); got.status != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d", method, got.status)
		}
	}
}

func TestVerifyRefusesAsRFC6750Says(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	url := w.verifier(t) + "/auth/verify"
	good := w.issue(t, nil)
	revoked := w.issue(t, nil)
	w.revoke(t, revoked)
	sess := w.SessionToken(t, "ada", password)
	raw := func(values ...string) http.Header { return http.Header{"Authorization": values} }
	const malformed = "malformed or unknown token"
	for _, tc := range []struct {
		name, query string
		header      http.Header
		status      int
		code, why   string
	}{
		{"no token", "", nil, 401, "", ""},
		{"another scheme", "", raw("Basic YWRhOng="), 401, "", ""},
		{"the scheme alone", "", raw("Bearer"), 401, "invalid_request", "the Authorization header holds no well-formed Bearer token"},
		{"two headers", "", raw("Bearer "+good.Value.Reveal(), "Bearer "+good.Value.Reveal()), 401, "invalid_request", "more than one Authorization header"},
		{"two tokens", "", raw("Bearer " + good.Value.Reveal() + " " + good.Value.Reveal()), 401, "invalid_request", "the Authorization header holds no well-formed Bearer token"},
		{"too long", "", raw("Bearer " + strings.Repeat("a", 8<<10+1)), 401, "invalid_request", "the credentials are longer than 8 KiB"},
		{"junk", "", raw("Bearer junk"), 401, "invalid_token", malformed},
		{"signature of another", "", raw("Bearer " + good.Value.Reveal()[:len(good.Value.Reveal())-8] + "AAAAAAAA"), 401, "invalid_token", malformed},
		{"session", "", bearer(sess), 401, "invalid_token", "wrong type"},
		{"revoked", "", bearer(revoked), 401, "invalid_token", "revoked"},
		{"wrong audience", "audience=https://other.example.org", bearer(good), 401, "invalid_token", "wrong audience"},
		{"scope", "scope=read+write", bearer(good), 403, "insufficient_scope", "the scope read is needed"},
		{"bad token, where none is needed", "optional=true", raw("Bearer junk"), 401, "invalid_token", malformed},
		{"revoked, where none is needed", "optional=true", bearer(revoked), 401, "invalid_token", "revoked"},
		{"unclear, where none is needed", "optional=true", raw("Bearer a", "Bearer b"), 401, "invalid_request", "more than one Authorization header"},
		{"in the query", "access_token=" + good.Value.Reveal(), nil, 400, "", ""},
	} {
		got := get(t, url+"?"+tc.query, tc.header)
		if tc.status == http.StatusBadRequest {
			if got.status != tc.status {
				t.Errorf("%s: %d", tc.name, got.status)
			}
			continue
		}
		t.Run(tc.name, func(t *testing.T) { got.refused(t, tc.status, tc.code, tc.why) })
		if diff := cmp.Diff(nobody(), identityIn(t, got.header)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
	scoped := get(t, url+"?scope=read+write", bearer(good)).header.Get("WWW-Authenticate")
	if !strings.Contains(scoped, `, scope="read write"`) {
		t.Errorf("the challenge doesn't say which scope would do: %s", scoped)
	}
	w.Advance(31 * time.Minute)
	get(t, url, bearer(good)).refused(t, 401, "invalid_token", "expired")
}

func TestVerifyNeverLooksIntoTheQueryForAToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	good := w.issue(t, nil).Value.Reveal()
	for _, name := range []string{"access_token", "token", "authorization"} {
		if got := get(t, w.verifier(t)+"/auth/verify?optional=true&"+name+"="+good, nil); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, got.status)
		}
	}
}

func TestVerifyWithOptionalLetsNobodyPass(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	for _, header := range []http.Header{nil, {"Authorization": {"Basic YWRhOng="}}, {"Remote-User": {"root"}}} {
		got := get(t, w.verifier(t)+"/auth/verify?optional=true", header)
		if diff := cmp.Diff(nobody(), identityIn(t, got.header)); got.status != http.StatusOK || diff != "" {
			t.Errorf("%d (-want +got):\n%s", got.status, diff)
		}
	}
	got := get(t, w.verifier(t)+"/auth/verify?optional=false", nil)
	got.refused(t, 401, "", "")
}

func TestVerifyJudgesWhatTheQueryAsks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{Settings: func(p *parts.Settings) { p.Policy.TaskMax = map[string]time.Duration{"TES": 0} }})
	url := w.verifier(t) + "/auth/verify?"
	four := int64(4)
	plain, reader := w.issue(t, nil), w.issue(t, func(r *issuance.Request) { r.Scope = []string{"read", "export"} })
	bound := w.issue(t, func(r *issuance.Request) { r.Collection = &four })
	for _, tc := range []struct {
		query  string
		issued *issuance.Issued
		status int
	}{
		{"", plain, 200},
		{"audience=" + nodetest.Issuer, plain, 200},
		{"audience=", plain, 200}, // an empty one counts as absent
		{"audience=TES", plain, 401},
		{"scope=read", reader, 200},
		{"scope=read%20export", reader, 200},
		{"scope=read+write", reader, 403},
		{"scope=read", plain, 403},
		{"collection=4", bound, 200},
		{"collection=5", bound, 403},
		{"collection=4", plain, 200},
		{"collection=5", plain, 403},  // ada has no access there
		{"collection=77", plain, 403}, // there is none
		{"action=read&path=/things/7", plain, 200},
		{"action=read&path=%2Fthings", plain, 200},
		{"action=read&path=/thingsandmore", plain, 403},
		{"action=write&path=/things/7", plain, 403},
		{"action=*&path=/things", plain, 403},
		{"scope=read&collection=4&action=read&path=/things&audience=" + nodetest.Issuer + "&optional=true", reader, 200},
	} {
		for range 2 { // parsed, and remembered
			if got := get(t, url+tc.query, bearer(tc.issued)); got.status != tc.status {
				t.Errorf("%s: %d %s, want %d", tc.query, got.status, got.body, tc.status)
			}
		}
	}
}

func TestVerifyRefusesAtOnceWhoLostAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	url := w.verifier(t) + "/auth/verify"
	four := int64(4)
	bound, plain := w.issue(t, func(r *issuance.Request) { r.Collection = &four }), w.issue(t, nil)
	if got := get(t, url, bearer(bound)); got.status != http.StatusOK {
		t.Fatal(got.status, got.body)
	}
	if _, _, err := w.RemoveAccess(t.Context(), caller.Operator(), "ada", "/collections/4"); err != nil {
		t.Fatal(err)
	}
	get(t, url, bearer(bound)).refused(t, 403, "insufficient_scope", "no access to the collection")
	get(t, url+"?collection=4", bearer(plain)).refused(t, 403, "insufficient_scope", "no access to the collection")
	if got := get(t, url, bearer(plain)); got.status != http.StatusOK {
		t.Errorf("a token of no collection: %d %s", got.status, got.body)
	}

	disabled := true
	if _, err := w.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Disabled: &disabled}); err != nil {
		t.Fatal(err)
	}
	get(t, url, bearer(plain)).refused(t, 401, "invalid_token", "revoked")
}

func TestVerifyTellsTheNewNameOfAUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	url, issued := w.verifier(t)+"/auth/verify", w.issue(t, nil)
	if got := get(t, url, bearer(issued)); got.header.Get("Remote-Groups") != "curators,staff" {
		t.Fatal(got.header)
	}
	groups, name := []string{}, "Ada King"
	if _, err := w.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Name: &name, Groups: &groups}); err != nil {
		t.Fatal(err)
	}
	got := get(t, url, bearer(issued))
	if got.header.Get("Remote-Groups") != "" || got.header.Get("Remote-Name") != name {
		t.Errorf("%d %q", got.status, got.header)
	}
}

func TestSenaiteTokensStandInThreePlaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	good := w.issue(t, nil).Value.Reveal()
	cookie := func(values ...string) http.Header { return http.Header{"Cookie": values} }
	off := w.verifier(t) + "/auth/verify"
	for _, h := range []http.Header{cookie("token=" + good), {"X-Jwt-Auth-Token": {good}}} {
		get(t, off, h).refused(t, 401, "", "")
	}
	gate := *w.gate
	gate.Finders = senaiteFinders(w.Fixture)
	w.gate = &gate
	on := w.verifier(t) + "/auth/verify"
	other := w.issue(t, nil).Value.Reveal()
	both := func(h http.Header, name, value string) http.Header {
		h.Set(name, value)
		return h
	}
	for _, tc := range []struct {
		name   string
		header http.Header
		status int
		code   string
	}{
		{"cookie", cookie("token=" + good), 200, ""},
		{"cookie among others", cookie(`a=b; token="` + good + `"; c=d`), 200, ""},
		{"header", http.Header{"X-Jwt-Auth-Token": {good}}, 200, ""},
		{"bad cookie, good header", both(cookie("token=junk"), "X-Jwt-Auth-Token", good), 401, "invalid_token"},
		{"bad bearer, good cookie", both(cookie("token="+good), "Authorization", "Bearer junk"), 401, "invalid_token"},
		{"good bearer, bad cookie", both(cookie("token=junk"), "Authorization", "Bearer "+good), 200, ""},
		{"empty cookie, good header", both(cookie("token="), "X-Jwt-Auth-Token", good), 200, ""},
		{"wrong Basic, good cookie", both(cookie("token="+good), "Authorization", "Basic YWRhOng="), 401, ""},
		{"another scheme, good cookie", both(cookie("token="+good), "Authorization", "Digest x"), 200, ""},
		{"the same cookie twice", cookie("token=" + good + "; token=" + good), 200, ""},
		{"two cookies", cookie("token=" + good + "; token=" + other), 401, "invalid_request"},
		{"junk, then a good cookie", cookie("token=junk; token=" + good), 200, ""},
		{"two headers", http.Header{"X-Jwt-Auth-Token": {good, good}}, 401, "invalid_request"},
		{"long cookie", cookie("token=" + strings.Repeat("a", 8<<10+1)), 401, "invalid_request"},
		{"long header", http.Header{"X-Jwt-Auth-Token": {strings.Repeat("a", 8<<10+1)}}, 401, "invalid_request"},
		{"nothing", nil, 401, ""},
	} {
		got := get(t, on, tc.header)
		if got.status != tc.status {
			t.Errorf("%s: %d %s, want %d", tc.name, got.status, got.body, tc.status)
		}
		if got.status != http.StatusOK && tc.code != "" && got.members(t)["error"] != tc.code {
			t.Errorf("%s: %s, want %s", tc.name, got.body, tc.code)
		}
	}
}

func TestATokenInACookieNeedsTheOwnOriginForUnsafeRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	w.gate.Finders = senaiteFinders(w.Fixture)
	good := w.issue(t, nil).Value.Reveal()
	request := func(url, method, name, value string) answer {
		h := http.Header{"Cookie": {"token=" + good}, "Sec-Fetch-Site": {"cross-site"}}
		if name != "" {
			h.Set(name, value)
		}
		return send(t, method, url+"/auth/verify", h, nil)
	}
	unset := w.verifier(t)
	origins, err := httpkit.NewCrossOrigin("https://museum.example.org")
	if err != nil {
		t.Fatal(err)
	}
	checked := *w.gate
	checked.CrossOrigin = origins
	w.gate = &checked
	set := w.verifier(t)
	for _, tc := range []struct {
		name, method, header, value string
		status                      int
	}{
		{"safe", "GET", "", "", 200},
		{"unsafe", "POST", "", "", 403},
		{"unsafe, as nginx says", "GET", "X-Original-Method", "DELETE", 403},
		{"unsafe, as Traefik says", "GET", "X-Forwarded-Method", "POST", 403},
		{"safe, as Traefik says", "GET", "X-Forwarded-Method", "GET", 200},
		{"unsafe whatever a client says", "POST", "X-Forwarded-Method", "GET", 403},
		{"of our own origin", "POST", "Origin", "https://museum.example.org", 200},
		{"by header and not by cookie", "POST", "Authorization", "Bearer " + good, 200},
	} {
		if got := request(set, tc.method, tc.header, tc.value); got.status != tc.status {
			t.Errorf("%s: %d %s, want %d", tc.name, got.status, got.body, tc.status)
		}
	}
	if got := request(unset, "POST", "Origin", "https://museum.example.org"); got.status != http.StatusForbidden {
		t.Errorf("without a judge of origins: %d", got.status)
	}
}

func TestVerifyLogsRefusalsAndNotSuccesses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	var log lockedBuffer
	observer := httpkit.NewObserver(httpkit.ObserverConfig{Logger: slog.New(slog.NewJSONHandler(&log, nil)), Now: time.Now})
	mux := http.NewServeMux()
	(&gateway.ForwardAuth{Gate: w.gate}).Register(mux)
	url := serve(t, observer.Wrap(mux)) + "/auth/verify"
	good := w.issue(t, nil)
	for range 3 {
		get(t, url, bearer(good))
	}
	if log.String() != "" {
		t.Errorf("a yes was logged: %s", log.String())
	}
	get(t, url+"?scope=read", bearer(good))
	line := log.String()
	if strings.Count(line, "\n") != 1 || !strings.Contains(line, `"outcome":"the scope read is needed"`) || strings.Contains(line, "scope=") {
		t.Errorf("a no was logged as %s", line)
	}
}

func TestVerifyAsksTheStoreNothingAboutATokenSeenBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{Settings: func(p *parts.Settings) { p.Staleness = time.Hour }})
	url := w.verifier(t) + "/auth/verify?collection=4&action=read&path=/things"
	good := w.issue(t, nil)
	if got := get(t, url, bearer(good)); got.status != http.StatusOK {
		t.Fatal(got.status, got.body)
	}
	before := w.Store.Queries()
	for range 50 {
		get(t, url, bearer(good))
	}
	if n := w.Store.Queries() - before; n != 0 {
		t.Errorf("%d queries for 50 requests", n)
	}
}

func TestVerifySaysNoToARemovedUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	url, good := w.verifier(t)+"/auth/verify", w.issue(t, nil)
	if _, err := w.RemoveUser(t.Context(), caller.Operator(), "ada"); err != nil {
		t.Fatal(err)
	}
	get(t, url, bearer(good)).refused(t, 401, "invalid_token", "revoked")
}

func TestUsernamesOfAnyScriptReachTheApplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	const username = "Åsa \"the 魚\" Ωμέγα, Jr. <a@b>"
	if err := identity.ValidateUsername(username); err != nil {
		t.Fatal(err)
	}
	if _, err := w.CreateUser(t.Context(), caller.Operator(), identity.NewUser{Username: username, Password: password}); err != nil {
		t.Fatal(err)
	}
	got := get(t, w.verifier(t)+"/auth/verify", bearer(w.AccessToken(t, username, password)))
	if got.status != http.StatusOK || got.header.Get("Remote-User") != username {
		t.Errorf("%d %q", got.status, got.header.Get("Remote-User"))
	}
}
