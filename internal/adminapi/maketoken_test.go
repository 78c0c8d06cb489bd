package adminapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/edgetest"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

func made(t *testing.T, a *edgetest.Answer) (m struct{ ID, Token, Name, Kind, Scope string }) {
	t.Helper()
	if a.Status != http.StatusCreated {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if err := json.Unmarshal([]byte(a.Body), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestTokenIsMadeShownOnceRegeneratedAndRevoked is the life of an API token.
func TestTokenIsMadeShownOnceRegeneratedAndRevoked(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	credentials := edgetest.Bearer(s.AccessToken(t, "ada", password, identity.ScopeCredentials, "read").Value.Reveal())
	first := made(t, s.Do(t, "POST", root+"/tokens", `{"name":"laptop","scope":"read","expires_in":600}`, credentials))
	if first.Name != "laptop" || first.Kind != "api-token" || first.Scope != "read" {
		t.Errorf("%+v", first)
	}
	if got := s.Do(t, "GET", root+"/me", "", edgetest.Bearer(first.Token)); got.Status != http.StatusOK {
		t.Errorf("the token is not good: %d %s", got.Status, got.Body)
	}
	listed := s.Do(t, "GET", root+"/tokens", "", credentials)
	if strings.Contains(listed.Body, first.Token) || !strings.Contains(listed.Body, first.ID) ||
		!strings.Contains(listed.Body, `"expiring_soon":true`) {
		t.Errorf("listed: %s", listed.Body)
	}
	second := made(t, s.Do(t, "POST", root+"/tokens/"+first.ID+"/regenerate", "", credentials))
	if second.Name != "laptop" || second.Token == first.Token || second.ID == first.ID {
		t.Errorf("regenerated: %+v", second)
	}
	if got := s.Do(t, "GET", root+"/me", "", edgetest.Bearer(first.Token)); got.Status != http.StatusUnauthorized {
		t.Errorf("the old value: %d", got.Status)
	}
	if got := s.Do(t, "POST", root+"/tokens/"+first.ID+"/regenerate", "", credentials); got.Status != http.StatusConflict {
		t.Errorf("regenerated twice: %d %s", got.Status, got.Body)
	}
	if got := s.Do(t, "DELETE", root+"/tokens/"+second.ID, "", credentials); got.Status != http.StatusNoContent {
		t.Errorf("revoking: %d %s", got.Status, got.Body)
	}
	if got := s.Do(t, "GET", root+"/me", "", edgetest.Bearer(second.Token)); got.Status != http.StatusUnauthorized {
		t.Errorf("revoked: %d", got.Status)
	}
}

func TestMakingTokensIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	credentials := edgetest.Bearer(s.AccessToken(t, "ada", password, identity.ScopeCredentials).Value.Reveal())
	key := made(t, s.Do(t, "POST", root+"/tokens", `{"kind":"api-key"}`, credentials))
	if got := s.Do(t, "GET", root+"/me", "", edgetest.Bearer(key.Token)); got.Status != http.StatusUnauthorized {
		t.Errorf("an API key called an API: %d", got.Status)
	}
	api := made(t, s.Do(t, "POST", root+"/tokens", `{"name":"x"}`, credentials))
	before := s.count(t)
	for name, c := range map[string]struct {
		body   string
		by     edgetest.Option
		status int
	}{
		"outliving its maker":   {`{"name":"x","expires_in":3600}`, credentials, http.StatusBadRequest},
		"no scope credentials":  {`{"name":"x"}`, edgetest.Bearer(s.ada), http.StatusForbidden},
		"an API token":          {`{"name":"x"}`, edgetest.Bearer(api.Token), http.StatusForbidden},
		"no name":               {`{}`, credentials, http.StatusBadRequest},
		"an empty name":         {`{"name":""}`, credentials, http.StatusBadRequest},
		"a huge name":           {`{"name":"` + strings.Repeat("x", 256) + `"}`, credentials, http.StatusBadRequest},
		"an unknown kind":       {`{"name":"x","kind":"session"}`, credentials, http.StatusBadRequest},
		"an unknown member":     {`{"name":"x","expires":3}`, credentials, http.StatusBadRequest},
		"more scope":            {`{"name":"x","scope":"admin"}`, credentials, http.StatusBadRequest},
		"no such collection":    {`{"name":"x","collection":9}`, credentials, http.StatusBadRequest},
		"no integer":            {`{"name":"x","expires_in":1.5}`, credentials, http.StatusBadRequest},
		"zero":                  {`{"name":"x","expires_in":0}`, credentials, http.StatusBadRequest},
		"an exponent":           {`{"name":"x","expires_in":3e2}`, credentials, http.StatusBadRequest},
		"a text":                {`{"name":"x","expires_in":"300"}`, credentials, http.StatusBadRequest},
		"negative":              {`{"name":"x","expires_in":-1}`, credentials, http.StatusBadRequest},
		"an overflow":           {`{"name":"x","expires_in":9223372036854775808}`, credentials, http.StatusBadRequest},
		"without permission":    {`{"name":"x","scope":"introspect"}`, credentials, http.StatusForbidden},
		"nor for the log":       {`{"name":"x","scope":["revocations"]}`, credentials, http.StatusForbidden},
		"true":                  {`{"name":"x","expires_in":true}`, credentials, http.StatusBadRequest},
		"a key that is too old": {`{"kind":"api-key","expires_in":2592001}`, credentials, http.StatusBadRequest},
	} {
		if got := s.Do(t, "POST", root+"/tokens", c.body, c.by); got.Status != c.status {
			t.Errorf("%s: %d %s, want %d", name, got.Status, got.Body, c.status)
		}
	}
	if after := s.count(t); after != before {
		t.Errorf("refusals made %d tokens", after-before)
	}
	if got := s.Do(t, "POST", root+"/tokens/"+api.ID+"/regenerate", "", edgetest.Bearer(s.admin)); got.Status != http.StatusForbidden {
		t.Errorf("somebody else regenerated it: %d", got.Status)
	}
	if got := s.Do(t, "POST", root+"/tokens/"+api.ID+"/regenerate", `{"overlap":-1}`, credentials); got.Status != http.StatusBadRequest {
		t.Errorf("a negative overlap: %d", got.Status)
	}
}

// count is how many tokens ada has.
func (s *site) count(t *testing.T) int {
	t.Helper()
	page, err := s.Store.StoredTokens(t.Context(), records.TokenQuery{Owner: s.adaID, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return len(page.Items)
}

func TestReadingScopesAreForThoseWithThePermission(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.User(t, "auditor", password, nodetest.May(identity.ScopeIntrospect, access.PathTokens))
	with := []edgetest.Option{session(s.SessionToken(t, "auditor", password).Value.Reveal()), edgetest.Header("Sec-Fetch-Site", "same-origin")}
	made(t, s.Do(t, "POST", root+"/tokens", `{"name":"x","scope":"introspect","expires_in":null}`, with...))
	s.Do(t, "POST", root+"/tokens", `{"name":"y","scope":"introspect revocations"}`, with...).Is(http.StatusForbidden)
}

// TestAnswersWarnOfTokensThatEndSoon: the header stands in the last week of an API
// token, and not for one that lives longer or for an access token.
func TestAnswersWarnOfTokensThatEndSoon(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	person := session(s.SessionToken(t, "ada", password).Value.Reveal())
	for lifetime, warned := range map[string]bool{"604700": true, "604900": false} {
		n := made(t, s.Do(t, "POST", root+"/tokens", `{"name":"x","expires_in":`+lifetime+`}`, person))
		got := s.Do(t, "GET", root+"/me", "", edgetest.Bearer(n.Token)).Header.Get("X-Bearerd-Token-Expires")
		if (got != "") != warned {
			t.Errorf("%s seconds left: %q", lifetime, got)
		}
	}
	if got := s.as(t, s.ada, "GET", "/me", "").Header.Get("X-Bearerd-Token-Expires"); got != "" {
		t.Errorf("an access token: %q", got)
	}
}

func TestTokenTooManyIs429(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Freeze()
	ada := s.AccessToken(t, "ada", password, identity.ScopeCredentials).Value.Reveal()
	var a *edgetest.Answer
	for range 301 {
		a = s.as(t, ada, "POST", "/tokens", `{"name":"x"}`)
	}
	if a.Status != 429 || a.Header.Get("Retry-After") != "2" || !strings.Contains(a.Body, "created or regenerated") {
		t.Errorf("%d %s, Retry-After %q", a.Status, a.Body, a.Header.Get("Retry-After"))
	}
}
