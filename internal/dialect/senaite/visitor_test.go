package senaite_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/dialect/senaite"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
)

func TestCredentialsStandInFourPlaces(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	good := s.login("ada")
	for name, o := range map[string]option{
		"Bearer":             bearer(good),
		"bearer":             header("Authorization", "bearer "+good),
		"the cookie":         cookie(good),
		"the header":         jwtHeader(good),
		"Basic":              basic("ada", password),
		"an API token":       bearer(s.apiToken()),
		"a header, no other": func(r *http.Request) { cookie("")(r); jwtHeader(good)(r) },
		"not ours, a cookie": func(r *http.Request) { header("Authorization", "Negotiate x")(r); cookie(good)(r) },
	} {
		if a := s.do("GET", "/auth", "", o); a.status != http.StatusOK || !strings.HasPrefix(a.text, `{"_runtime":`) {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
		got := decode[listing](t, s.do("GET", "/users/current", "", o))
		if got.Count != 1 || got.Items[0].Username != "ada" || !got.Items[0].Authenticated {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// apiToken is an API token of ada's.
func (s *site) apiToken() string {
	s.t.Helper()
	c, err := s.Session(s.t.Context(), s.SessionToken(s.t, "ada", password).Value.Reveal())
	if err != nil {
		s.t.Fatal(err)
	}
	issued, err := s.CreateAPIToken(s.t.Context(), c, credentials.NewCredential{Name: "laptop"})
	if err != nil {
		s.t.Fatal(err)
	}
	return issued.Value.Reveal()
}

// TestABadTokenIsRefusedEverywhere is where the dialect differs from the original, which
// treats such a request as anonymous.
func TestABadTokenIsRefusedEverywhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	good, dead := s.login("ada"), s.revoked()
	c, err := s.Session(t.Context(), s.SessionToken(t, "ada", password).Value.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.CreateExchangeKey(t.Context(), c, credentials.NewCredential{})
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string][]option{
		"junk":                               {bearer("junk")},
		"a JWT of somebody else's":           {bearer("eyJhbGciOiJub25lIn0.e30.AA")},
		"forged":                             {bearer(good[:len(good)-4] + "AAAA")},
		"revoked":                            {bearer(dead)},
		"an API key":                         {bearer(key.Value.Reveal())},
		"a session":                          {bearer(s.SessionToken(t, "ada", password).Value.Reveal())},
		"in the cookie":                      {cookie(dead)},
		"in the header":                      {jwtHeader(dead)},
		"a bad Bearer, a good cookie":        {bearer(dead), cookie(good)},
		"a bad Bearer, a good header":        {bearer(dead), jwtHeader(good)},
		"a bad cookie, a good header":        {cookie(dead), jwtHeader(good)},
		"a bad Basic, a good cookie":         {basic("ada", "x"), cookie(good)},
		"a bad Basic, a good header":         {basic("ada", "x"), jwtHeader(good)},
		"a bad Bearer, everything else fine": {bearer("junk"), cookie(good), jwtHeader(good)},
	}
	endpoints := [][2]string{
		{"GET", "/auth"},
		{"GET", "/users/auth"},
		{"GET", "/users"},
		{"GET", "/users/current"},
		{"GET", "/users/ada"},
		{"GET", "/users/nobody"},
		{"GET", "/logout"},
		{"GET", "/logout?revoke=true"},
		{"GET", "/users/logout"},
		{"GET", "/login"},
		{"POST", "/login"},
		{"POST", "/users/ada/rotate_secret"},
	}
	for name, options := range bad {
		for _, e := range endpoints {
			if strings.Contains(name, "Basic") && e[1] != "/users/current" {
				continue // each is an attempt, of which there are few
			}
			s.do(e[0], e[1], "", options...).refused(t, name+", "+e[1], 401)
		}
	}
	if !s.alive(good) {
		t.Error("the good token is dead")
	}
}

func TestABadCookieIsRemoved(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.do("GET", "/users", "", cookie(s.revoked()))
	a.refused(t, "a bad cookie", 401)
	if c := a.cookies["token"]; c == nil || c.MaxAge >= 0 || c.Value != "" || c.Path != "/" {
		t.Errorf("%v", c)
	}
	if a := s.do("GET", "/users", "", bearer("junk"), cookie(s.login("ada"))); len(a.cookies) != 0 {
		t.Errorf("a good cookie is removed: %v", a.cookies)
	}
}

func TestUnclearCredentialsAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	good := s.login("ada")
	for name, options := range map[string][]option{
		"two Authorization headers": {bearer(good), bearer(good)},
		"Bearer and Basic":          {bearer(good), header("Authorization", "Basic eDp5")},
		"two cookies":               {cookie(good), cookie(s.login("ada"))},
		"two headers":               {jwtHeader(good), jwtHeader(good)},
		"a huge Bearer":             {bearer(strings.Repeat("a", 9000))},
		"a huge cookie":             {cookie(strings.Repeat("a", 9000))},
		"a huge header":             {jwtHeader(strings.Repeat("a", 9000))},
		"a Bearer of two words":     {bearer("a b")},
	} {
		s.do("GET", "/users/current", "", options...).refused(t, name, 400)
	}
}

func TestNobodyIsNobody(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, path := range []string{"/users", "/users/current", "/users/ada", "/users/nobody"} {
		a := s.do("GET", path, "")
		got := decode[listing](t, a)
		if a.status != http.StatusOK || got.Count != 1 || len(got.Items) != 1 || got.Items[0].Authenticated ||
			got.Items[0].Username != "Anonymous User" || strings.Contains(a.text, "ada") {
			t.Errorf("%s: %d %s", path, a.status, a.text)
		}
	}
	for _, path := range []string{"/auth", "/users/auth"} {
		a := s.do("GET", path, "")
		a.refused(t, path, 401)
		challenges := a.header["Www-Authenticate"]
		if len(challenges) != 2 || !strings.HasPrefix(challenges[0], "Basic realm=") || !strings.HasPrefix(challenges[1], "Bearer realm=") {
			t.Errorf("%s: %q", path, challenges)
		}
	}
	s.do("POST", "/users/current/rotate_secret", "").refused(t, "nobody rotates", 401)
	s.do("POST", "/users/ada/rotate_secret", "").refused(t, "nobody rotates ada's", 401)
	s.do("POST", "/users/nobody/rotate_secret", "").refused(t, "nobody rotates nobody's", 401)
}

func TestATokenThatLostItsCollectionIsForbidden(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Collection(t, 4, "Water")
	u, err := s.subjectOf("ada")
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.CreateBinding(t.Context(), caller.Operator(), access.Binding{
		User: u, Permission: &access.Permission{Action: "access", Path: "/collections/4"},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := s.Login(t, "ada", password, 4)
	four := int64(4)
	issued, err := s.Issue(t.Context(), c, &issuance.Request{Kind: token.KindAccess, Principal: c.Principal, Collection: &four})
	if err != nil {
		t.Fatal(err)
	}
	if !s.alive(issued.Value.Reveal()) {
		t.Error("it is refused before")
	}
	if _, err := s.RemoveBinding(t.Context(), caller.Operator(), b.ID); err != nil {
		t.Fatal(err)
	}
	s.do("GET", "/users/current", "", bearer(issued.Value.Reveal())).refused(t, "afterwards", 403)
}

func TestAClientIsNoUser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	client := s.Client(t, "ci")
	p := &records.Principal{Client: &client}
	issued, err := s.Issue(t.Context(), &caller.Caller{Principal: p}, &issuance.Request{Kind: token.KindAccess, Principal: p, Client: p})
	if err != nil {
		t.Fatal(err)
	}
	as := bearer(issued.Value.Reveal())
	if a := s.do("GET", "/auth", "", as); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.text)
	}
	for _, path := range []string{"/users", "/users/current", "/users/ada"} {
		s.do("GET", path, "", as).refused(t, path, 403)
	}
	for _, name := range []string{"current", "ci", "ada"} {
		s.do("POST", "/users/"+name+"/rotate_secret", "", as).refused(t, name, 403)
	}
}

func TestNothingIsSaidWithoutNewsOfTheLog(t *testing.T) {
	t.Parallel()
	s := newSiteWith(t, nodetest.Options{Settings: func(p *node.Settings) { p.Staleness = 50 * time.Millisecond }})
	good := s.login("ada")
	if err := s.Store.Close(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); s.Follower.Fresh() && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	for name, o := range map[string]option{"a token": bearer(good), "a cookie": cookie(good), "a password": basic("ada", password)} {
		a := s.do("GET", "/auth", "", o)
		a.refused(t, name, 503)
		if a.header.Get("Retry-After") == "" || len(a.cookies) != 0 {
			t.Errorf("%s: %v", name, a.header)
		}
	}
}

func TestThePrefixIsTheOperators(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(d *senaite.Dialect) { d.Prefixes = []string{"/lims" + prefix} })
	here, there := s.do("GET", "/users/current", ""), s.url
	s.url += "/lims"
	if a := s.do("GET", "/users/current", ""); a.status != http.StatusOK || !strings.Contains(a.text, nodetest.Issuer+"/lims"+prefix+"/users/current") {
		t.Errorf("%d %s", a.status, a.text)
	}
	if here.status != http.StatusNotFound {
		t.Errorf("%s: %d", there, here.status)
	}
}

func TestAnEscapedPrefixIsTheSame(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/%40%40API/senaite/v1/users/current", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		t.Errorf("%d", response.StatusCode)
	}
}
