package museum_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// signIn signs in at the museum, with Django's own login.
func (b *tab) signIn(username, password string) {
	b.Helper()
	b.open("/login/")
	b.fill("#id_username", username)
	b.fill("#id_password", password)
	get(b, chromedp.Evaluate[chromedp.Void](`document.querySelector("main button").setAttribute("aria-label", "Sign in here")`))
	b.follow("Sign in here", 200)
	b.want(answer{status: 200, body: b.look()}, 200, "Signed in as "+username)
}

// openTokens follows the museum's link to the page of one's tokens. Who is signed in at the
// museum is asked for no password on the way.
func (b *tab) openTokens() {
	b.Helper()
	b.open("/")
	b.follow("API tokens", 200)
	b.follow("Sign in with Museum", 200)
	get(b, chromedp.WaitVisible(chromedp.CSS(`a[href="/auth/tokens/new"]`)))
	b.want(answer{status: 200, body: b.look()}, 200, b.url+"/auth/tokens")
}

// disable takes "Active" away from a user in Django's admin.
func (b *tab) disable(id string) {
	b.Helper()
	b.open("/admin/auth/user/" + id + "/change/")
	get(b, chromedp.Click(chromedp.CSS("#id_is_active")))
	b.press("input[name=_save]")
}

// TestTheMuseumsLoginOpensTokensAndEndsThem follows somebody who is signed in at the museum
// by Django's own login and creates a token without another password, and an administrator
// who disables them there: the token is refused when the administrator's page is back.
func TestTheMuseumsLoginOpensTokensAndEndsThem(t *testing.T) {
	t.Parallel()
	everyWay(t, func(m *museum, mode string) {
		m.serve(mode)
		b, admin := m.browse(), m.browse()
		b.signIn("ada", "test#password")
		b.openTokens()
		token, other := b.createToken("laptop", "", "read"), m.create("Müller")
		m.want(m.ask("GET", specimens, token, ""), 200, "KU 1001")

		admin.signIn("admin", "admin#password")
		admin.disable("1")
		m.want(m.ask("GET", specimens, token, ""), 401, "revoked")
		m.want(m.ask("GET", specimens, other, ""), 200)
		if r := get(b, chromedp.NavigateResponse(b.url+"/auth/tokens")); r == nil || r.Status == 200 && strings.Contains(b.look(), "laptop") {
			t.Errorf("the session at bearerd goes on: %+v", r)
		}

		said := m.paste(`python3 manage.py shell -c "from django.contrib.auth.models import User; User.objects.filter(pk=2).update(is_active=False)"
python3 manage.py bearerd_sync`)
		m.want(answer{status: 200, body: said}, 200, "Müller (2): disable, inactive here\n3 users of museum at bearerd: 1 disabled")
		m.want(m.ask("GET", specimens, other, ""), 401, "revoked")
	})
}

// TestATokenOfTheMuseumOpensNoSession asks the sign-in page with a token: it believes the
// museum's own sessions alone.
func TestATokenOfTheMuseumOpensNoSession(t *testing.T) {
	t.Parallel()
	everyWay(t, func(m *museum, mode string) {
		m.serve(mode)
		const page = "/bearerd-sign-in?request=cmVxdWVzdA"
		a := m.ask("GET", page, m.create("ada"), "")
		if a.status != 302 || !strings.HasPrefix(a.header.Get("Location"), "/login/?next=") {
			t.Errorf("%d, %v\n%s", a.status, a.header, a.body)
		}
		m.want(m.ask("GET", page, "", "", "Cookie", m.session("ada", "test#password")), 200, `name="assertion"`)
	})
}

// TestTheMuseumChecksItsPasswords types a password of the museum's on bearerd's page: it is
// Django's to judge, whose hashes bearerd doesn't have.
func TestTheMuseumChecksItsPasswords(t *testing.T) {
	t.Parallel()
	m := newMuseum(t, "proxy", false)
	m.serve("proxy")
	b := m.browse()
	for _, tried := range []struct {
		password string
		status   int64
	}{{"another#password", 401}, {"test#password", 200}} {
		b.open("/auth/login?next=/auth/tokens")
		b.fill("#username", "Müller")
		b.fill("#password", tried.password)
		b.follow("Sign in", tried.status)
	}
	b.want(answer{status: 200, body: b.look()}, 200, b.url+"/auth/tokens", "Müller")
}
