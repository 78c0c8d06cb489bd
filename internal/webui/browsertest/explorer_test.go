package browsertest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
)

// wait waits until an expression of JavaScript is true.
func (b *tab) wait(expression string) {
	b.t.Helper()
	eval[bool](b, `new Promise((done) => { const look = () => (`+expression+`) ? done(true) : setTimeout(look, 20); look(); })`)
}

// explore opens the API explorer and waits until it shows everything.
func (b *tab) explore() {
	b.t.Helper()
	b.want(b.open("/auth/docs"), 200)
	b.wait(`document.querySelector("#explorer[data-ready] .opblock")`)
}

func TestTheExplorerShowsEveryOperation(t *testing.T) {
	t.Parallel()
	b := newTab(t, live.url)
	b.explore()
	want := eval[[]string](b, `fetch("/auth/openapi.json").then((r) => r.json()).then((d) => Object.entries(d.paths).flatMap(
		([path, item]) => Object.keys(item).filter((name) => name !== "parameters").map((method) => method.toUpperCase() + " " + path)))`)
	got := eval[[]string](b, `[...document.querySelectorAll(".opblock")].map((o) =>
		o.querySelector(".opblock-summary-method").textContent + " " + o.querySelector(".opblock-summary-path").dataset.path)`)
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || len(got) < 80 {
		t.Errorf("%d operations (-described +shown):\n%s", len(got), diff)
	}
	b.without("Failed to load", "Could not render", "Resolver error")
}

func TestEveryPageOfTheExplorerFits(t *testing.T) {
	t.Parallel()
	b := newTab(t, live.url)
	for name, look := range map[string]struct {
		width  int64
		scheme string
		judge  func(b *tab, look string)
	}{
		"explorer": {1280, "light", (*tab).barriers}, "explorer-dark": {1280, "dark", (*tab).colours},
		"explorer-phone": {360, "light", (*tab).room},
	} {
		b.device(look.width, look.scheme)
		b.explore()
		if *screenshots != "" {
			b.shootScreen(name)
		}
		look.judge(b, name)
		b.fits(name)
		b.press(".btn.authorize")
		b.wait(`document.querySelector(".dialog-ux")`)
		look.judge(b, name+", the dialog")
		b.fits(name + ", the dialog")
		b.press(".close-modal")
		b.press("#operations-users-updateUser .opblock-summary-control")
		b.press("#operations-users-updateUser .try-out__btn")
		b.wait(`document.querySelector("#operations-users-updateUser .execute")`)
		b.fits(name + ", opened")
		if *screenshots != "" {
			eval[bool](b, `document.querySelector("#operations-tag-users").scrollIntoView(), true`)
			b.shootScreen(name + "-try")
		}
	}
}

// try executes GET /auth/api/v1/me in the explorer, and returns the status and the body.
func (b *tab) try() (status, body string) {
	b.t.Helper()
	const me = "#operations-account-me "
	b.press(me + ".opblock-summary-control")
	b.press(me + ".try-out__btn")
	b.press(me + ".execute")
	b.wait(`document.querySelector("` + me + `.live-responses-table .response")`)
	status = eval[string](b, `document.querySelector("`+me+`.live-responses-table .response .response-col_status").innerText`)
	return strings.TrimSpace(status), eval[string](b, `document.querySelector("`+me+`.live-responses-table .microlight, `+me+`.live-responses-table pre").innerText`)
}

func TestTheExplorerTriesBySession(t *testing.T) {
	t.Parallel()
	b := newTab(t, live.url)
	b.explore()
	if status, body := b.try(); status != "401" || !strings.Contains(body, "sign in or send a Bearer token") {
		t.Errorf("nobody: %s %s", status, body)
	}
	b.open(eval[string](b, `document.querySelector("main a[href^='/auth/login']").getAttribute("href")`))
	b.signIn("nia")
	b.at("/auth/docs")
	b.explore()
	if status, body := b.try(); status != "200" || !strings.Contains(body, `"username": "nia"`) || !strings.Contains(body, `"kind": "session"`) {
		t.Errorf("by session: %s %s", status, body)
	}
}

// TestTheExplorerTriesByToken pastes a token, which wins over the session, and is
// forgotten with the page.
func TestTheExplorerTriesByToken(t *testing.T) {
	t.Parallel()
	b := newTab(t, live.url)
	b.signIn("oli")
	value := b.makeToken("for the explorer")
	b.explore()
	b.press(".btn.authorize")
	b.wait(`document.querySelector(".dialog-ux")`)
	field := "input[aria-label='auth-bearer-value'], #auth-bearer-value"
	b.fill(field, value)
	b.press(".auth-container:has(#auth-bearer-value) .authorize")
	b.press(".close-modal")
	if status, body := b.try(); status != "200" || !strings.Contains(body, `"kind": "api-token"`) {
		t.Errorf("by token: %s %s", status, body)
	}
	stored := eval[string](b, `JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])`)
	if strings.Contains(stored, value) {
		t.Errorf("the token is stored: %s", stored)
	}
	b.explore()
	b.without(value)
	if status, body := b.try(); status != "200" || !strings.Contains(body, `"kind": "session"`) {
		t.Errorf("after the page was left: %s %s", status, body)
	}
	if slices.ContainsFunc(b.asked(), func(url string) bool { return strings.Contains(url, value) }) {
		t.Error("the token stands in an address")
	}
}

func TestTheExplorerWithoutScriptsIsAList(t *testing.T) {
	t.Parallel()
	b := newTab(t, live.url)
	b.script(false)
	b.device(360, "light")
	b.want(b.open("/auth/docs"), 200)
	b.script(true) // for the test's own
	b.shows("Sending requests from this page needs JavaScript", "/auth/api/v1/me", "Who I am", "bearer, session")
	b.fits("no script")
	b.barriers("no script")
}

// shootScreen takes a picture of what the screen shows now.
func (b *tab) shootScreen(name string) {
	b.t.Helper()
	picture := get(b, chromedp.CaptureScreenshot())
	if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), shrink(b.t, picture), 0o600); err != nil {
		b.t.Fatal(err)
	}
}
