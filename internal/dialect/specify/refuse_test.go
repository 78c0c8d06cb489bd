package specify_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/dialect/specify"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

const good = "username=ada&password=correct+horse&collectionid=4"

// issued lists the tokens that were made.
func (s *site) issued() int {
	s.t.Helper()
	events := s.Events(s.t, audit.Filter{Action: audit.TokenIssue})
	return len(slices.DeleteFunc(events, func(e audit.Event) bool { return e.Outcome != audit.OK }))
}

func TestBadFormsGiveNoToken(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	for _, body := range []string{
		"", "username=ada", "username=&password=x&collectionid=4", "username=ada&password=&collectionid=4", "username=ada&password=x&collectionid=",
		good + "&username=ada", good + "&collectionid=4", good + "&expires=60&expires=60",
		"username=%ff&password=x&collectionid=4", "username=ada&password=%ff&collectionid=4", "username=a%00&password=x&collectionid=4", "username=%zz&password=x&collectionid=4",
		strings.Replace(good, "collectionid=4", "collectionid=x", 1), strings.Replace(good, "collectionid=4", "collectionid=-4", 1),
		strings.Replace(good, "collectionid=4", "collectionid=04", 1), strings.Replace(good, "collectionid=4", "collectionid=%2B4", 1),
		strings.Replace(good, "collectionid=4", "collectionid=4.0", 1), strings.Replace(good, "collectionid=4", "collectionid=99999999999999999999", 1),
	} {
		s.send("POST", tokenPath, body, header("Content-Type", formType)).is(t, 400)
	}
	for _, expires := range []string{"0", "-1", "%2B300", "+300", "3e2", "1.5", "true", "", "0300", "999999999999999999", "9999999999999999999", "3601", "0x10", "٣٠٠"} {
		s.send("POST", tokenPath, good+"&expires="+expires).is(t, 400)
	}
	for _, body := range []string{
		`{}`, `[]`, `null`, `{`, `"x"`, `{"username":"ada","password":"correct horse","collectionid":[4]}`, `{"username":["ada"],"password":"x","collectionid":4}`,
		`{"username":"ada","password":{},"collectionid":4}`, `{"username":"ada","password":"correct horse","collectionid":null}`, `{"username":"ada","username":"ada","password":"correct horse","collectionid":4}`,
		`{"username":"ada","password":"correct horse","collectionid":4.0}`, `{"username":"ada","password":"correct horse","collectionid":4,"expires":""}`,
		`{"username":"ada","password":"correct horse","collectionid":4,"expires":true}`, "{\"username\":\"\xff\"}", `{"username":"ada","password":"correct horse","collectionid":4} x`,
	} {
		s.send("POST", tokenPath, body, jsonBody()).is(t, 400)
	}
	for _, contentType := range []string{"text/plain", "multipart/form-data; boundary=x", "", "application/xml"} {
		s.send("POST", tokenPath, good, header("Content-Type", contentType)).is(t, 400)
	}
	s.send("POST", tokenPath, good+"&pad="+strings.Repeat("x", httpkit.MaxBody)).is(t, 413)
	s.send("POST", tokenPath+"?"+good, "").is(t, 400) // never in the query
	if n := s.issued(); n != 0 {
		t.Errorf("%d tokens were made", n)
	}
	for _, body := range []string{good + "&expires=3600", good + "&unknown=ignored", good + "&empty="} {
		s.send("POST", tokenPath, body).is(t, 200)
	}
	s.send("POST", tokenPath, `{"username":"ada","password":"correct horse","collectionid":"4","expires":null}`, jsonBody()).is(t, 200)
}

func TestBadBodiesDoNotSignIn(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	for _, body := range []string{
		``, `{}`, `[]`, `null`, `{`, `{"username":"ada","password":"correct horse"}`, `{"username":"ada","collection":4}`, `{"password":"correct horse","collection":4}`,
		`{"username":null,"password":null}`, `{"username":7,"password":"correct horse","collection":4}`, `{"username":"ada","password":["correct horse"],"collection":4}`,
		`{"username":"ada","password":"correct horse","collection":"4"}`, `{"username":"ada","password":"correct horse","collection":4.5}`,
		`{"username":"ada","password":"correct horse","collection":99999999999999999999}`, `{"username":"ada","password":"correct horse","collection":true}`,
		`{"username":"ada","password":"correct horse","collection":4,"collection":4}`, `{"username":"ada","password":"correct horse","collection":4,"next":"/"}`,
		`{"Username":"ada","password":"correct horse","collection":4}`, "{\"username\":\"\xff\",\"password\":\"x\",\"collection\":4}",
		`{"username":"ada","password":"correct horse","collection":-4}`,
	} {
		a := s.send("PUT", loginPath, body, csrf(""), jsonBody())
		if a.status != 400 || len(a.cookies) != 0 {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	s.send("PUT", loginPath, good, csrf("")).is(t, 400)
	s.send("PUT", loginPath, `{"username":"`+strings.Repeat("x", httpkit.MaxBody)+`"}`, csrf(""), jsonBody()).is(t, 413)
	for _, body := range []string{`{"username":"","password":"","collection":4}`, `{"username":"ada","password":"","collection":4}`} {
		s.send("PUT", loginPath, body, csrf(""), jsonBody()).is(t, 403)
	}
	if n := s.issued(); n != 0 {
		t.Errorf("%d sessions were made", n)
	}
}

func TestBadBodiesRevokeNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	by := bearer(s.AccessToken(t, "root", password).Value.Reveal())
	value := s.AccessToken(t, "ada", password).Value.Reveal()
	for _, body := range []string{"", "access_token=", "token=" + value, "access_token=" + value + "&access_token=" + value, "access_token=%ff", "access_token=" + strings.Repeat("x", 9<<10), "access_token=a.b.c"} {
		s.send("POST", revPath, body, by, header("Content-Type", formType)).is(t, 400)
	}
	for _, body := range []string{`{}`, `{"access_token":7}`, `{"access_token":["` + value + `"]}`, `[]`, `null`} {
		s.send("POST", revPath, body, by, jsonBody()).is(t, 400)
	}
	s.send("POST", revPath, "access_token="+strings.Repeat("x", httpkit.MaxBody), by).is(t, 413)
	s.send("POST", revPath+"?access_token="+value, "", by).is(t, 400)
	s.send("GET", loginPath, "", bearer(value)).is(t, 200)
	s.send("POST", revPath, `{"access_token":"`+value+`"}`, by, jsonBody()).is(t, 204)
	s.send("GET", loginPath, "", bearer(value)).is(t, 401)
}

func TestAuthorizationHeaderIsReadStrictly(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	value := s.AccessToken(t, "ada", password).Value.Reveal()
	for name, change := range map[string]option{
		"two headers":     func(r *http.Request) { r.Header["Authorization"] = []string{"Bearer " + value, "Bearer " + value} },
		"empty":           header("Authorization", "Bearer "),
		"more than 8 KiB": bearer(strings.Repeat("x", 8<<10+1)),
		"no b64token":     bearer("a b"),
	} {
		for method, path := range map[string]string{"GET": loginPath, "POST": tokenPath, "PUT": loginPath} {
			a := s.send(method, path, "", change)
			if a.status != 400 || !strings.Contains(a.header.Get("WWW-Authenticate"), `error="invalid_request"`) {
				t.Errorf("%s, %s: %d %q", name, method, a.status, a.header.Get("WWW-Authenticate"))
			}
		}
	}
	s.send("POST", tokenPath, good, header("Authorization", "Basic YTpi")).is(t, 200)
}

func TestBadTokenIsRefusedOnEveryRequest(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	for method, path := range map[string]string{"GET": loginPath, "PUT": loginPath, "POST": tokenPath} {
		s.send(method, path, good, bearer("junk")).is(t, 401)
	}
	s.send("POST", revPath, "access_token=x", bearer("junk")).is(t, 401)
	if n := s.issued(); n != 0 {
		t.Errorf("%d tokens were made", n)
	}
}

func TestCSRFTokenMustBeThere(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	const a, b = "AAAAAAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBBBBBB"
	body := `{"username":"ada","password":"correct horse","collection":4}`
	for name, tc := range map[string]struct {
		cookie string
		header []string
		status int
	}{
		"both":                  {"csrftoken=" + a, []string{a}, 204},
		"the same cookie twice": {"csrftoken=" + a + "; csrftoken=" + a, []string{a}, 204},
		"no cookie":             {"", []string{a}, 403},
		"no header":             {"csrftoken=" + a, nil, 403},
		"neither":               {"", nil, 403},
		"empty":                 {"csrftoken=", []string{""}, 403},
		"another":               {"csrftoken=" + a, []string{b}, 403},
		"other case":            {"csrftoken=" + a, []string{strings.ToLower(a)}, 403},
		"two cookies":           {"csrftoken=" + a + "; csrftoken=" + b, []string{a}, 403},
		"two headers":           {"csrftoken=" + a, []string{a, a}, 403},
		"too short":             {"csrftoken=AAAA", []string{"AAAA"}, 403},
		"too long":              {"csrftoken=" + strings.Repeat("A", 65), []string{strings.Repeat("A", 65)}, 403},
		"other characters":      {"csrftoken=AAAAAAAAAAAAAAAA.A", []string{"AAAAAAAAAAAAAAAA.A"}, 403},
	} {
		got := s.send("PUT", loginPath, body, jsonBody(), func(r *http.Request) {
			if tc.cookie != "" {
				r.Header.Set("Cookie", tc.cookie)
			}
			r.Header["X-Csrftoken"] = tc.header
		})
		if got.status != tc.status {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	kept := s.send("GET", loginPath, "", header("Cookie", "csrftoken="+a)).cookies["csrftoken"]
	made := s.send("GET", loginPath, "", header("Cookie", "csrftoken=x")).cookies["csrftoken"]
	if kept.Value != a || len(made.Value) < 26 || kept.HttpOnly {
		t.Errorf("kept %v, made %v", kept, made)
	}
}

func TestCookiesAreSecureUnlessOnLoopback(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	d := *s.Dialect
	d.Cookies = httpkit.NewCookies("https://id.example.org")
	url := edgetest.Serve(t, s.Time, &d).URL
	a := send(t, "PUT", url+loginPath, `{"username":"ada","password":"correct horse","collection":4}`, csrf(""), jsonBody())
	a.is(t, 204)
	for name, httpOnly := range map[string]bool{"sessionid": true, "collection": false, "csrftoken": false} {
		c := a.cookies[name]
		if c == nil || !c.Secure || c.HttpOnly != httpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" {
			t.Errorf("%s: %v", name, c)
		}
	}
}

func TestSessionRemembersItsCollection(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	a := s.send("PUT", loginPath, `{"username":"ada","password":"correct horse","collection":4}`, csrf(""), jsonBody())
	a.is(t, 204)
	c, err := s.Session(t.Context(), a.cookies["sessionid"].Value)
	if err != nil || c.Token.Collection == nil || *c.Token.Collection != 4 {
		t.Errorf("session: %+v, %v", c, err)
	}
	if got := a.cookies["sessionid"].MaxAge; got != int((12*time.Hour)/time.Second) {
		t.Errorf("the cookie lives for %d s", got)
	}
	s.send("PUT", loginPath, `{"username":null,"password":"x","collection":4}`, csrf(a.cookies["sessionid"].Value), jsonBody()).is(t, 204)
	if _, err := s.Session(t.Context(), a.cookies["sessionid"].Value); err == nil {
		t.Error("the session lives on after signing out")
	}
	s.send("PUT", loginPath, `{"username":null,"password":null,"collection":null}`, csrf("junk"), jsonBody()).is(t, 204)
}

func TestLoginCanBeLeftToTheApplication(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	d := *s.Dialect
	d.Login, d.SessionCookies = false, nil
	url := edgetest.Serve(t, s.Time, &d).URL
	for _, method := range []string{"GET", "PUT"} {
		if a := send(t, method, url+loginPath, ""); a.status != 404 {
			t.Errorf("%s: %d", method, a.status)
		}
	}
	a := send(t, "POST", url+tokenPath, good)
	a.is(t, 200)
	session := s.SessionToken(t, "ada", password).Value.Reveal()
	send(t, "POST", url+revPath, "access_token=x", csrf(session)).is(t, 403)
}

func TestZeroDialectDoesNothingByCookie(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	url := edgetest.Serve(t, s.Time, &specify.Dialect{SignIn: s.SignIn, Issuance: s.Dialect.Issuance, Revoker: s.Dialect.Revoker, Directory: s.Dialect.Directory, Login: true}).URL
	body := `{"username":"ada","password":"correct horse","collection":4}`
	send(t, "PUT", url+loginPath, body, csrf(""), jsonBody()).is(t, 403)
	d := *s.Dialect
	d.SessionCookies = nil
	send(t, "PUT", edgetest.Serve(t, s.Time, &d).URL+loginPath, body, csrf(""), jsonBody()).is(t, 403)
	if n := s.issued(); n != 0 {
		t.Errorf("%d sessions were made", n)
	}
}

func TestStoreOutOfReachIs503(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	session := s.SessionToken(t, "ada", password).Value.Reveal()
	if err := s.Store.Close(); err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]answer{
		"login form": s.send("GET", loginPath, ""),
		"login":      s.send("PUT", loginPath, `{"username":"ada","password":"correct horse","collection":4}`, csrf(""), jsonBody()),
		"token":      s.send("POST", tokenPath, good),
		"revoke":     s.send("POST", revPath, "access_token=x", csrf(session)),
	} {
		if a.status != 503 || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %v %s", name, a.status, a.header, a.body)
		}
	}
}
