package museum_test

import (
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

// TestWhoIsDisabledInTheMuseumHasNoTokens disables a user in Django's admin, and another
// behind Django's back.
func TestWhoIsDisabledInTheMuseumHasNoTokens(t *testing.T) {
	t.Parallel()
	m := newMuseum(t, "proxy", false)
	m.serve("proxy")
	ada, other, root := m.create("ada"), m.create("Müller"), m.create("admin")
	admin := m.browse()
	admin.signIn("admin", "admin#password")
	admin.open("/admin/auth/user/1/change/")
	get(admin, chromedp.Click(chromedp.CSS("#id_is_active")))
	admin.press("input[name=_save]")
	m.want(m.ask("GET", "/api/whoami/", ada, ""), 401, "revoked")

	said := m.paste(`python3 manage.py shell -c "from django.contrib.auth.models import User; User.objects.filter(pk=2).update(is_active=False)"
python3 manage.py bearerd_sync`)
	m.want(answer{status: 200, body: said}, 200, "Müller (2): disable, inactive here\n3 users of museum at bearerd: 1 disabled")
	m.want(m.ask("GET", "/api/whoami/", other, ""), 401, "revoked")
	m.want(m.ask("GET", "/api/whoami/", root, ""), 200)
}
