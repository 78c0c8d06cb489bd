package browsertest_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

const anotherPassword = "grèen#wörd wombat" // #nosec G101 -- of this test alone

func TestAPasswordIsChangedByKeyboard(t *testing.T) {
	t.Parallel()
	b, other := newTab(t, live.url), newTab(t, live.url)
	other.open("/auth/tokens")
	other.signIn("quy")
	b.open("/auth/account")
	b.signIn("quy")
	b.at("/auth/account")
	b.shows("quy Example", "curators", "Chrome on Linux", "this session")
	before := b.session().Value
	b.tabTo(`e.id === "current_password"`)
	b.keys(password)
	b.tabTo(`e.id === "password"`)
	b.keys(anotherPassword)
	b.tabTo(`e.textContent === "Show"`)
	b.keys(kb.Enter)
	if !eval[bool](b, `document.querySelector("#password").type === "text" && document.activeElement.ariaPressed === "true"`) {
		t.Error("the new password isn't shown")
	}
	b.tabTo(`e.textContent === "Change password"`)
	b.want(b.enter(), 200)
	b.shows("Your password is changed")
	if b.session().Value == before {
		t.Error("the session is the one of before")
	}
	b.want(b.open("/auth/tokens"), 200)
	b.at("/auth/tokens")
	other.open("/auth/tokens")
	other.at("/auth/login?next=%2Fauth%2Ftokens&notice=ended")
}

func TestTheAccountPageWithoutScript(t *testing.T) {
	t.Parallel()
	b, other := newTab(t, live.url), newTab(t, live.url)
	b.script(false)
	other.open("/auth/tokens")
	other.signIn("ria")
	b.open("/auth/account")
	b.signIn("ria")
	if eval[bool](b, `!!document.querySelector("button[data-shows]:not([hidden])")`) {
		t.Error("a button that needs the script shows without it")
	}
	b.fill("#current_password", "not the password")
	b.fill("#password", anotherPassword)
	b.want(b.follow("Change password"), 403)
	b.shows("The current password is wrong.")
	b.without("not the password", anotherPassword)
	b.tellsBeside("#current_password")
	b.want(b.follow("End all other sessions"), 200)
	b.shows("All your other sessions are ended.")
	other.open("/auth/tokens")
	other.at("/auth/login?next=%2Fauth%2Ftokens&notice=ended")
	b.fill("#current_password", password)
	b.fill("#password", anotherPassword)
	b.want(b.follow("Change password"), 200)
	b.shows("Your password is changed")
}

var linkURL = regexp.MustCompile(`^http://[^#]+/auth/password-link#(bdl_[A-Z2-7]+)$`)

// passwordLink creates a link for a user, as an administrator does.
func passwordLink(t *testing.T, username string) (path, secret string) {
	t.Helper()
	b := newTab(t, live.url)
	b.open("/auth/admin/users/" + username)
	b.signIn("root")
	b.want(b.follow("Create a link to set a password"), 201)
	found := linkURL.FindStringSubmatch(eval[string](b, `document.querySelector("#value").textContent`))
	if found == nil {
		t.Fatal(b.look())
	}
	return strings.TrimPrefix(found[0], live.url), found[1]
}

// A link fills the form in, leaves the address bar, and is sent nowhere but with the form;
// without the script it is pasted.
func TestAPasswordIsSetByALink(t *testing.T) {
	t.Parallel()
	path, secret := passwordLink(t, "sam")
	b := newTab(t, live.url)
	b.open(path)
	b.await(`location.hash === ""`)
	if eval[bool](b, `document.querySelector("#link").checkVisibility()`) {
		t.Error("the secret can be read on the page")
	}
	for _, entry := range b.history() {
		if strings.Contains(entry, secret) {
			t.Errorf("the history has %s", entry)
		}
	}
	b.fill("#password", "short")
	b.want(b.follow("Set password"), 400)
	b.shows("fewer than 8 characters")
	b.fill("#password", anotherPassword)
	b.want(b.follow("Set password"), 200)
	b.at("/auth/login?notice=password")
	b.shows("The password is set.")

	path, other := passwordLink(t, "sam")
	b.script(false)
	b.open(path)
	b.fill("#link", live.url+path)
	b.fill("#password", password)
	b.want(b.follow("Set password"), 200)
	b.signIn("sam")
	b.at("/auth/tokens")
	if log := live.log.String(); strings.Contains(log, secret) || strings.Contains(log, other) {
		t.Error("the log has the secret of a link")
	}
}
