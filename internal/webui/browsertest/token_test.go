package browsertest_test

import (
	"context"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
)

var apiToken = regexp.MustCompile(`(?:bda_|6879-)[0-9A-Za-z]{36}`)

// value returns the token that the page shows.
func (b *tab) value() string {
	b.t.Helper()
	v := eval[string](b, `document.querySelector("#value").textContent`)
	if !apiToken.MatchString(v) {
		b.t.Fatalf("%q is no token", v)
	}
	return v
}

// clipboard returns what was copied.
func (b *tab) clipboard() string {
	b.t.Helper()
	return eval[string](b, `navigator.clipboard.readText()`)
}

// mayUseClipboard lets the page do what a person lets it.
func (b *tab) mayUseClipboard() {
	b.t.Helper()
	id := chromedp.FromContext(b.ctx).BrowserContextID
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		_, err := chromedp.CallBrowser(b.ctx, cdpbrowser.SetPermission, cdpbrowser.SetPermissionParams{
			Permission: &cdpbrowser.PermissionDescriptor{Name: name}, Setting: cdpbrowser.PermissionSettingGranted,
			Origin: b.base, BrowserContextID: id,
		})
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

// curl uses a token as a program does, and returns the status.
func curl(t *testing.T, value string) string {
	t.Helper()
	return shell(t, `curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer `+value+`" "`+live.url+`/auth/api/v1/me"`)
}

// dies waits until a token is refused: an old value dies soon after the new one is
// first used, since verifying itself writes nothing.
func dies(t *testing.T, value string) {
	t.Helper()
	end := time.Now().Add(stepTimeout)
	for curl(t, value) != "401" {
		if time.Now().After(end) {
			t.Fatal("the old value lives on after the new one was used")
		}
	}
}

func shell(t *testing.T, line string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), stepTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "sh", "-c", line).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// makeToken makes a token on the page that the tab is on.
func (b *tab) makeToken(name string) string {
	b.t.Helper()
	b.open("/auth/tokens/new")
	b.fill("#name", name)
	b.press("input[name=scope][value=read]")
	b.want(b.follow("Create token"), 201)
	return b.value()
}

func TestATokenFromMakingToItsEnd(t *testing.T) {
	t.Parallel()
	b := newTab(t, live.url)
	b.mayUseClipboard()
	b.want(b.open("/auth/tokens"), 200)
	b.signIn("ada")
	b.at("/auth/tokens")
	b.shows("No tokens yet")
	b.follow("New token")
	b.at("/auth/tokens/new")
	b.shows("Read specimens", "where an application asks for no scope. With scopes it can do more.")
	b.fill("#name", "nightly export")
	b.press("input[name=expires][value='604800']")
	b.press("input[name=scope][value=read]")
	eval[chromedp.Void](b, `(() => { const c = document.querySelector("#collection"); c.value = "4"; c.dispatchEvent(new Event("change", {bubbles: true})); })()`)
	b.shows("can act as ada in the collection KU Fish Voucher Collection alone, where an application asks for no scope or for read.")
	b.want(b.follow("Create token"), 201)
	value := b.value()
	b.shows("Copy it now.", "KU Fish Voucher Collection (4)", "in 7 days")

	b.press("button[data-copy=value]")
	b.do(chromedp.WaitVisible("//button[text()='Copied']"))
	if got := b.clipboard(); got != value {
		t.Errorf("%q was copied", got)
	}
	b.press("button[data-copy=curl]")
	b.do(chromedp.WaitVisible("//div[@class='example'][1]//button[text()='Copied']"))
	if got := shell(t, b.clipboard()+" --silent --show-error"); !strings.Contains(got, `"ada"`) {
		t.Errorf("the line for curl answers %s", got)
	}
	python := eval[string](b, `document.querySelector("#python").textContent`)
	if got := shell(t, "/usr/bin/python3 - <<'END'\n"+python+"\nEND"); !strings.Contains(got, `"ada"`) {
		t.Errorf("the lines for Python answer %s", got)
	}
	b.isForgotten(value)

	b.reload(`document.body.innerText.includes("just now")`)
	b.follow("nightly export")
	b.shows("Activity", "created", "you", "127.0.0.1")
	b.follow("Regenerate…")
	b.press("input[name=overlap][value='3600']")
	b.want(b.follow("Regenerate"), 201)
	b.shows("when this one is first used, and in 60 minutes at the latest")
	next := b.value()
	if got := curl(t, value); got != "200" {
		t.Errorf("the old value, before the new one is used: %s", got)
	}
	if got := curl(t, next); got != "200" {
		t.Errorf("the new value: %s", got)
	}
	dies(t, value)
	b.follow("Done, back to my tokens")
	b.reload(`!document.querySelector("td[data-label='Last used']").innerText.includes("never")`)
	b.follow("Revoke nightly export")
	b.shows("It was last used just now from 127.0.0.1.", "Every access token and task token that was created from it")
	if got := curl(t, next); got != "200" {
		t.Errorf("after a look at the question: %s", got)
	}
	b.want(b.follow("Revoke it"), 200)
	b.shows("The token is revoked.", "No tokens yet", "Ended tokens")
	if got := curl(t, next); got != "401" {
		t.Errorf("the revoked token: %s", got)
	}
	b.keepsSecret(value, next)
}

// isForgotten checks that the page which shows a token is the only one that does: not
// it again, nor the way back.
func (b *tab) isForgotten(value string) {
	b.t.Helper()
	b.do(chromedp.Reload())
	b.at("/auth/tokens")
	b.without(value)
	if n := eval[int](b, `document.querySelectorAll("tbody tr").length`); n != 1 {
		b.t.Errorf("after a reload there are %d tokens", n)
	}
	again := b.makeToken("another")
	b.follow("Done, back to my tokens")
	b.without(value, again)
	b.back()
	b.without(value, again)
	b.open("/auth/tokens")
	b.follow("Revoke another")
	b.follow("Revoke it")
	b.keepsSecret(again)
}

// keepsSecret checks that secrets stand in no address, in no history and in no log.
func (b *tab) keepsSecret(secrets ...string) {
	b.t.Helper()
	places := strings.Join(append(b.history(), b.asked()...), "\n") + live.log.String()
	for _, secret := range append(secrets, password, "quokka") { // the password's end, which is the same however it is encoded
		if strings.Contains(places, secret) {
			b.t.Errorf("%s stands in an address, the history or the log", secret)
		}
	}
}

func TestEverythingIsRevokedAtOnce(t *testing.T) {
	t.Parallel()
	b := newTab(t, live.url)
	b.signIn("bea")
	one := b.makeToken("one")
	b.open("/auth/tokens")
	two := b.makeToken("two")
	b.open("/auth/tokens")
	b.follow("Revoke everything…")
	b.shows("You have 2 tokens.", "every session of yours, including this one")
	b.want(b.follow("Revoke everything"), 200)
	b.at("/auth/login?notice=revoked-all")
	b.shows("All your tokens and sessions are revoked.")
	for _, value := range []string{one, two} {
		if got := curl(t, value); got != "401" {
			t.Errorf("a token is answered %s", got)
		}
	}
	b.signIn("bea")
	b.shows("No tokens yet", "Ended tokens")
}

func TestTheDeveloperPageOfHypothesis(t *testing.T) {
	t.Parallel()
	b := newTab(t, live.url)
	b.open("/profile/developer")
	b.signIn("eve")
	b.at("/profile/developer")
	b.shows("You have no developer token yet.")
	b.want(b.follow("Create token"), 200)
	first := b.value()
	if !strings.HasPrefix(first, "6879-") || curl(t, first) != "200" {
		t.Errorf("%s isn't good", first)
	}
	b.do(chromedp.Reload())
	b.without(first)
	b.dialogs(false)
	b.press("main button[type=submit]")
	if got := curl(t, first); got != "200" {
		t.Errorf("declining the question: %s", got)
	}
	b.dialogs(true)
	b.want(b.follow("Regenerate the token"), 200)
	second := b.value()
	if curl(t, first) != "401" || curl(t, second) != "200" {
		t.Error("regenerating didn't take the old one's place")
	}
	b.keepsSecret(first, second)
}
