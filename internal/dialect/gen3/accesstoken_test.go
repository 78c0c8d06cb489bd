package gen3_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

func TestTradesAreRefusedForBadRequests(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.May("create", "/task-tokens/FOO"))
	key := s.key("").Value
	good := `{"api_key":"` + key + `"}`
	for name, c := range map[string]struct {
		query, body, typ string
		status           int
	}{
		"nothing":                     {status: 400},
		"an empty object":             {body: `{}`, status: 400},
		"no key":                      {body: `{"key_id":"x"}`, status: 400},
		"an empty key":                {body: `{"api_key":""}`, status: 400},
		"null":                        {body: `{"api_key":null}`, status: 400},
		"a list":                      {body: `{"api_key":["` + key + `"]}`, status: 400},
		"an object":                   {body: `{"api_key":{}}`, status: 400},
		"a number":                    {body: `{"api_key":7}`, status: 401},
		"two keys":                    {body: `{"api_key":"` + key + `","api_key":"` + key + `"}`, status: 400},
		"two keys, by form":           {body: "api_key=" + key + "&api_key=" + key, typ: typeForm, status: 400},
		"an empty key, by form":       {body: "api_key=", typ: typeForm, status: 400},
		"JSON that says it is a form": {body: good, typ: typeForm, status: 400},
		"another type":                {body: good, typ: "text/plain", status: 400},
		"no JSON":                     {body: `{"api_key":`, status: 400},
		"not UTF-8":                   {body: "{\"api_key\":\"\xff\"}", status: 400},
		"huge":                        {body: `{"api_key":"` + strings.Repeat("a", 70_000) + `"}`, status: 413},
		"a long key":                  {body: `{"api_key":"` + strings.Repeat("a", 10_000) + `"}`, status: 401},
		"the key in the URL":          {query: "?api_key=" + key, status: 400},
		"junk":                        {body: `{"api_key":"junk"}`, status: 401},
		"a forged key":                {body: `{"api_key":"` + key[:len(key)-4] + `AAAA"}`, status: 401},
		"zero":                        {query: "?expires_in=0", body: good, status: 400},
		"negative":                    {query: "?expires_in=-5", body: good, status: 400},
		"fraction":                    {query: "?expires_in=1.5", body: good, status: 400},
		"a word":                      {query: "?expires_in=True", body: good, status: 400},
		"19 digits":                   {query: "?expires_in=9999999999999999999", body: good, status: 400},
		"an empty lifetime":           {query: "?expires_in=", body: good, status: 400},
		"two lifetimes":               {query: "?expires_in=60&expires_in=60", body: good, status: 400},
		"two types":                   {query: "?task_token=FOO&task_token=FOO", body: good, status: 400},
		"a type that isn't listed":    {query: "?task_token=NONE", body: good, status: 400},
		"the default audience":        {query: "?task_token=" + nodetest.Issuer, body: good, status: 400},
		"a type with a slash":         {query: "?task_token=FOO/60", body: good, status: 400},
		"a type in another case":      {query: "?task_token=foo", body: good, status: 400},
		"a type that isn't UTF-8":     {query: "?task_token=%ff", body: good, status: 400},
		"a type without a grant":      {query: "?task_token=BAR", body: good, status: 403},
		"lifetime in the body":        {body: `{"api_key":"` + key + `","expires_in":60}`, status: 400},
		"type in the body":            {body: "task_token=FOO&api_key=" + key, typ: typeForm, status: 400},
	} {
		var options []option
		if c.typ != "" {
			options = append(options, contentType(c.typ))
		}
		s.do("POST", "/credentials/api/access_token"+c.query, c.body, options...).refused(t, name, c.status)
	}
	for _, e := range s.Events(t, audit.Filter{Action: audit.TokenExchange}) {
		if e.Outcome != audit.Refused {
			t.Errorf("something was issued: %+v", e)
		}
	}
}

func TestOnlyALivingExchangeKeyIsTraded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	key := s.key("?expires_in=3600").Value
	access := s.accessToken("", key)
	c, err := s.Session(t.Context(), s.session)
	if err != nil {
		t.Fatal(err)
	}
	opaque, err := s.CreateAPIToken(t.Context(), c, credentials.NewCredential{Name: "laptop"})
	if err != nil {
		t.Fatal(err)
	}
	for name, wrong := range map[string]string{
		"an access token": access, "an API token": opaque.Value.Reveal(), "a session": s.session,
	} {
		s.trade("", wrong).refused(t, name, 401)
	}
	s.Advance(time.Hour)
	a := s.trade("", key)
	a.refused(t, "an expired key", 401)
	if a.message(t) != token.ReasonExpired {
		t.Errorf("it says %q", a.message(t))
	}
}

func TestTradesEndWithTheirUser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	key := s.key("").Value
	yes, no := true, false
	for _, p := range []identity.UserPatch{{Disabled: &yes}, {Disabled: &no}} {
		if _, err := s.UpdateUser(t.Context(), caller.Operator(), "ada", p); err != nil {
			t.Fatal(err)
		}
		s.trade("", key).refused(t, "a key from before the user was disabled", 401)
	}
}

// lifeOf returns a token's lifetime in seconds, from its claims.
func (s *site) lifeOf(raw, audience string) int64 {
	s.t.Helper()
	t, err := s.Verify(s.t.Context(), raw, verification.Requirements{Audience: audience})
	if err != nil {
		s.t.Fatal(err)
	}
	return int64(t.Expiry.Sub(t.IssuedAt) / time.Second)
}

func TestTradeLifetimes(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.May("create", "/task-tokens/FOO"), nodetest.May("create", "/task-tokens/BAR/100"),
		nodetest.May("create", "/task-tokens/BAR/7200"))
	key := s.key("").Value
	for name, c := range map[string]struct {
		query, audience string
		want            int64 // 0: refused with 403
	}{
		"default":                       {"", "", 1800},
		"the ceiling":                   {"?expires_in=3600", "", 3600},
		"above the ceiling":             {"?expires_in=3601", "", 3600},
		"18 digits":                     {"?expires_in=999999999999999999", "", 3600},
		"one second":                    {"?expires_in=1", "", 1},
		"no type":                       {"?task_token=&expires_in=60", "", 60},
		"task: default":                 {"?task_token=FOO", "FOO", 14400},
		"task: above its ceiling":       {"?task_token=FOO&expires_in=99999", "FOO", 14400},
		"task: below":                   {"?task_token=FOO&expires_in=7200", "FOO", 7200},
		"exact":                         {"?task_token=BAR&expires_in=100", "BAR", 100},
		"exact, another":                {"?task_token=BAR&expires_in=101", "BAR", 0},
		"exact, none asked for":         {"?task_token=BAR", "BAR", 0},
		"exact, above the ceiling":      {"?task_token=BAR&expires_in=7200", "BAR", 0},
		"exact, capped to what isn't":   {"?task_token=BAR&expires_in=99999", "BAR", 0},
		"exact, capped to the ceiling":  {"?task_token=BAR&expires_in=3601", "BAR", 0},
		"exact, the ceiling of a token": {"?task_token=BAR&expires_in=3600", "BAR", 0},
	} {
		if c.want == 0 {
			s.trade(c.query, key).refused(t, name, 403)
			continue
		}
		if got := s.lifeOf(s.accessToken(c.query, key), c.audience); got != c.want {
			t.Errorf("%s: %d seconds, want %d", name, got, c.want)
		}
	}
}

func TestNothingOutlivesItsKey(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.May("create", "/task-tokens/FOO"))
	key := s.key("?expires_in=600").Value
	for _, query := range []string{"?expires_in=601", "?expires_in=3600", "?expires_in=99999", "?task_token=FOO&expires_in=3600"} {
		a := s.trade(query, key)
		a.refused(t, query, 400)
		if !strings.Contains(a.message(t), "would expire after the provided API key does") {
			t.Errorf("%s: %s", query, a.message(t))
		}
	}
	for query, audience := range map[string]string{"": "", "?task_token=FOO": "FOO"} {
		if got := s.lifeOf(s.accessToken(query, key), audience); got > 600 || got < 590 {
			t.Errorf("%q: the default is %d seconds in a key's last ten minutes", query, got)
		}
	}
}

func TestTradesTellNobodyToKeepThem(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	made := s.do("POST", "/credentials/api", "", s.bySession)
	traded := s.trade("", decode[newKey](t, made).Value)
	for _, a := range []answer{made, traded} {
		if a.header.Get("Cache-Control") != "no-store" || a.status != http.StatusOK {
			t.Errorf("%d %v", a.status, a.header)
		}
	}
	var members map[string]any
	if err := json.Unmarshal([]byte(traded.text), &members); err != nil || len(members) != 1 {
		t.Errorf("%s", traded.text)
	}
}
