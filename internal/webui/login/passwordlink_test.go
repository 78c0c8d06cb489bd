package login_test

import (
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/webui/webuitest"

	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

var linkURL = regexp.MustCompile(`http://localhost:8080/auth/password-link#(bdl_[A-Z2-7]+)`)

// An administrator's page creates a link; its page sets the password, with a link or the
// part of it behind the #, and nothing is sent to a log.
func TestAPasswordIsSetByALink(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	s.User(t, "root", "power to root", nodetest.Admin())
	admin, b := s.SignedIn(t, "root", "power to root"), s.Ada(t)
	create := func() (whole, secret string) {
		t.Helper()
		page := admin.Submit(t, "/auth/admin/users/ada", "do", "password-link").Is(http.StatusCreated, "Copy it now", "A newer link ends this one")
		found := linkURL.FindStringSubmatch(page.Body)
		if found == nil {
			t.Fatal(page.Body)
		}
		return found[0], found[1]
	}
	whole, secret := create()
	anybody := s.Browser(t)
	anybody.Get(t, "/auth/password-link").Is(http.StatusOK, "data-fragment", `autocomplete="new-password"`)
	set := func(link, password string) *edgetest.Answer {
		return anybody.Submit(t, "/auth/password-link", "link", link, "password", password)
	}
	set("", "").Is(http.StatusBadRequest, "Paste the link that you were sent.", "Enter the new password.")
	set(whole, "short").Is(http.StatusBadRequest, "fewer than 8 characters", `value="`+secret+`"`).Lacks(`value="short"`)
	set(" "+whole+"\n", "a new password").Leads("/auth/login?notice=password")
	set(whole, "battery staple").Is(http.StatusNotFound, "used already", "Ask an administrator").Lacks(secret)
	b.Get(t, "/auth/tokens").Is(http.StatusSeeOther)
	s.SignedIn(t, "ada", "a new password")
	_, secret = create()
	set(secret, "battery staple").Leads("/auth/login?notice=password")
	s.SignedIn(t, "ada", "battery staple")
	anybody.Do(t, "POST", "/auth/password-link", edgetest.Form("link", secret, "password", "battery staple"),
		edgetest.Header("Content-Type", edgetest.TypeForm), edgetest.Header("Origin", "https://evil.example")).Is(http.StatusForbidden)

	s.Advance(16 * time.Minute)
	admin.Submit(t, "/auth/admin/users/ada", "do", "password-link").Leads("/auth/login?again=true&next=%2Fauth%2Fadmin%2Fusers%2Fada&notice=again")
}
