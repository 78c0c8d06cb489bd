package adminapi_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/edgetest"
)

// operations reads from the description every endpoint of the API, with ids of what
// there is and is not the caller's.
func (s *site) operations(t *testing.T) []string {
	t.Helper()
	var d struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(s.Do(t, "GET", "/auth/openapi.json", "").Body), &d); err != nil {
		t.Fatal(err)
	}
	var all []string
	for path, item := range d.Paths {
		if !strings.HasPrefix(path, root) {
			continue
		}
		path = strings.TrimPrefix(strings.Replace(s.existing(path), "/users/ada", "/users/root", 1), root)
		for method := range item {
			if method != "parameters" {
				all = append(all, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(all)
	return all
}

// junk is what no endpoint takes: bodies, and last a query.
var junk = map[string]func(*http.Request){
	"nothing":        func(*http.Request) {},
	"half an object": body(`{"name":`),
	"a list":         body(`[]`),
	"unknown":        body(`{"nobody knows this":1}`),
	"wrong types":    body(`{"username":1,"name":2,"id":"x","permissions":7,"user":[],"now":"yes","overlap":"x","token":1}`),
	"too short":      body(`{"username":"x","password":"y","secret":"z"}`),
	"invalid UTF-8":  body("{\"name\":\"\xff\"}"),
	"no JSON":        func(r *http.Request) { body("a=b")(r); r.Header.Set("Content-Type", "text/plain") },
	"too large":      body(`{"name":"` + strings.Repeat("x", 64<<10) + `"}`),
	"a query":        func(r *http.Request) { r.URL.RawQuery = "nobody=knows&limit=x&limit=y" },
}

func body(text string) func(*http.Request) {
	return func(r *http.Request) {
		r.Body = http.NoBody
		again, err := http.NewRequest(r.Method, r.URL.String(), strings.NewReader(text))
		if err == nil {
			r.Body, r.ContentLength, r.GetBody = again.Body, again.ContentLength, again.GetBody
		}
		r.Header.Set("Content-Type", "application/json")
	}
}

// TestRightsAreCheckedBeforeTheRequestIsRead holds every endpoint of the API: a
// caller who may not use it gets that answer for every body. The callers' rights are listed.
func TestRightsAreCheckedBeforeTheRequestIsRead(t *testing.T) {
	t.Parallel()
	s := furnished(t)
	const judged = 0 // who may: the request is judged
	// Of these not the administrator's rights decide. The token and the user are root's.
	own := map[string]struct{ session, bearer, rootsBearer int }{
		"GET /me":                      {judged, judged, judged},
		"GET /tokens":                  {judged, judged, judged},
		"POST /explain":                {judged, judged, judged}, // whom it is about stands in the body
		"POST /tokens":                 {judged, 403, 403},
		"POST /me/revoke-all":          {judged, 403, 403},
		"GET /tokens/{id}":             {judged, judged, judged}, // 404, but for root
		"DELETE /tokens/{id}":          {judged, judged, judged}, // likewise
		"POST /tokens/{id}/regenerate": {404, 403, 403},
		"POST /tokens/{id}/smaller":    {404, 403, 403},
		"GET /tokens/{id}/uses":        {judged, judged, judged}, // likewise
		"PATCH /me":                    {judged, 403, 403},
		"GET /me/sessions":             {judged, 403, 403},
		"DELETE /me/sessions/{id}":     {judged, 403, 403},
		"GET /me/links":                {judged, 403, 403},
		"DELETE /me/links/{source}/17": {judged, 403, 403},
		"GET /users/root/links":        {403, 403, judged},
		"GET /users/root":              {403, 403, judged},
		"GET /users/root/tokens":       {403, 403, judged},
		"GET /users/root/access":       {403, 403, judged},
		"POST /users/root/revoke-all":  {403, 403, 403},
	}
	all := s.operations(t)
	if len(all) < 47 {
		t.Fatalf("found only %d endpoints", len(all))
	}
	seen := 0
	plain := s.AccessToken(t, "root", password).Value.Reveal()
	for _, operation := range all {
		method, path, _ := strings.Cut(operation, " ")
		name := strings.Replace(operation, s.made, "{id}", 1)
		want, special := own[name]
		if !special {
			want.session, want.bearer, want.rootsBearer = 403, 403, 403
		} else {
			seen++
		}
		signedIn := session(s.SessionToken(t, "ada", password).Value.Reveal())
		for _, what := range slices.Sorted(maps.Keys(junk)) {
			for who, c := range map[string]struct {
				with []edgetest.Option
				want int
			}{
				"nobody":             {nil, 401},
				"a user, by session": {[]edgetest.Option{signedIn, edgetest.Header("Sec-Fetch-Site", "same-origin")}, want.session},
				"a user, by Bearer":  {[]edgetest.Option{edgetest.Bearer(s.ada)}, want.bearer},
				"an administrator, by Bearer without admin": {[]edgetest.Option{edgetest.Bearer(plain)}, want.rootsBearer},
			} {
				if c.want == judged {
					continue
				}
				a := s.Do(t, method, root+path, "", append(slices.Clone(c.with), edgetest.Option(junk[what]))...)
				if a.Status != c.want || a.Header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("%s, %s sends %s: %d, want %d: %s", operation, who, what, a.Status, c.want, a.Body)
				}
			}
		}
	}
	if seen != len(own) {
		t.Errorf("%d of %d endpoints with rules of their own are there", seen, len(own))
	}
}

// The refusal of a change is recorded as that of the change, though nobody has read what
// the change would have been.
func TestRefusalOfAnUnreadChangeIsRecorded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for action, request := range map[string][2]string{
		audit.UserCreate: {"POST", "/users"}, audit.RoleUpdate: {"PATCH", "/roles/curator"}, audit.KeyRotate: {"POST", "/keys"},
		audit.TokenIssue: {"POST", "/tokens"}, audit.RevokeAll: {"POST", "/me/revoke-all"},
	} {
		s.as(t, s.ada, request[0], request[1], `{"half`).Is(403)
		events := slices.DeleteFunc(s.Events(t, audit.Filter{Action: action, Actor: s.adaID}), func(e audit.Event) bool {
			return e.Outcome != audit.Refused
		})
		if len(events) != 1 || events[0].Reason == "" {
			t.Errorf("%s: %+v", action, events)
		}
	}
}

// Who asks about somebody else is told that they may not before the question is judged.
func TestQuestionAboutAnotherIsRefusedBeforeItIsJudged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, question := range []string{
		`{"user":"root"}`, `{"user":"root","action":"read","path":"no path"}`, `{"user":"nobody","action":"","path":"/x"}`,
		`{"user":"root","audience":"x","action":"read","path":"/"}`,
	} {
		s.as(t, s.ada, "POST", "/explain", question).Is(403)
	}
	s.as(t, s.ada, "POST", "/explain", `{"user":"ada","action":"read","path":"no path"}`).Is(400)
}
