package browsertest_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// view is a page in one state.
type view struct {
	name   string
	path   string
	status int64
	nobody bool                          // nobody is signed in
	admin  bool                          // the administrator is, not the user
	act    func(b *tab, s *studio) int64 // what is done on the page to see it; returns the status
	only   string                        // what its screenshot is of; "": the page from its top
	dark   bool                          // its screenshot is taken in the dark, and on a phone, too
}

// views are all the pages, each in every state that looks its own.
var views = []view{
	{name: "login", path: "/auth/login", nobody: true, dark: true},
	{name: "login-ended", path: "/auth/login?notice=ended&next=/auth/tokens", nobody: true},
	{name: "login-refused", path: "/auth/login", nobody: true, status: 401, act: func(b *tab, _ *studio) int64 {
		b.fill("#username", "a.lindqvist")
		b.fill("#password", "not this")
		return b.follow("Sign in")
	}},
	{name: "login-signed-in", path: "/auth/login"},
	{name: "logout", path: "/auth/logout"},
	{name: "signed-out", path: "/auth/logout", nobody: true},
	{name: "tokens", path: "/auth/tokens", dark: true},
	{name: "tokens-ended", path: "/auth/tokens?state=ended"},
	{name: "token-new", path: "/auth/tokens/new", dark: true},
	{name: "token", path: "/auth/tokens", dark: true, act: func(b *tab, s *studio) int64 { return b.click("tbody th a") }},
	{name: "token-errors", path: "/auth/tokens/new", status: 400, act: func(b *tab, _ *studio) int64 {
		b.press("#expires-date")
		return b.follow("Create token")
	}},
	{name: "token-made", path: "/auth/tokens/new", status: 201, dark: true, act: func(b *tab, _ *studio) int64 {
		b.fill("#name", "nightly export on lab-4")
		b.press("input[name=scope][value=read]")
		return b.follow("Create token")
	}},
	{name: "token-regenerate", path: "/auth/tokens", act: func(b *tab, s *studio) int64 {
		b.click("tbody th a")
		return b.click("a[href$='/regenerate']")
	}},
	{name: "token-revoke", path: "/auth/tokens", act: func(b *tab, s *studio) int64 { return b.click("a[href$='/revoke']") }, dark: true},
	{name: "revoke-all", path: "/auth/tokens/revoke-all"},
	{name: "developer", path: "/profile/developer"},
	{name: "developer-made", path: "/profile/developer", act: func(b *tab, _ *studio) int64 { return b.click("main button[type=submit]") }},
	{name: "developer-kept", path: "/profile/developer"},
	{name: "device", path: "/auth/device"},
	{name: "device-unknown", path: "/auth/device?user_code=ABCD-EFGH", status: 404},
	{name: "device-waiting", path: "/auth/device", act: func(b *tab, s *studio) int64 {
		b.fill("#user_code", s.device("read", "offline_access"))
		return b.follow("Continue")
	}},
	{name: "device-connected", path: "/auth/device", act: func(b *tab, s *studio) int64 {
		b.fill("#user_code", s.device("read"))
		b.follow("Continue")
		return b.follow("Connect")
	}},
	{name: "consent", path: "/oauth2/authorize?response_type=code&client_id=assistant&scope=read+write" +
		"&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256", dark: true},
	{name: "account", path: "/auth/account", dark: true},
	{name: "account-errors", path: "/auth/account", status: 400, act: func(b *tab, _ *studio) int64 {
		b.fill("#current_password", password)
		b.fill("#password", "short")
		return b.follow("Change password")
	}},
	{name: "account-disconnect", path: "/auth/account", act: func(b *tab, _ *studio) int64 { return b.follow("Disconnect orcid 0000-0002-1825-0097") }},
	{name: "password-link", path: "/auth/password-link", nobody: true, dark: true},
	{name: "password-link-used", path: "/auth/password-link#bdl_USED", nobody: true, status: 404, act: func(b *tab, _ *studio) int64 {
		b.fill("#password", "battery staple")
		return b.follow("Set password")
	}},
	{name: "error", path: "/auth/tokens/nonsense/revoke", status: 404, dark: true},

	{name: "admin-overview", path: "/auth/admin/", admin: true, dark: true},
	{name: "admin-overview-day", path: "/auth/admin/?span=day", admin: true},
	{name: "admin-users", path: "/auth/admin/users", admin: true, dark: true},
	{name: "admin-tokens", path: "/auth/admin/tokens", admin: true, dark: true},
	{name: "admin-tokens-none", path: "/auth/admin/tokens?q=nothing&scope=read", admin: true},
	{name: "admin-users-none", path: "/auth/admin/users?q=nobody+at+all", admin: true},
	{name: "admin-users-error", path: "/auth/admin/users", admin: true, status: 409, act: func(b *tab, s *studio) int64 {
		b.unfold()
		eval[chromedp.Void](b, `document.querySelector("#username").value = `+quoted(s.user))
		return b.follow("Create user")
	}},
	{name: "admin-user", path: "/auth/admin/users/{user}?action=access&path=/collections/32768", admin: true, dark: true},
	{name: "admin-user-access-removed", path: "/auth/admin/users/{user}", admin: true, act: func(b *tab, _ *studio) int64 {
		b.fill("#at", "/collections/4")
		return b.follow("Remove access")
	}},
	{name: "admin-user-link-error", path: "/auth/admin/users/{user}", admin: true, status: 409, act: func(b *tab, _ *studio) int64 {
		b.fill("#source", "orcid")
		b.fill("#external_id", "0000-0002-1825-0097")
		return b.follow("Add link")
	}},
	{name: "admin-password-link", path: "/auth/admin/users/{user}", admin: true, status: 201, act: func(b *tab, _ *studio) int64 {
		return b.follow("Create a link to set a password")
	}},
	{name: "admin-bindings-error", path: "/auth/admin/bindings", admin: true, status: 400, act: func(b *tab, _ *studio) int64 {
		b.unfold()
		b.fill("#who", "nobody")
		return b.follow("Create binding")
	}},
	{name: "admin-confirm", path: "/auth/admin/users/{user}", admin: true, dark: true, act: func(b *tab, _ *studio) int64 { return b.follow("Disable…") }},
	{name: "admin-collections", path: "/auth/admin/collections", admin: true},
	{name: "admin-collections-edit", path: "/auth/admin/collections?edit=4", admin: true},
	{name: "admin-roles", path: "/auth/admin/roles", admin: true},
	{name: "admin-roles-edit", path: "/auth/admin/roles?edit=curator", admin: true},
	{name: "admin-bindings", path: "/auth/admin/bindings", admin: true},
	{name: "admin-bindings-nobody", path: "/auth/admin/bindings?user=nobody", admin: true},
	{name: "admin-clients", path: "/auth/admin/clients", admin: true},
	{name: "admin-clients-edit", path: "/auth/admin/clients?edit=portal", admin: true},
	{name: "admin-client-secret", path: "/auth/admin/clients", admin: true, status: 201, act: func(b *tab, _ *studio) int64 {
		b.unfold()
		b.fill("#id", "night-shift")
		b.press("#new input[value=client_credentials]")
		b.fill("#scopes", "read")
		return b.follow("Create client")
	}},
	{name: "admin-keys", path: "/auth/admin/keys", admin: true, act: func(b *tab, _ *studio) int64 { return b.follow("Rotate keys") }},
	{name: "admin-audit", path: "/auth/admin/audit", admin: true, dark: true},
	{name: "admin-audit-filtered", path: "/auth/admin/audit?action=login&actor={user}", admin: true},
	{name: "admin-audit-wrong", path: "/auth/admin/audit?since=yesterday", admin: true, status: 400},
	{name: "admin-shadow", path: "/auth/admin/shadow", admin: true, dark: true},
	{name: "admin-inspector", path: "/auth/admin/inspector", admin: true},
	{name: "admin-inspector-good", path: "/auth/admin/inspector", admin: true, dark: true, act: inspect(func(s *studio) string {
		return s.accessToken(s.user).Reveal()
	})},
	{name: "admin-inspector-refused", path: "/auth/admin/inspector", admin: true, act: inspect(func(s *studio) string {
		issued := s.token(s.user, newCredential("to be revoked"))
		s.must(s.Leaked(s.t.Context(), []string{issued.Value.Reveal()}))
		return issued.Value.Reveal()
	})},
}

// inspect pastes a token into the inspector.
func inspect(value func(s *studio) string) func(b *tab, s *studio) int64 {
	return func(b *tab, s *studio) int64 {
		b.fill("#token", value(s))
		return b.follow("Check it")
	}
}

// visit shows a view in a tab.
func (v view) visit(b *tab, s *studio) {
	b.t.Helper()
	b.device(1280, "light")
	got := b.open(s.fill(v.path))
	if v.act != nil {
		got = v.act(b, s)
	}
	want := v.status
	if want == 0 {
		want = 200
	}
	b.want(got, want)
}

// tour visits every view of the administrator's, or every other, and calls look for
// each.
func (s *studio) tour(t *testing.T, admin bool, look func(b *tab, v view)) {
	t.Helper()
	tabs := map[string]*tab{}
	for _, v := range views {
		if v.admin != admin {
			continue
		}
		who := s.user
		if v.nobody {
			who = ""
		} else if v.admin {
			who = s.admin
		}
		if tabs[who] == nil {
			tabs[who] = s.tab(t, who)
		}
		v.visit(tabs[who], s)
		look(tabs[who], v)
	}
}

// judge looks at a page in each of its looks. What colours have to do with the size of
// the screen, and sizes with the dark, is nothing: the stylesheet changes one at a time.
func judge(b *tab) {
	b.t.Helper()
	b.barriers("light")
	b.device(1280, "dark")
	b.colours("dark")
	b.device(360, "light")
	b.fits("360 pixels")
	b.room("360 pixels")
	b.device(1920, "light")
	b.fits("1920 pixels")
}

func TestEveryPageOfAFullServerIsWithoutBarriers(t *testing.T) {
	t.Parallel()
	for name, admin := range map[string]bool{"user": false, "administrator": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newSample(t).tour(t, admin, func(b *tab, v view) {
				if *screenshots != "" {
					shoot(b, v)
				}
				judge(b)
			})
		})
	}
}

func TestEveryPageOfAnEmptyServerIsWithoutBarriers(t *testing.T) {
	t.Parallel()
	s := newStudio(t, "root", "somebody", quiet)
	s.sit()
	b, u := s.tab(t, s.admin), s.tab(t, s.user)
	for _, path := range []string{"", "users", "tokens", "collections", "roles", "bindings", "clients", "issuers", "keys", "audit", "shadow", "inspector"} {
		b.device(1280, "light")
		b.want(b.open("/auth/admin/"+path), 200)
		judge(b)
	}
	u.want(u.open("/auth/tokens"), 200)
	judge(u)
	u.want(u.open("/auth/tokens/new"), 200)
	judge(u)
	u.want(u.open("/auth/tokens"), 200)
	if *screenshots != "" {
		u.device(1280, "light")
		save(u, "tokens-empty")
	}
}

// shoot takes the screenshots of a view.
func shoot(b *tab, v view) {
	b.t.Helper()
	b.shoot(v)
	if v.dark {
		b.device(1280, "dark")
		save(b, v.name+"-dark")
		b.device(360, "light")
		save(b, v.name+"-phone")
		b.device(1280, "light")
	}
}

// tallest is how much of a page a screenshot shows, in pixels.
const tallest = 1800

// shoot takes the screenshot of what a view is about.
func (b *tab) shoot(v view) {
	b.t.Helper()
	if v.only == "" {
		save(b, v.name)
		return
	}
	picture := get(b, chromedp.Screenshot(chromedp.CSS(v.only)))
	if err := os.WriteFile(filepath.Join(*screenshots, v.name+".png"), shrink(b.t, picture), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func save(b *tab, name string) {
	b.t.Helper()
	saveAs(b, *screenshots, name)
}

func saveAs(b *tab, dir, name string) {
	b.t.Helper()
	picture := get(b, func(ctx context.Context, _ *chromedp.Target) ([]byte, error) {
		m, err := chromedp.Call(ctx, page.GetLayoutMetrics, struct{}{})
		if err != nil {
			return nil, err
		}
		beyond := true
		size := m.CSSContentSize
		shot, err := chromedp.Call(ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{
			CaptureBeyondViewport: &beyond,
			Clip:                  &page.Viewport{Width: size.Width, Height: min(size.Height, tallest), Scale: 1},
		})
		return shot.Data, err
	})
	if err := os.WriteFile(filepath.Join(dir, name+".png"), shrink(b.t, picture), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// unfold opens the form for something new, which stands above its list.
func (b *tab) unfold() {
	b.t.Helper()
	eval[chromedp.Void](b, `document.querySelectorAll("details").forEach((d) => { d.open = true; })`)
}

// TestLongListsStayShortPages looks at lists of a hundred and of ten thousand tokens: a
// page has a hundred rows at most, and its acts stand above them.
func TestLongListsStayShortPages(t *testing.T) {
	t.Parallel()
	for name, many := range map[string]int{"tokens-3": 3, "tokens-100": 100, "tokens-10000": 10_000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStudio(t, "root", "somebody", quiet)
			s.crowd(many)
			s.sit()
			for who, path := range map[string]string{s.user: "/auth/tokens", s.admin: "/auth/admin/tokens"} {
				b := s.tab(t, who)
				b.device(1280, "light")
				b.want(b.open(path), 200)
				if rows, want := eval[int](b, `document.querySelectorAll("tbody tr").length`), min(many, 100); rows != want {
					t.Errorf("%s has %d rows, want %d", path, rows, want)
				}
				if top := eval[float64](b, `document.querySelector("main .heading, main .filter").getBoundingClientRect().top`); top > 300 {
					t.Errorf("%s: the acts begin at %.0f pixels", path, top)
				}
				if height := eval[float64](b, `document.documentElement.scrollHeight`); height > 12_000 {
					t.Errorf("%s is %.0f pixels high", path, height)
				}
				picture := name
				if who == s.admin {
					picture = "admin-" + name
				}
				if *screenshots != "" {
					shoot(b, view{name: picture, dark: many == 100})
				}
				judge(b)
			}
		})
	}
}
