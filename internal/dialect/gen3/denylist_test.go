package gen3_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/revoking"

	"github.com/bearerd/bearerd/internal/node/nodetest"
)

const denylisted = "/credentials/token/denylisted"

// revoked is an access token that was revoked.
func (s *site) revoked() string {
	s.t.Helper()
	raw := s.AccessToken(s.t, "ada", password).Value.Reveal()
	if _, err := s.Revoke(s.t.Context(), caller.Operator(), revoking.Revocation{Token: raw}); err != nil {
		s.t.Fatal(err)
	}
	return raw
}

func TestDenylistRefusesWhatWasTakenBackAndNothingElse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	good, dead := s.AccessToken(t, "ada", password).Value.Reveal(), s.revoked()
	in := func(token string) string { return `{"token":"` + token + `"}` }
	for name, c := range map[string]struct {
		body    string
		options []option
		status  int
	}{
		"good, in the header":           {"", []option{bearer(good)}, 200},
		"revoked, in the header":        {"", []option{bearer(dead)}, 403},
		"revoked, scheme in lower case": {"", []option{header("Authorization", "bearer "+dead)}, 403},
		"good, in the body":             {in(good), nil, 200},
		"revoked, in the body":          {in(dead), nil, 403},
		"revoked, in a form":            {"token=" + dead, []option{contentType(typeForm)}, 403},
		"revoked, no content type":      {in(dead), []option{func(r *http.Request) { r.Header.Del("Content-Type") }}, 403},
		"revoked, as plain text":        {in(dead), []option{contentType("text/plain")}, 403},
		"revoked, among others":         {`{"x":{"y":[1]},"token":"` + dead + `"}`, nil, 403},
		"the body comes first: revoked": {in(dead), []option{bearer(good)}, 403},
		"the body comes first: good":    {in(good), []option{bearer(dead)}, 200},
		"nothing":                       {"", nil, 200},
		"an empty object":               {`{}`, nil, 200},
		"an empty token":                {in(""), nil, 200},
		"no token, a header":            {`{}`, []option{bearer(dead)}, 403},
		"an empty token, a header":      {in(""), []option{bearer(dead)}, 403},
		"a number, a header":            {`{"token":5}`, []option{bearer(dead)}, 403},
		"null, a header":                {`null`, []option{bearer(dead)}, 403},
		"a list, a header":              {`[1,2]`, []option{bearer(dead)}, 403},
		"no JSON, a header":             {`{"token":`, []option{bearer(dead)}, 403},
		"an upload, a header":           {"--x\r\n", []option{contentType("multipart/form-data; boundary=x"), bearer(dead)}, 403},
		"two tokens, a header":          {`{"token":"x","token":"y"}`, []option{bearer(dead)}, 403},
		"two headers, one revoked":      {"", []option{bearer(good), bearer(dead)}, 403},
		"two headers, the other":        {"", []option{header("Authorization", "Basic eA=="), bearer(dead)}, 403},
		"junk":                          {in("junk"), nil, 200},
		"junk in the header":            {"", []option{bearer("junk")}, 200},
		"a Bearer with a space":         {"", []option{header("Authorization", "Bearer a b")}, 200},
		"a Bearer without a token":      {"", []option{header("Authorization", "Bearer")}, 200},
		"a forged token":                {in(good[:len(good)-4] + "AAAA"), nil, 200},
		"a long token":                  {in(strings.Repeat("a", 20_000)), nil, 200},
		"not UTF-8":                     {"{\"token\":\"\xff\"}", nil, 200},
		"Basic":                         {"", []option{header("Authorization", "Basic eA==")}, 200},
		"a word":                        {"junk", []option{contentType("text/plain")}, 200},
	} {
		a := s.do("POST", denylisted, c.body, c.options...)
		if c.status == http.StatusForbidden {
			a.refused(t, name, c.status)
			continue
		}
		if a.status != c.status || strings.TrimSpace(a.text) != "{}" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v %s", name, a.status, a.header, a.text)
		}
	}
	s.do("POST", denylisted, in(strings.Repeat("a", 70_000))).refused(t, "a huge body", 413)
}

func TestDenylistKnowsKeysAndWhatWasMadeFromThem(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.May("create", "/task-tokens/FOO"))
	key := s.key("")
	all := []string{key.Value, s.accessToken("", key.Value), s.accessToken("?task_token=FOO", key.Value)}
	for _, raw := range all {
		if a := s.do("POST", denylisted, "", bearer(raw)); a.status != http.StatusOK {
			t.Errorf("before: %d %s", a.status, a.text)
		}
	}
	if a := s.do("DELETE", "/credentials/api/"+key.ID, "", s.bySession); a.status != http.StatusNoContent {
		t.Fatalf("%d %s", a.status, a.text)
	}
	for _, raw := range all {
		s.do("POST", denylisted, "", bearer(raw)).refused(t, "after", 403)
	}
}

func TestDenylistDoesNotSayYesWithoutNews(t *testing.T) {
	t.Parallel()
	s := newSiteWith(t, nodetest.Options{Settings: func(p *node.Settings) { p.Staleness = 50 * time.Millisecond }})
	good := s.AccessToken(t, "ada", password).Value.Reveal()
	if err := s.Store.Close(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); s.Follower.Fresh() && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	a := s.do("POST", denylisted, "", bearer(good))
	a.refused(t, "without a lease", 503)
	if a.header.Get("Retry-After") == "" {
		t.Errorf("%v", a.header)
	}
	s.do("GET", "/user", "", bearer(good)).refused(t, "without a lease", 503)
}
