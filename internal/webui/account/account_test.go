package account_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/webui/webuitest"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/signin"
)

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"

// The page changes a password; the browser stays signed in, and everything else is not.
func TestAccountPageChangesThePassword(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	b, elsewhere := s.Ada(t), s.Ada(t)
	before := b.Cookie(t, "bearerd_session")
	b.Get(t, "/auth/account").Is(http.StatusOK, "ada Example", "ada@example.org", `autocomplete="current-password"`, "this session", `href="/auth/account" aria-current="page"`)
	change := func(current, to string) *edgetest.Answer {
		return b.Submit(t, "/auth/account", "do", "password", "current_password", current, "password", to)
	}
	change("", "battery staple").Is(http.StatusBadRequest, "Enter your current password.")
	change("correct horse", "").Is(http.StatusBadRequest, "Enter the new password.")
	change("wrong horse", "battery staple").Is(http.StatusForbidden, "The current password is wrong.").Lacks("battery staple", "wrong horse")
	change("correct horse", "short").Is(http.StatusBadRequest, "fewer than 8 characters")
	change("correct horse", "battery staple").Leads("/auth/account?notice=password-changed")
	if after := b.Cookie(t, "bearerd_session"); after == before {
		t.Error("the session is the old one")
	}
	b.Get(t, "/auth/account?notice=password-changed").Is(http.StatusOK, "Your password is changed")
	elsewhere.Get(t, "/auth/account").Leads("/auth/login?next=%2Fauth%2Faccount&notice=ended")
	s.SignedIn(t, "ada", "battery staple")

	for range 10 { // login.account_failures
		change("wrong horse", "a third horse")
	}
	change("battery staple", "a third horse").Is(http.StatusTooManyRequests, "Try again in 15 minutes.")
}

func TestAccountPageEndsSessions(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	phone := s.Browser(t)
	phone.Do(t, "POST", "/auth/login", edgetest.Form("username", "ada", "password", "correct horse"),
		edgetest.Header("User-Agent", firefox), edgetest.Header("Origin", nodetest.Issuer), edgetest.Header("Content-Type", edgetest.TypeForm)).Is(http.StatusSeeOther)
	b, other, eves := s.Ada(t), s.Ada(t), s.SignedIn(t, "eve", "battery staple")
	page := b.Get(t, "/auth/account").Is(http.StatusOK, "Firefox on Linux", "with a password")
	if n := strings.Count(page.Body, `value="end-session"`); n != 2 {
		t.Errorf("%d sessions can be ended", n)
	}
	evesID := regexp.MustCompile(`name="id" value="([^"]+)"`)
	c, err := s.Session(t.Context(), eves.Cookie(t, "bearerd_session"))
	nodetest.Must(t, err)
	b.Submit(t, "/auth/account", "do", "end-session", "id", c.TokenID()).Is(http.StatusNotFound, "There is no such session.")
	for _, found := range evesID.FindAllStringSubmatch(page.Body, 1) {
		b.Submit(t, "/auth/account", "do", "end-session", "id", found[1]).Leads("/auth/account?notice=session-ended")
	}
	b.Submit(t, "/auth/account", "do", "end-others").Leads("/auth/account?notice=sessions-ended")
	b.Submit(t, "/auth/account", "do", "end-others").Leads("/auth/account?notice=sessions-ended")
	b.Get(t, "/auth/account").Is(http.StatusOK).Lacks("end-session", "end-others")
	for _, one := range []*edgetest.Site{phone, other} {
		one.Get(t, "/auth/tokens").Is(http.StatusSeeOther)
	}
	eves.Get(t, "/auth/tokens").Is(http.StatusOK)
}

// Who signs in by a source has no form for a password, sees their links, and connects
// another source from here.
func TestAccountPageOfSomebodyWithoutAPassword(t *testing.T) {
	t.Parallel()
	m := webuitest.NewMuseum(t, signin.Source{Create: true})
	b := m.Browser(t)
	webuitest.Post(t, b, m.Assert(m.Begin(t, b, "/auth/sign-in/museum"), nil)).Is(http.StatusSeeOther)
	b.Get(t, "/auth/account").Is(http.StatusOK, "You have no password here. You sign in with <strong>Museum</strong>", "with Museum", "maintained by <strong>museum</strong>").
		Lacks(`name="current_password"`, "Connect ", "Disconnect")
	b.Submit(t, "/auth/account", "do", "password", "current_password", "x", "password", "battery staple").Is(http.StatusConflict, "There is no password to change")

	ada := m.Ada(t)
	ada.Get(t, "/auth/account").Is(http.StatusOK, `href="/auth/sign-in/museum/link?next=%2Fauth%2Faccount"`, "Connect Museum").Lacks("Connect Single sign-on")
	_, err := m.LinkUser(t.Context(), caller.Operator(), "ada", "museum", "<b>9</b>")
	nodetest.Must(t, err)
	ada.Get(t, "/auth/account").Is(http.StatusOK, "&lt;b&gt;9&lt;/b&gt;", "Disconnect").Lacks("Connect Museum")
	form := []string{"do", "unlink", "source", "museum", "external_id", "<b>9</b>", "title", "Museum"}
	ada.Submit(t, "/auth/account", form...).Is(http.StatusOK, "Disconnect Museum?")
	ada.Submit(t, "/auth/account", append(form, "confirm", "yes")...).Leads("/auth/account?notice=disconnected")
	links, err := m.Store.Links(t.Context(), records.LinkQuery{Source: "museum"})
	if err != nil || len(links) != 1 || links[0].ExternalID != "7" {
		t.Errorf("%v, %v", links, err)
	}
}

// What needs a recent sign-in leads to the sign-in page and back, with what was typed.
func TestWhatIsTooOldLeadsToSigningInAgainAndBack(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	b := s.Ada(t)
	b.Submit(t, "/auth/tokens", "name", "laptop", "scope", "read", "scope", "write").Is(http.StatusCreated)
	list, err := s.TokenList(t.Context(), caller.Operator(), records.TokenQuery{Limit: 10})
	nodetest.Must(t, err)
	s.Advance(16 * time.Minute)
	again := func(a *edgetest.Answer, back string) {
		t.Helper()
		at, err := url.Parse(a.Header.Get("Location"))
		if err != nil || a.Status != http.StatusSeeOther || at.Path != "/auth/login" || at.Query().Get("next") != back || at.Query().Get("again") != "true" {
			t.Errorf("%d, leads to %s, want back to %s", a.Status, a.Header.Get("Location"), back)
		}
		b.Get(t, a.Header.Get("Location")).Is(http.StatusOK, "For this, sign in again", `name="password"`)
	}
	back := "/auth/tokens/new?expires=604800&name=x+%26+y&scope=credentials&scope=read"
	again(b.Submit(t, "/auth/tokens", "name", "x & y", "scope", "credentials", "scope", "read", "expires", "604800"), back)
	again(b.Submit(t, "/auth/account", "do", "password", "current_password", "correct horse", "password", "battery staple"), "/auth/account")
	for _, one := range list.Items {
		if one.Name == "laptop" {
			again(b.Get(t, "/auth/tokens/"+one.ID+"/regenerate"), "/auth/tokens/"+one.ID+"/regenerate")
			again(b.Submit(t, "/auth/tokens/"+one.ID+"/regenerate"), "/auth/tokens/"+one.ID+"/regenerate")
			smaller := "/auth/tokens/" + one.ID + "/smaller"
			again(b.Submit(t, smaller, "scope", "read", "overlap", "60"), smaller)
			b.Get(t, smaller).Leads("/auth/tokens/" + one.ID + "/uses")
		}
	}
	b.Submit(t, "/auth/login", "username", "ada", "password", "correct horse", "next", back).Leads(back)
	b.Get(t, back).Is(http.StatusOK, `value="x &amp; y"`, `name="scope" value="credentials" checked`, `value="604800" checked`, `value="read"`).Lacks("No token was created")
	b.Submit(t, "/auth/tokens", "name", "x & y", "scope", "credentials", "scope", "read", "expires", "604800").Is(http.StatusCreated)
	b.Do(t, "POST", "/auth/account", edgetest.Form("do", "x"), edgetest.Header("Content-Type", edgetest.TypeForm), edgetest.Header("Origin", "https://evil.example")).Is(http.StatusForbidden)
}
