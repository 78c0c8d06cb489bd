package gen3_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/verification"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/dialect/gen3"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// listed is the ids of ada's keys.
func (s *site) listed() []string {
	s.t.Helper()
	a := s.do("GET", "/credentials/api", "", s.bySession)
	ids := []string{}
	for _, k := range decode[struct{ JTIs []struct{ JTI string } }](s.t, a).JTIs {
		ids = append(ids, k.JTI)
	}
	return ids
}

func TestKeysAreRefusedForBadRequests(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, c := range map[string]struct {
		query, body, typ string
		status           int
	}{
		"lifetime of zero":       {query: "?expires_in=0", status: 400},
		"negative lifetime":      {query: "?expires_in=-1", status: 400},
		"lifetime with a sign":   {query: "?expires_in=%2B300", status: 400},
		"lifetime with a space":  {query: "?expires_in=+300", status: 400},
		"fraction":               {query: "?expires_in=1.5", status: 400},
		"exponent":               {query: "?expires_in=3e2", status: 400},
		"word":                   {query: "?expires_in=true", status: 400},
		"empty lifetime":         {query: "?expires_in=", status: 400},
		"lifetime of 19 digits":  {query: "?expires_in=1000000000000000000", status: 400},
		"repeated lifetime":      {query: "?expires_in=60&expires_in=60", status: 400},
		"query not UTF-8":        {query: "?expires_in=%ff", status: 400},
		"lifetime in the body":   {body: `{"expires_in":60}`, status: 400},
		"scope is a string":      {body: `{"scope":"data"}`, status: 400},
		"scope is a number":      {body: `{"scope":1}`, status: 400},
		"scope holds a number":   {body: `{"scope":[1]}`, status: 400},
		"scope holds null":       {body: `{"scope":[null]}`, status: 400},
		"scope holds nothing":    {body: `{"scope":[""]}`, status: 400},
		"scope holds two names":  {body: `{"scope":["a b"]}`, status: 400},
		"scope holds a list":     {body: `{"scope":[["a"]]}`, status: 400},
		"repeated member":        {body: `{"scope":["a"],"scope":["b"]}`, status: 400},
		"unknown member":         {body: `{"scopes":["a"]}`, status: 400},
		"other case":             {body: `{"SCOPE":["a"]}`, status: 400},
		"no object":              {body: `["a"]`, status: 400},
		"null":                   {body: `null`, status: 400},
		"no JSON":                {body: `{`, status: 400},
		"two values":             {body: `{} {}`, status: 400},
		"not UTF-8":              {body: "{\"scope\":[\"\xff\"]}", status: 400},
		"huge":                   {body: `{"scope":["` + strings.Repeat("a", 70_000) + `"]}`, status: 413},
		"too long a scope":       {body: `{"scope":["` + strings.Repeat("a", 300) + `"]}`, status: 400},
		"another type":           {body: `<scope/>`, typ: "text/xml", status: 400},
		"credentials":            {body: `{"scope":["credentials"]}`, status: 400},
		"credentials, by form":   {body: "scope=data&scope=credentials", typ: typeForm, status: 400},
		"introspect, ungranted":  {body: `{"scope":["introspect"]}`, status: 400},
		"form: bad scope":        {body: "scope=%22", typ: typeForm, status: 400},
		"form: not UTF-8":        {body: "scope=%ff", typ: typeForm, status: 400},
		"form: other repetition": {body: "x=1&x=2", typ: typeForm, status: 400},
		"form: huge":             {body: "scope=" + strings.Repeat("a", 70_000), typ: typeForm, status: 413},
	} {
		options := []option{s.bySession}
		if c.typ != "" {
			options = append(options, contentType(c.typ))
		}
		s.do("POST", "/credentials/api"+c.query, c.body, options...).refused(t, name, c.status)
	}
	if ids := s.listed(); len(ids) != 0 {
		t.Errorf("keys were made: %v", ids)
	}
}

func TestKeyScopeMayBeAListOfFormFields(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for body, want := range map[string][]string{
		"scope=data&scope=user&scope=data": {"data", "user", "fence", "openid"},
		"scope=data+user":                  {"data", "user", "fence", "openid"},
		"scope=openid&scope=data":          {"openid", "data", "fence"},
		"scope=":                           {"fence", "openid"},
		"":                                 {"fence", "openid"},
	} {
		a := s.do("POST", "/credentials/api", body, s.bySession, contentType(typeForm+"; charset=utf-8"))
		if a.status != http.StatusOK {
			t.Errorf("%q: %d %s", body, a.status, a.text)
			continue
		}
		got, err := s.Verify(t.Context(), s.accessToken("", decode[newKey](t, a).Value), verification.Requirements{})
		if err != nil || !cmp.Equal(want, got.Scope) {
			t.Errorf("%q: scope %v, %v", body, got.Scope, err)
		}
	}
}

func TestKeyScopeStaysWithinItsBearers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	token := s.AccessToken(t, "ada", password, "credentials", "data").Value.Reveal()
	if a := s.do("POST", "/credentials/api", `{"scope":["data"]}`, bearer(token)); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.text)
	}
	s.do("POST", "/credentials/api", `{"scope":["user"]}`, bearer(token)).refused(t, "a scope that the token lacks", 400)
}

func TestKeyLifetimeIsCappedAtTheCeiling(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for query, want := range map[string]time.Duration{
		"":                               720 * time.Hour,
		"?expires_in=60":                 time.Minute,
		"?expires_in=2592000":            720 * time.Hour,
		"?expires_in=2592001":            720 * time.Hour,
		"?expires_in=999999999999999999": 720 * time.Hour,
	} {
		id := s.key(query).ID
		row, _, err := s.Store.TokenByID(t.Context(), id)
		if err != nil || row.ExpiresAt.Sub(row.CreatedAt) != want {
			t.Errorf("%q: %v, %v; want %v", query, row.ExpiresAt.Sub(row.CreatedAt), err, want)
		}
	}
}

func TestKeysAreListedWhileTheyLive(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	short, long := s.key("?expires_in=60"), s.key("")
	a := s.do("GET", "/credentials/cdis/", "", s.bySession)
	row, _, err := s.Store.TokenByID(t.Context(), long.ID)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf(`{"jti":%q,"exp":%d}`, long.ID, row.ExpiresAt.Unix()); !strings.Contains(a.text, want) {
		t.Errorf("%s, want %s", a.text, want)
	}
	if want := []string{long.ID, short.ID}; len(s.listed()) != 2 {
		t.Errorf("%v, want %v", s.listed(), want)
	}
	s.Advance(2 * time.Minute)
	if diff := cmp.Diff([]string{long.ID}, s.listed()); diff != "" {
		t.Errorf("after one has run out (-want +got)\n%s", diff)
	}
	if a := s.do("DELETE", "/credentials/cdis/"+long.ID, "", s.bySession); a.status != http.StatusNoContent || a.text != "" {
		t.Errorf("%d %q", a.status, a.text)
	}
	if ids := s.listed(); len(ids) != 0 {
		t.Errorf("after one was deleted: %v", ids)
	}
}

func TestKeysOfOthersAreOutOfReach(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.User(t, "mallory", "battery staple")
	key := s.key("")
	mallory := s.SessionToken(t, "mallory", "battery staple").Value.Reveal()
	as := func(r *http.Request) { r.AddCookie(&http.Cookie{Name: sessionCookie, Value: mallory}) }
	for _, id := range []string{key.ID, "no-such-key", "00000000-0000-4000-8000-000000000000", "%ff", "access_token"} {
		s.do("DELETE", "/credentials/api/"+id, "", as).refused(t, id, 404)
	}
	if a := s.do("GET", "/credentials/api", "", as); strings.Contains(a.text, key.ID) || a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.text)
	}
	if a := s.trade("", key.Value); a.status != http.StatusOK {
		t.Errorf("the key is dead: %d %s", a.status, a.text)
	}
}

func TestSessionsOfOtherSitesDoNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	key := s.key("")
	foreign := []option{header("Sec-Fetch-Site", "cross-site"), header("Origin", "https://evil.example")}
	for _, o := range foreign {
		s.do("POST", "/credentials/api", "", s.bySession, o).refused(t, "making", 403)
		s.do("DELETE", "/credentials/api/"+key.ID, "", s.bySession, o).refused(t, "deleting", 403)
	}
	if ids := s.listed(); len(ids) != 1 {
		t.Errorf("%v", ids)
	}
	own := header("Origin", nodetest.Issuer)
	if a := s.do("POST", "/credentials/api", "", s.bySession, own); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.text)
	}
}

func TestABadCredentialIsNotRescued(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, o := range map[string][]option{
		"a bad Bearer, a good session":  {bearer("junk"), s.bySession},
		"a bad session":                 {func(r *http.Request) { r.AddCookie(&http.Cookie{Name: sessionCookie, Value: "junk"}) }},
		"a session as Bearer":           {bearer(s.session)},
		"nobody":                        nil,
		"the session in another cookie": {func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "sessionid", Value: s.session}) }},
	} {
		s.do("POST", "/credentials/api", "", o...).refused(t, name, 401)
		s.do("GET", "/credentials/api", "", o...).refused(t, name, 401)
		s.do("GET", "/user", "", o...).refused(t, name, 401)
	}
	another := s.SessionToken(t, "ada", password).Value.Reveal()
	s.do("POST", "/credentials/api", "", s.bySession, func(r *http.Request) { r.AddCookie(&http.Cookie{Name: sessionCookie, Value: another}) }).refused(t, "two sessions", 400)
	good := s.AccessToken(t, "ada", password, "credentials").Value.Reveal()
	s.do("POST", "/credentials/api", "", bearer(good), bearer(good)).refused(t, "two Bearers", 400)
	s.do("POST", "/credentials/api", "", bearer(strings.Repeat("a", 9000))).refused(t, "a huge Bearer", 400)
	s.do("POST", "/credentials/api", "", header("Authorization", "Bearer a b")).refused(t, "a Bearer with a space", 400)
	if ids := s.listed(); len(ids) != 0 {
		t.Errorf("keys were made: %v", ids)
	}
}

func TestWithoutCrossOriginSessionsDoNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	serve(t, &gen3.Dialect{
		SignIn: s.Authenticator, Issuance: s.Issuance, Tokens: s.Tokens, Revoker: s.Revoker, Verifier: s.Verifier, Now: s.Time, SessionCookies: []string{sessionCookie},
	}).Get(t, "/user", s.bySession).Is(http.StatusForbidden)
}

func TestOtherMethodsAreNotAllowed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for path, methods := range map[string][]string{
		"/credentials/api":              {"PUT", "DELETE", "PATCH"},
		"/credentials/api/access_token": {"GET", "PUT"},
		"/credentials/token/denylisted": {"GET", "PUT", "DELETE"},
		"/user":                         {"PUT", "DELETE"},
		"/user/anyaccess":               {"POST", "PUT", "DELETE"},
		"/.well-known/jwks":             {"POST", "PUT", "DELETE"},
		"/jwt/keys":                     {"POST", "PUT", "DELETE"},
	} {
		for _, method := range methods {
			if a := s.do(method, path, ""); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") == "" {
				t.Errorf("%s %s: %d %v", method, path, a.status, a.header)
			}
		}
	}
}
