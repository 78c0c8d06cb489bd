package hypothesis_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/dialect/hypothesis"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// The original's own values.
const (
	itsAccess  = "5768-mXb1Qg9Cq0sWfVn8mEoIqkQd2oJ0Xn3cH4m6fLx2yzA"
	itsRefresh = "4657-mXb1Qg9Cq0sWfVn8mEoIqkQd2oJ0Xn3cH4m6fLx2yzA"
	itsAPI     = "6879-mXb1Qg9Cq0sWfVn8mEoIqkQd2oJ0Xn3cH4m6fLx2yzA"
	grantToken = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJjIiwic3ViIjoiYWNjdDphQGIifQ.c2lnbmF0dXJl"
	jwtBearer  = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	typeForm   = "application/x-www-form-urlencoded"
)

// application answers 418 with what reached it.
func application(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.WriteHeader(http.StatusTeapot)
	_ = json.NewEncoder(w).Encode([]string{r.Method, r.URL.String(), r.Header.Get("Content-Type"), string(body)})
}

func behind(d *hypothesis.Dialect) { d.Application = http.HandlerFunc(application) }

// send sends a request with headers as name, value.
func (s *site) send(t *testing.T, method, path, body string, headers ...string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", typeForm)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

func form(pairs ...string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v.Encode()
}

// TestWhatIsNotOursReachesTheApplicationIntact: with an application behind, its own
// client's requests pass as they were sent.
func TestWhatIsNotOursReachesTheApplicationIntact(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{}, behind)
	for name, c := range map[string]struct{ method, path, body, contentType string }{
		"a code":                     {"POST", "/api/token", form("grant_type", "authorization_code", "code", "abc", "client_id", "c"), typeForm},
		"a grant token":              {"POST", "/api/token", form("grant_type", jwtBearer, "assertion", grantToken), typeForm},
		"its refresh token":          {"POST", "/api/token", form("grant_type", "refresh_token", "refresh_token", itsRefresh), typeForm},
		"a grant nobody knows":       {"POST", "/api/token", form("grant_type", "urn:x", "x", "y"), typeForm},
		"no grant":                   {"POST", "/api/token?x=1", "a=b&&c", typeForm + "; charset=utf-8"},
		"no form":                    {"POST", "/api/token", `{"grant_type":"refresh_token"}`, "application/json"},
		"no body":                    {"POST", "/api/token", "", ""},
		"a long body":                {"POST", "/api/token", "grant_type=x&y=" + strings.Repeat("z", 200<<10), typeForm},
		"revoking its access token":  {"POST", "/oauth/revoke", form("token", itsAccess), typeForm},
		"revoking its refresh token": {"POST", "/oauth/revoke", form("token", itsRefresh), typeForm},
		"revoking its API token":     {"POST", "/oauth/revoke", form("token", itsAPI), typeForm},
		"revoking a JWT of others'":  {"POST", "/oauth/revoke", form("token", grantToken), typeForm},
		"revoking nothing":           {"POST", "/oauth/revoke", "", ""},
		"another method":             {"OPTIONS", "/api/profile", "", ""},
	} {
		status, _, body := s.send(t, c.method, c.path, c.body, "Content-Type", c.contentType)
		var got []string
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusTeapot {
			t.Errorf("%s: %d %.200s", name, status, body)
			continue
		}
		if got[0] != c.method || got[1] != c.path || got[2] != c.contentType || got[3] != c.body {
			t.Errorf("%s: the application got %.200q", name, got)
		}
	}
}

func TestItsOwnTokensAreJudgedByTheApplication(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{}, behind)
	for _, path := range []string{"/api/profile", "/api/debug-token"} {
		for _, raw := range []string{itsAccess, itsAPI} {
			if status, _, body := s.send(t, "GET", path, "", "Authorization", "Bearer "+raw); status != http.StatusTeapot {
				t.Errorf("%s: %d %s", path, status, body)
			}
		}
		if status, _, body := s.send(t, "GET", path, "", "Authorization", "Bearer "+s.developerToken(t)); status != http.StatusOK {
			t.Errorf("%s with ours: %d %s", path, status, body)
		}
		if status, _, body := s.send(t, "GET", path, "", "Authorization", "Bearer "+grantToken); status != http.StatusUnauthorized {
			t.Errorf("%s with a JWT that nobody signed: %d %s", path, status, body)
		}
	}
}

// TestOurSecretsNeverReachTheApplication: what may be read in two ways is refused, not
// passed on.
func TestOurSecretsNeverReachTheApplication(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{}, behind)
	refresh := s.refreshToken(t)
	grant := form("grant_type", "refresh_token", "refresh_token", refresh)
	for name, c := range map[string]struct {
		path, body string
		status     int
	}{
		"a second one":               {"/api/token", grant + "&refresh_token=" + itsRefresh, 400},
		"two grants":                 {"/api/token", grant + "&grant_type=authorization_code", 400},
		"in the URL":                 {"/api/token?" + grant, "", 400},
		"a grant in the URL":         {"/api/token?grant_type=authorization_code", grant, 400},
		"a code in the URL":          {"/api/token?code=x", grant, 400},
		"by another name":            {"/api/token", "%0A" + grant, 400},
		"as a code":                  {"/api/token", form("grant_type", "authorization_code", "code", refresh), 400},
		"revoked by another name":    {"/oauth/revoke", form("tokens", refresh), 400},
		"not well formed":            {"/api/token", grant + "&x=%", 400},
		"revoked twice over":         {"/oauth/revoke", form("token", refresh) + "&token=" + itsAccess, 400},
		"revoked in the URL":         {"/oauth/revoke?" + form("token", refresh), "", 400},
		"revoked in URL and body":    {"/oauth/revoke?token=" + itsAccess, form("token", refresh), 400},
		"revoked, not well formed":   {"/oauth/revoke", form("token", refresh) + "&%zz", 400},
		"a session can't be revoked": {"/oauth/revoke", form("token", s.session), 400},
	} {
		if status, _, body := s.send(t, "POST", c.path, c.body); status != c.status {
			t.Errorf("%s: %d %s, want %d", name, status, body, c.status)
		}
	}
	if status, _, body := s.send(t, "POST", "/api/token", grant); status != http.StatusOK {
		t.Errorf("after all of these it is as good as before: %d %s", status, body)
	}
}

func TestWithoutAnApplicationThereIsAClearRefusal(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	for name, c := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"a code":        {form("grant_type", "authorization_code", "code", "abc", "code_verifier", "v", "client_id", "c"), http.StatusUnauthorized, "invalid_client"},
		"a grant token": {form("grant_type", jwtBearer, "assertion", grantToken), http.StatusBadRequest, "invalid_grant"},
	} {
		if status, _, got := s.send(t, "POST", "/api/token", c.body); status != c.status || !strings.Contains(got, c.code) {
			t.Errorf("%s: %d %s", name, status, got)
		}
	}
	for name, body := range map[string]string{"no token": "", "an empty one": "token=", "no form": "x"} {
		if status, _, got := s.send(t, "POST", "/oauth/revoke", body); status != http.StatusBadRequest || !strings.Contains(got, `"reason"`) {
			t.Errorf("%s: %d %s", name, status, got)
		}
	}
	for _, raw := range []string{itsAccess, "junk", grantToken} {
		if status, _, got := s.send(t, "POST", "/oauth/revoke", form("token", raw)); status != http.StatusOK || strings.TrimSpace(got) != "{}" {
			t.Errorf("what is no token of ours: %d %s", status, got)
		}
	}
}

func TestWhoHasATokenRevokesIt(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	pair := s.pair(t)
	for name, raw := range map[string]token.Secret{
		"an access token": s.AccessToken(t, "ada", password).Value, "an API token": token.Secret(s.developerToken(t)),
		"a refresh token": pair.Refresh.Value,
	} {
		for range 2 { // the second time is success too
			if status, header, body := s.send(t, "POST", "/oauth/revoke", form("token", raw.Reveal())); status != http.StatusOK ||
				strings.TrimSpace(body) != "{}" || header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s: %d %v %s", name, status, header, body)
			}
		}
		if _, err := s.Verify(t.Context(), raw.Reveal(), verification.Requirements{AnyAudience: true}); !fault.Is(err, fault.InvalidToken) {
			t.Errorf("%s is still good: %v", name, err)
		}
	}
	if _, err := s.Verify(t.Context(), pair.Access.Value.Reveal(), verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("what was issued with the refresh token is still good: %v", err)
	}
	if status, _, body := s.send(t, "POST", "/api/token", form("grant_type", "refresh_token", "refresh_token", pair.Refresh.Value.Reveal())); status != http.StatusBadRequest {
		t.Errorf("the refresh token: %d %s", status, body)
	}
}

// TestPreflightsAreForTheRequestsThatWeServe: the original's clients come from other
// origins, a browser extension among them, and send headers of their own.
func TestPreflightsAreForTheRequestsThatWeServe(t *testing.T) {
	t.Parallel()
	alone, before := newSite(t, nodetest.Options{}), newSite(t, nodetest.Options{}, behind)
	ask := func(s *site, path, method string) (int, http.Header) {
		status, header, _ := s.send(t, "OPTIONS", path, "", "Origin", "https://reader.example",
			"Access-Control-Request-Method", method, "Access-Control-Request-Headers", "authorization,x-client-id")
		return status, header
	}
	for path, method := range map[string]string{
		"/api/token": "POST", "/oauth/revoke": "POST", "/api/profile": "GET", "/api/debug-token": "GET",
	} {
		for _, s := range []*site{alone, before} {
			status, header := ask(s, path, method)
			if status != http.StatusOK || header.Get("Access-Control-Allow-Origin") != "*" ||
				!strings.Contains(header.Get("Access-Control-Allow-Headers"), "x-client-id") || header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s %s: %d %v", method, path, status, header)
			}
		}
		if status, _ := ask(before, path, "PATCH"); status != http.StatusTeapot {
			t.Errorf("PATCH %s is the application's: %d", path, status)
		}
		if status, header := ask(alone, path, "PATCH"); status != http.StatusMethodNotAllowed || header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("PATCH %s where there is none: %d %v", path, status, header)
		}
	}
}
