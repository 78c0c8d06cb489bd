package browsertest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// session returns the cookie of the session.
func (b *tab) session() *network.Cookie {
	b.t.Helper()
	cookies := get(b, func(ctx context.Context, _ *chromedp.Target) ([]*network.Cookie, error) {
		got, err := chromedp.Call(ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{b.base}})
		return got.Cookies, err
	})
	for _, c := range cookies {
		if c.Name == "bearerd_session" {
			return c
		}
	}
	return nil
}

// outside sends a request as no page of ours does, and returns the status.
func outside(t *testing.T, method, path string, form url.Values, change func(*http.Request)) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, live.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	change(r)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	return res.StatusCode
}

func TestALostSessionLeadsBackToWhereOneWas(t *testing.T) {
	t.Parallel()
	b := newTab(t, live.url)
	b.open("/auth/device?user_code=ABCD-EFGH")
	b.at("/auth/login?next=%2Fauth%2Fdevice%3Fuser_code%3DABCD-EFGH")
	b.fill("#username", "gus")
	b.fill("#password", password)
	b.want(b.follow("Sign in"), 404)
	b.at("/auth/device?user_code=ABCD-EFGH")

	b.open("/auth/tokens")
	b.makeToken("kept")
	b.open("/auth/tokens")
	b.follow("Revoke kept")
	page := b.path()
	cookie := b.session()
	if cookie == nil || !cookie.HTTPOnly || cookie.SameSite != network.CookieSameSiteLax {
		t.Fatalf("the cookie is %+v", cookie)
	}
	outside(t, http.MethodPost, "/auth/logout", nil, func(r *http.Request) {
		r.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	})
	b.want(b.follow("Revoke it"), 200)
	b.shows("Your session has ended. Sign in to continue.")
	b.signIn("gus")
	b.at(page)
	b.shows("Revoke “kept”?")
}

func TestOneIsNeverLedElsewhere(t *testing.T) {
	t.Parallel()
	b := newTab(t, live.url)
	for _, next := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "/%09/evil.example", "javascript:alert(1)"} {
		b.open("/auth/login?next=" + url.QueryEscape(next))
		b.signIn("hal")
		b.at("/auth/tokens")
	}
}

func TestSigningOutEndsTheSession(t *testing.T) {
	t.Parallel()
	b := newTab(t, live.url)
	b.signIn("hal")
	cookie := b.session()
	b.want(b.click("header form.who button"), 200)
	b.at("/auth/login?notice=signed-out")
	b.shows("You are signed out.")
	if b.session() != nil {
		t.Error("the cookie stays")
	}
	b.back()
	b.await(`location.pathname === "/auth/login"`)
	b.open("/auth/tokens")
	b.at("/auth/login?next=%2Fauth%2Ftokens")
	status := outside(t, http.MethodGet, "/auth/tokens", nil, func(r *http.Request) {
		r.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	})
	if status != http.StatusSeeOther {
		t.Errorf("the old cookie: %d", status)
	}
}

// TestTheWayBackAfterSigningOutShowsNothing has no script that could ask again: the
// browser itself must have kept nothing of the page.
func TestTheWayBackAfterSigningOutShowsNothing(t *testing.T) {
	t.Parallel()
	b := newTab(t, live.url)
	b.script(false)
	b.signIn("pam")
	b.makeToken("pam's own")
	b.open("/auth/tokens")
	b.shows("pam's own")
	b.want(b.click("header form.who button"), 200)
	b.back()
	b.at("/auth/login?next=%2Fauth%2Ftokens")
	b.without("pam's own", "Sign out")
}

func TestTooManyAttemptsAreToldSo(t *testing.T) {
	t.Parallel()
	b := newTab(t, live.url)
	for range 3 {
		b.open("/auth/login")
		b.fill("#username", "fay")
		b.fill("#password", "a guess")
		b.want(b.follow("Sign in"), 401)
		b.shows("Wrong username or password.")
	}
	b.fill("#password", password)
	b.want(b.follow("Sign in"), 429)
	b.shows("Too many failed sign-ins to this account from this address. Try again in ")
	if got := eval[string](b, `document.querySelector("#username").value + document.querySelector("#password").value`); got != "fay" {
		t.Errorf("the form comes back with %q", got)
	}
}

func TestADeviceIsLetIn(t *testing.T) {
	t.Parallel()
	b := newTab(t, live.url)
	start := shell(t, `curl -s -d client_id=tv -d scope=read "`+live.url+`/oauth2/device_authorization"`)
	device, user := member(t, start, "device_code"), member(t, start, "user_code")
	b.open("/auth/device")
	b.signIn("dora")
	b.fill("#user_code", user)
	b.want(b.follow("Continue"), 200)
	b.shows("Connect this device?", "tv asks to act as dora", user, "Read specimens")
	b.want(b.follow("Connect"), 200)
	b.shows("Device connected")
	got := shell(t, `curl -s -d client_id=tv -d device_code=`+device+
		` -d grant_type=urn:ietf:params:oauth:grant-type:device_code "`+live.url+`/oauth2/token"`)
	if curl(t, member(t, got, "access_token")) != "200" {
		t.Errorf("the device got %s", got)
	}
}

func TestADisabledUserIsOutAtOnce(t *testing.T) {
	t.Parallel()
	user, root := newTab(t, live.url), newTab(t, live.url)
	user.signIn("cleo")
	value := user.makeToken("cleo's")
	user.open("/auth/tokens")

	root.open("/auth/admin/users?q=cleo")
	root.signIn("root")
	root.follow("cleo")
	root.shows("cleo's", "Permissions, and where they come from", "the group curators", "curator")
	root.follow("Disable…")
	root.shows("All their tokens and sessions are revoked at once")
	user.do(chromedp.Reload())
	user.at("/auth/tokens")
	root.want(root.follow("Disable"), 200)
	root.shows("Saved. It applies on every node.", "disabled")

	if got := curl(t, value); got != "401" {
		t.Errorf("the token of the disabled user: %s", got)
	}
	user.do(chromedp.Reload())
	user.shows("Your session has ended. Sign in to continue.")
	user.fill("#username", "cleo")
	user.fill("#password", password)
	user.want(user.follow("Sign in"), 401)
	root.open("/auth/admin/audit?action=user.disable&actor=root&target=cleo")
	root.shows("user.disable", "root", "cleo")
}

func TestOtherSitesCanNeitherFrameNorPost(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /frame", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`<!doctype html><title>x</title><iframe src="` + live.url + `/auth/tokens"></iframe>`))
	})
	mux.HandleFunc("GET /post", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`<!doctype html><title>x</title><main><form method="post" action="` + live.url +
			`/auth/tokens"><input name="name" value="planted"><button>Win a prize</button></form></main>`))
	})
	other := httptest.NewServer(mux)
	t.Cleanup(other.Close)
	b := newTab(t, live.url)
	b.signIn("lou")
	b.knows(other.URL, "frame-ancestors", "ERR_BLOCKED_BY_RESPONSE")
	get(b, chromedp.NavigateResponse(other.URL+"/frame"))
	if got := eval[bool](b, `document.querySelector("iframe").contentDocument === null`); !got {
		t.Error("the frame shows a page of its own origin")
	}
	if !b.complained("frame-ancestors") {
		t.Error("the browser let the page be framed")
	}
	get(b, chromedp.NavigateResponse(other.URL+"/post"))
	b.want(b.follow("Win a prize"), 403)
	b.open("/auth/tokens")
	b.shows("No tokens yet")
	b.without("planted")
	status := outside(t, http.MethodPost, "/auth/tokens", url.Values{"name": {"planted"}}, func(r *http.Request) {
		c := b.session()
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		r.Header.Set("Origin", "https://evil.example")
	})
	if status != http.StatusForbidden {
		t.Errorf("a POST of another origin: %d", status)
	}
}
