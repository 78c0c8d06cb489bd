package browsertest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
)

// Names that break pages: as long as a name may be, from right to left, without a
// place to break, and with what HTML takes for its own.
var (
	arabic   = cut(strings.Repeat("مستخدم طويل الاسم ", 30), 255)
	hebrew   = cut(strings.Repeat("שםארוך", 60), 255)
	unbroken = strings.Repeat("W", 200)
	emoji    = cut(strings.Repeat("👩🏽‍🔬🧬🐟", 30), 200)
	markup   = `"><script>alert(1)</script><b>&amp;'`
)

// cut returns as much of a text as fits in so many bytes.
func cut(text string, bytes int) string {
	for i := range text {
		if i > bytes {
			return strings.TrimSpace(strings.ToValidUTF8(text[:bytes], ""))
		}
	}
	return text
}

// newHostile is a studio of names that break pages, and of a lot of everything.
func newHostile(t *testing.T) *studio {
	t.Helper()
	s := newStudio(t, hebrew, arabic, once)
	d := apply.Desired{Collections: []records.Collection{{ID: 1, Name: unbroken}, {ID: 1<<62 - 1, Name: arabic}, {ID: 3, Name: markup}}}
	many := access.Role{Name: "W" + strings.Repeat("w", 200)}
	for i := range 40 {
		many.Permissions = append(many.Permissions, access.Permission{Action: "access", Path: access.Path(fmt.Sprintf("/collections/%d/%s", i, strings.Repeat("x", 60)))})
	}
	d.Roles = []access.Role{many, {Name: markup, Permissions: []access.Permission{{Action: "*", Path: "/"}}}}
	for i, name := range []string{unbroken, strings.ReplaceAll(emoji, "\u200d", ""), markup} { // a username has no invisible characters
		d.Users = append(d.Users, apply.DesiredUser{SetName: true, SetEmail: true, SetGroups: true, NewUser: identity.NewUser{
			Username: name, Name: name, Email: strings.Repeat("e", 180) + fmt.Sprint(i) + "@example.org", Groups: []string{unbroken, "a", "b", emoji},
		}})
	}
	d.Clients = []identity.NewClient{{
		ID: strings.Repeat("client-", 25), Secret: nodetest.ClientSecret, Grants: []string{identity.GrantTypeClientCredentials},
		Scopes: []string{strings.Repeat("s", 120), "read"}, Audiences: []string{"https://example.org/" + strings.Repeat("a", 180)},
	}}
	_, _, err := s.Apply(t.Context(), caller.Operator(), d)
	s.must(err)
	s.bindTo(many.Name)
	names := []string{unbroken, emoji, markup, arabic, hebrew}
	session, err := s.Session(t.Context(), s.SessionToken(t, s.user, password).Value.Reveal())
	s.must(err)
	for i := range 100 {
		n := credentials.NewCredential{Name: names[i%len(names)], Scope: []string{"read", "write", "export"}, Lifetime: int64(i%9+90) * 86400}
		_, err := s.CreateAPIToken(s.from("2001:0db8:85a3:0000:0000:8a2e:0370:7334"), session, n)
		s.must(err)
	}
	s.Advance(95 * 24 * time.Hour)
	return s
}

func (s *studio) bindTo(role string) {
	s.t.Helper()
	u, err := s.Directory.User(s.t.Context(), caller.Operator(), s.user)
	s.must(err)
	for _, b := range []access.Binding{{User: u.ID, Role: role, Path: "/"}, {Group: unbroken, Role: role, Path: "/collections/1"}} {
		_, err := s.CreateBinding(s.t.Context(), caller.Operator(), b)
		s.must(err)
	}
}

func TestNamesDontBreakAPage(t *testing.T) {
	t.Parallel()
	s := newHostile(t)
	admin, user := s.tab(t, s.admin), s.tab(t, s.user)
	for _, page := range []string{
		"", "users", "users/{user}", "tokens", "collections", "collections?edit=1", "roles", "bindings", "clients", "issuers", "keys", "audit", "inspector",
	} {
		s.look(admin, "/auth/admin/"+page, "hostile-"+strings.Trim(strings.NewReplacer("{user}", "one", "/", "-", "?", "-").Replace(page), "-"))
	}
	s.look(user, "/auth/tokens/new", "hostile-new")
	s.look(user, "/auth/tokens", "hostile-tokens")
	user.click("a[href$='/revoke']")
	user.bears()
	user.open("/auth/tokens")
	user.click("tbody th a")
	user.bears()
	user.click("a[href$='/regenerate']")
	user.bears()
	if n := eval[int](user, `document.querySelectorAll("script").length`); n != 1 {
		t.Errorf("the page has %d scripts", n)
	}
}

// bears checks what difficult names can break.
func (b *tab) bears() {
	b.t.Helper()
	b.barriers("light")
	b.fits("1280 pixels")
	b.device(360, "light")
	b.fits("360 pixels")
	b.device(1920, "light")
	b.fits("1920 pixels")
}

func (s *studio) look(b *tab, path, name string) {
	b.t.Helper()
	b.device(1280, "light")
	b.want(b.open(s.fill(path)), 200)
	b.bears()
	if *hostile != "" {
		b.device(1280, "light")
		saveAs(b, *hostile, name)
		b.device(360, "light")
		saveAs(b, *hostile, name+"-phone")
	}
}
