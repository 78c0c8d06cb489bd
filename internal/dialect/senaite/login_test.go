package senaite_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/verification"

	"github.com/bearerd/bearerd/internal/dialect/senaite"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

func inQuery(d *senaite.Dialect) { d.LoginInQuery = true }

func TestLoginByEveryDoor(t *testing.T) {
	t.Parallel()
	closed, open := newSite(t), newSite(t, inQuery)
	in := form("ada", password)
	for name, a := range map[string]answer{
		"POST form":                  closed.do("POST", "/login", in),
		"POST form, charset":         closed.do("POST", "/login", in, contentType(typeForm+"; charset=utf-8")),
		"POST JSON":                  closed.do("POST", "/login", `{"__ac_name":"ada","__ac_password":"`+password+`"}`, contentType(typeJSON)),
		"POST Basic":                 closed.do("POST", "/login", "", basic("ada", password)),
		"GET Basic":                  closed.do("GET", "/login", "", basic("ada", password)),
		"users/login":                closed.do("POST", "/users/login", in),
		"GET users/login":            closed.do("GET", "/users/login", "", basic("ada", password)),
		"GET query, where allowed":   open.do("GET", "/login?"+in, ""),
		"POST query, where allowed":  open.do("POST", "/login?"+in, ""),
		"POST form, where allowed":   open.do("POST", "/login", in),
		"a name in the query alone":  open.do("POST", "/login?__ac_name=ada", "__ac_password=correct+horse"),
		"with a token that is dead":  closed.do("POST", "/login", in, bearer("junk")),
		"with a cookie that is dead": closed.do("POST", "/login", in, cookie("junk")),
		"with a header that is dead": closed.do("POST", "/login", in, jwtHeader("junk")),
	} {
		if a.status != http.StatusOK {
			t.Errorf("%s: %d %s", name, a.status, a.text)
			continue
		}
		got := decode[loggedIn](t, a)
		if got.Count != 1 || len(got.Items) != 1 || got.Items[0].Username != "ada" || !got.Items[0].Authenticated ||
			got.URL != nodetest.Issuer+prefix+"/users" || got.Runtime == nil {
			t.Errorf("%s: %s", name, a.text)
		}
		c := a.cookies["token"]
		if c == nil || c.Value != got.Token || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.MaxAge > 1799 || c.MaxAge < 1790 {
			t.Errorf("%s: cookie %v", name, c)
		}
		if a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", name, a.header)
		}
	}
}

func TestLoginAnswersATokenWithItsExpiry(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	got := decode[loggedIn](t, s.do("POST", "/login", form("ada", password)))
	token, err := s.Verify(t.Context(), got.Token, verification.Requirements{})
	if err != nil || token.Username != "ada" || token.Expiry.Unix() != got.Expires || len(token.Scope) != 0 {
		t.Errorf("%+v, %v; expires %d", token, err, got.Expires)
	}
	if life := token.Expiry.Sub(token.IssuedAt); life != 30*time.Minute {
		t.Errorf("it lives %v", life)
	}
}

func TestLoginCookieIsSecureForHTTPS(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(d *senaite.Dialect) { d.Cookies = httpkit.NewCookies("https://lims.example.org") })
	if c := s.do("POST", "/login", form("ada", password)).cookies["token"]; c == nil || !c.Secure {
		t.Errorf("%v", c)
	}
}

func TestLoginIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, c := range map[string]struct {
		method, query, body string
		options             []option
		status              int
	}{
		"nothing":                     {"POST", "", "", nil, 400},
		"nothing, by GET":             {"GET", "", "", nil, 400},
		"no password":                 {"POST", "", "__ac_name=ada", nil, 400},
		"no name":                     {"POST", "", "__ac_password=x", nil, 400},
		"an empty password":           {"POST", "", "__ac_name=ada&__ac_password=", nil, 400},
		"an empty name":               {"POST", "", "__ac_name=&__ac_password=x", nil, 400},
		"null":                        {"POST", "", `{"__ac_name":null,"__ac_password":"x"}`, []option{contentType(typeJSON)}, 400},
		"a list":                      {"POST", "", `{"__ac_name":["ada"],"__ac_password":"x"}`, []option{contentType(typeJSON)}, 400},
		"a repeated name":             {"POST", "", form("ada", password) + "&__ac_name=root", nil, 400},
		"a repeated password":         {"POST", "", form("ada", password) + "&__ac_password=x", nil, 400},
		"not UTF-8":                   {"POST", "", "__ac_name=%ff&__ac_password=x", nil, 400},
		"a NUL":                       {"POST", "", "__ac_name=a%00&__ac_password=x", nil, 400},
		"another type":                {"POST", "", "<a/>", []option{contentType("text/xml")}, 400},
		"no JSON":                     {"POST", "", "{", []option{contentType(typeJSON)}, 400},
		"huge":                        {"POST", "", form("ada", strings.Repeat("x", 70_000)), nil, 413},
		"a wrong password":            {"POST", "", form("ada", "x"), nil, 401},
		"somebody unknown":            {"POST", "", form("nobody", password), nil, 401},
		"an unknown name in capitals": {"POST", "", form("NOBODY", password), nil, 401},
		"in the URL":                  {"GET", "?" + form("ada", password), "", nil, 400},
		"in the URL of a POST":        {"POST", "?" + form("ada", password), "", nil, 400},
		"the name in the URL":         {"POST", "?__ac_name=ada", form("ada", password), nil, 400},
		"a wrong Basic":               {"GET", "", "", []option{basic("ada", "x")}, 401},
		"an unknown Basic":            {"GET", "", "", []option{basic("nobody", "x")}, 401},
		"an empty Basic":              {"GET", "", "", []option{basic("", "")}, 401},
		"Basic that is no base64":     {"GET", "", "", []option{header("Authorization", "Basic ???")}, 400},
		"Basic without a colon":       {"GET", "", "", []option{header("Authorization", "Basic YWRh")}, 400},
		"two Authorization headers":   {"GET", "", "", []option{basic("ada", password), bearer("x")}, 400},
		"a wrong Basic, a good form":  {"POST", "", form("ada", password), []option{basic("ada", "x")}, 401},
		"a bad token alone":           {"GET", "", "", []option{bearer("junk")}, 401},
		"a bad cookie alone":          {"POST", "", "", []option{cookie("junk")}, 401},
		"a good token, half a form":   {"POST", "", "__ac_name=ada", []option{bearer(s.login("ada"))}, 400},
		"Basic and another's form":    {"POST", "", form("root", password), []option{basic("ada", password)}, 400},
		"another site, a cookie":      {"GET", "", "", append([]option{cookie(s.login("ada"))}, foreign...), 403},
		"another site, a session":     {"GET", "", "", append([]option{s.session("ada")}, foreign...), 403},
		"no session any more":         {"GET", "", "", []option{header("Cookie", "bearerd_session=bds_junk")}, 400},
		"a query that isn't UTF-8":    {"GET", "?x=%ff", "", []option{}, 400},
		"JSON that says it is a form": {"POST", "", `{"__ac_name":"ada"}`, nil, 400},
	} {
		s.do(c.method, "/login"+c.query, c.body, c.options...).refused(t, name, c.status)
	}
}

func TestLoginInQueryIsStrictToo(t *testing.T) {
	t.Parallel()
	s := newSite(t, inQuery)
	in := form("ada", password)
	for name, c := range map[string]struct {
		method, query, body string
		status              int
	}{
		"twice in the query":        {"GET", "?" + in + "&__ac_name=ada", "", 400},
		"in the query and the body": {"POST", "?" + in, in, 400},
		"no password":               {"GET", "?__ac_name=ada", "", 400},
		"a wrong password":          {"GET", "?" + form("ada", "x"), "", 401},
	} {
		s.do(c.method, "/login"+c.query, c.body).refused(t, name, c.status)
	}
}

func TestAnotherSiteLogsNobodyIn(t *testing.T) {
	t.Parallel()
	s := newSite(t, inQuery)
	none := newSite(t, func(d *senaite.Dialect) { d.CrossOrigin = nil })
	answers := []answer{none.do("POST", "/login", form("ada", password))}
	for _, o := range foreign {
		answers = append(answers,
			s.do("POST", "/login", form("ada", password), o), s.do("GET", "/login?"+form("ada", password), "", o),
			s.do("GET", "/login", "", basic("ada", password), o))
	}
	for i, a := range answers {
		if a.status != http.StatusOK || len(a.cookies) != 0 || decode[loggedIn](t, a).Token == "" {
			t.Errorf("%d: %d %v %s", i, a.status, a.cookies, a.text)
		}
	}
	for _, o := range []option{header("Sec-Fetch-Site", "same-origin"), header("Sec-Fetch-Site", "none"), header("Origin", nodetest.Issuer)} {
		if a := s.do("POST", "/login", form("ada", password), o); a.cookies["token"] == nil {
			t.Errorf("%d %s", a.status, a.text)
		}
	}
}

func TestLoginIsLimited(t *testing.T) {
	t.Parallel()
	s := newSiteWith(t, nodetest.Options{Settings: func(p *node.Settings) {
		p.Limits = identity.Limits{Account: 2, AccountTotal: 100, Address: 100, Window: 15 * time.Minute}
	}})
	s.do("POST", "/login", form("ada", "x")).refused(t, "a wrong password", 401)
	s.do("GET", "/auth", "", basic("ada", "x")).refused(t, "a wrong Basic, elsewhere", 401)
	for name, a := range map[string]answer{
		"the right password": s.do("POST", "/login", form("ada", password)),
		"the right Basic":    s.do("GET", "/users/current", "", basic("ada", password)),
	} {
		a.refused(t, name, 429)
		if a.header.Get("Retry-After") == "" {
			t.Errorf("%s: %v", name, a.header)
		}
	}
	if !s.alive(s.login("root")) {
		t.Error("somebody else is limited too")
	}
}

func TestADisabledUserHasAWrongPassword(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	yes := true
	if _, err := s.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	right, wrong := s.do("POST", "/login", form("ada", password)), s.do("POST", "/login", form("ada", "x"))
	right.refused(t, "the right password", 401)
	if right.text != wrong.text {
		t.Errorf("%s differs from %s", right.text, wrong.text)
	}
}
