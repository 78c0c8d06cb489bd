package browsertest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func member(t *testing.T, text, name string) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	s, _ := m[name].(string)
	if s == "" {
		t.Fatalf("no %s in %s", name, text)
	}
	return s
}

// tabTo presses the tabulator until the focus is on an element, each of which on the
// way must show that it has it.
func (b *tab) tabTo(condition string) {
	b.t.Helper()
	for range 80 {
		b.keys(kb.Tab)
		if !eval[bool](b, `(() => { const e = document.activeElement, s = getComputedStyle(e);
			return e === document.body || (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2); })()`) {
			b.t.Errorf("the focus can't be seen on %s", eval[string](b, `document.activeElement.outerHTML.slice(0, 200)`))
		}
		if eval[bool](b, `((e) => `+condition+`)(document.activeElement)`) {
			return
		}
	}
	b.t.Fatalf("no key leads to %s on\n%s", condition, b.look())
}

// enter presses the enter key, which leads to another page.
func (b *tab) enter() int64 {
	b.t.Helper()
	return b.leave(chromedp.KeyEvent(kb.Enter))
}

func TestAllOfItByKeyboardAlone(t *testing.T) {
	t.Parallel()
	b := newTab(t, live.url)
	b.open("/auth/login")
	if !eval[bool](b, `document.activeElement.id === "username"`) {
		t.Error("the page doesn't begin in its first field")
	}
	b.keys("ida")
	b.tabTo(`e.id === "password"`)
	b.keys(password)
	b.want(b.enter(), 200)
	b.at("/auth/tokens")

	b.keys(kb.Tab)
	if got := eval[string](b, `document.activeElement.textContent`); got != "Skip to content" {
		t.Errorf("the first stop is %q", got)
	}
	if left := eval[float64](b, `document.activeElement.getBoundingClientRect().left`); left < 0 {
		t.Error("the way past the links can't be seen")
	}
	b.keys(kb.Enter)
	if !eval[bool](b, `document.activeElement.id === "main" || location.hash === "#main"`) {
		t.Error("it doesn't lead past the links")
	}
	b.tabTo(`e.textContent === "New token"`)
	b.want(b.enter(), 200)
	b.tabTo(`e.id === "name"`)
	b.keys("by hand")
	b.tabTo(`e.name === "scope" && e.value === "read"`)
	b.keys(" ")
	b.tabTo(`e.name === "expires"`)
	b.keys(kb.ArrowRight)
	if got := eval[string](b, `document.querySelector("input[name=expires]:checked").value`); got != "7776000" {
		t.Errorf("the arrow chose %s", got)
	}
	b.tabTo(`e.textContent === "Create token"`)
	b.want(b.enter(), 201)
	value := b.value()
	b.tabTo(`e.dataset.copy === "value"`)
	b.keys(kb.Enter)
	b.tabTo(`e.textContent.startsWith("Done")`)
	b.enter()
	b.tabTo(`e.getAttribute("aria-label") === "Revoke by hand"`)
	b.enter()
	b.tabTo(`e.textContent === "Revoke it"`)
	b.want(b.enter(), 200)
	b.shows("The token is revoked.")
	if got := curl(t, value); got != "401" {
		t.Errorf("the revoked token: %s", got)
	}
	b.tabTo(`e.textContent === "Ended tokens"`)
	b.want(b.enter(), 200)
	b.shows("by hand", "revoked")
}

func TestEscapeDeclinesAQuestion(t *testing.T) {
	t.Parallel()
	b := newTab(t, live.url)
	b.open("/profile/developer")
	b.signIn("mia")
	b.follow("Create token")
	value := b.value()
	b.open("/profile/developer")
	b.dialogs(false) // which is what the escape key answers
	b.tabTo(`e.textContent === "Regenerate the token"`)
	b.keys(kb.Enter)
	if got := curl(t, value); got != "200" {
		t.Errorf("after declining: %s", got)
	}
}

func TestAllOfItWithoutScript(t *testing.T) {
	t.Parallel()
	b := newTab(t, live.url)
	b.script(false)
	b.open("/auth/tokens")
	b.signIn("jon")
	if eval[bool](b, `!!document.querySelector("button[data-copy]:not([hidden])")`) {
		t.Error("a button that needs the script shows without it")
	}
	value := b.makeToken("plain")
	if got := curl(t, value); got != "200" {
		t.Errorf("the token: %s", got)
	}
	if eval[bool](b, `!!document.querySelector("button[data-copy]:not([hidden])")`) {
		t.Error("a button that copies shows without the script")
	}
	b.follow("Done, back to my tokens")
	b.without(value)
	b.follow("plain")
	b.follow("Regenerate…")
	b.want(b.follow("Regenerate"), 201)
	next := b.value()
	b.open("/auth/tokens")
	b.follow("Revoke plain")
	b.follow("Revoke it")
	if curl(t, value) != "401" || curl(t, next) != "401" {
		t.Error("a token lives on")
	}
	b.open("/profile/developer")
	b.follow("Create token")
	first := b.value()
	b.open("/profile/developer")
	b.follow("Regenerate the token")
	if curl(t, first) != "401" || curl(t, b.value()) != "200" {
		t.Error("the developer token wasn't regenerated")
	}
	b.want(b.click("header form.who button"), 200)
	b.shows("You are signed out.")
}

func TestAdministrationWithoutScript(t *testing.T) {
	t.Parallel()
	b := newTab(t, live.url)
	b.script(false)
	b.open("/auth/admin/users")
	b.signIn("root")
	b.press("#new summary")
	b.fill("#username", "temp.orary")
	b.fill("#password", password)
	b.want(b.follow("Create user"), 200)
	b.shows("Created.", "temp.orary")
	b.fill("#action", "access")
	b.fill("#path", "/collections/4")
	b.follow("Ask")
	b.shows("no")
	b.fill("#at", "/collections/4")
	b.follow("Remove access")
	b.shows("The user has no direct binding at or beneath /collections/4.")
	b.follow("Revoke all tokens…")
	b.want(b.follow("Revoke everything"), 200)
	b.follow("Remove…")
	b.want(b.follow("Remove"), 200)
	b.at("/auth/admin/users?notice=removed")

	b.open("/auth/admin/clients")
	b.press("#new summary")
	b.fill("#id", "no-script")
	b.press("#new input[value=client_credentials]")
	b.fill("#scopes", "read")
	b.want(b.follow("Create client"), 201)
	secret := eval[string](b, `document.querySelector("#value").textContent`)
	if !strings.HasPrefix(secret, "bdc_") {
		t.Errorf("the secret is %q", secret)
	}
	b.follow("Done, back to the clients")
	b.without(secret)
	b.follow("Remove no-script")
	b.want(b.follow("Remove"), 200)
	b.keepsSecret(secret)
}

// TestAccessIsGivenAndTakenWithoutScript makes a collection, a role and a binding,
// changes them, and takes them away.
func TestAccessIsGivenAndTakenWithoutScript(t *testing.T) {
	t.Parallel()
	b := newTab(t, live.url)
	b.script(false)
	b.open("/auth/admin/collections")
	b.signIn("root")
	b.press("#new summary")
	b.fill("#id", "seven")
	b.fill("#name", "Plain Shells")
	b.want(b.follow("Create collection"), 400)
	b.tellsBeside("#id")
	b.fill("#id", "777")
	b.want(b.follow("Create collection"), 200)
	b.shows("Created.", "Plain Shells")
	b.follow("Rename Plain Shells")
	b.fill("input[aria-label='Name of collection 777']", "Plain Snails")
	b.want(b.follow("Save"), 200)
	b.shows("Plain Snails")

	b.open("/auth/admin/roles")
	b.press("#new summary")
	b.fill("#name", "plain-reader")
	b.fill("#permissions", "read")
	b.want(b.follow("Create role"), 400)
	b.tellsBeside("#permissions")
	b.fill("#permissions", "read /\nlist /shelves")
	b.want(b.follow("Create role"), 200)
	b.follow("Change plain-reader")
	b.fill("#edit-permissions", "access /")
	b.want(b.follow("Save"), 200)
	b.without("list /shelves")

	b.open("/auth/admin/bindings")
	b.press("#new summary")
	b.press("input[name=whose][value=group]")
	b.fill("#who", "snails")
	eval[chromedp.Void](b, `document.querySelector("#role").value = "plain-reader"`)
	b.fill("#at", "collections/777")
	b.want(b.follow("Create binding"), 400)
	b.tellsBeside("#at")
	if got := eval[string](b, `document.querySelector("#who").value + document.querySelector("#role").value`); got != "snailsplain-reader" {
		t.Errorf("the form comes back with %q", got)
	}
	b.fill("#at", "/collections/777")
	b.want(b.follow("Create binding"), 200)
	b.fill("form.filter input[name=group]", "snails")
	b.want(b.follow("Show"), 200)
	b.shows("group snails", "role plain-reader", "/collections/777")
	b.follow("Remove the binding of snails at /collections/777")
	b.want(b.follow("Remove"), 200)
	b.open("/auth/admin/roles")
	b.follow("Remove plain-reader")
	b.want(b.follow("Remove"), 200)
	b.open("/auth/admin/collections")
	b.follow("Remove Plain Snails")
	b.want(b.follow("Remove"), 200)
	b.without("Plain Snails")

	b.open("/auth/admin/audit")
	eval[chromedp.Void](b, `document.querySelector("#action").value = "collection.update"`)
	b.fill("#actor", "root")
	b.want(b.follow("Show"), 200)
	b.shows("collection.update", "root", "777")
	b.without("<td data-label=\"What\"><code>role.create")
}

// tellsBeside checks that what is wrong is told beside a field.
func (b *tab) tellsBeside(selector string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(chromedp.CSS(selector + "[aria-invalid=true]")))
	text := eval[string](b, `document.querySelector("`+selector+`").getAttribute("aria-describedby").split(" ")
		.map((id) => document.getElementById(id)).filter((e) => e.className === "error").map((e) => e.innerText).join()`)
	if text == "" {
		b.t.Errorf("nothing is told beside %s on\n%s", selector, b.look())
	}
}

// TestKeysAreRotatedAndRetiredWithoutScript has a server of its own, for whose keys
// nobody else cares.
func TestKeysAreRotatedAndRetiredWithoutScript(t *testing.T) {
	t.Parallel()
	s := newStudio(t, "root", "somebody", quiet)
	b := s.tab(t, s.admin)
	b.script(false)
	b.open("/auth/admin/keys")
	kid := eval[string](b, `document.querySelector("tbody code").innerText`)
	b.want(b.follow("Rotate keys"), 200)
	b.shows("The keys are rotated.", "next")
	b.follow("Retire " + kid)
	b.shows("Retire this key?", kid)
	b.want(b.follow("Retire it"), 200)
	b.shows("The key is retired", "revoked")
	if got := eval[string](b, `[...document.querySelectorAll("td[data-label=State]")].map((e) => e.innerText).sort().join()`); got != "active,revoked" {
		t.Errorf("the keys are %s", got)
	}
}

func TestAFormTellsWhatIsWrongBesideTheField(t *testing.T) {
	t.Parallel()
	b := newTab(t, live.url)
	b.open("/auth/tokens/new")
	b.signIn("kim")
	b.press("input[name=scope][value=write]")
	b.press("#expires-date")
	b.want(b.follow("Create token"), 400)
	got := eval[map[string]string](b, `Object.fromEntries([...document.querySelectorAll("[aria-invalid=true], fieldset[aria-describedby]")].map((e) =>
		[e.name || e.tagName, e.getAttribute("aria-describedby").split(" ").map((id) => document.getElementById(id).textContent).join(" ")]))`)
	if !strings.Contains(got["name"], "Enter a name") || !strings.Contains(got["FIELDSET"], "Enter a date") {
		t.Errorf("what is wrong is told as %v", got)
	}
	if !eval[bool](b, `document.querySelector("[value=write]").checked && document.querySelector("#expires-date").checked`) {
		t.Error("what was chosen is lost")
	}
	b.want(b.open("/auth/tokens/nonsense/revoke"), 404)
	b.want(b.open("/auth/tokens/7c0d1c70-0000-4000-8000-000000000000/regenerate"), 404)
	b.want(b.open("/auth/admin/"), 403)
	b.shows("An administrator is needed.")
}
