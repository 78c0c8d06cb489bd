package webui

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/signin"
)

// signIn is the form of the sign-in page. The password never comes back.
type signIn struct {
	Username field
	Password field
	Next     string
	Notice   string
	Problem  string // what is wrong with the form as a whole
	Ways     []way
	ByForm   bool // bearerd or a source checks passwords
}

// notices are the texts that a page can be asked to show.
var notices = map[string]string{
	"ended":       "Your session has ended. Sign in to continue.",
	"signed-out":  "You are signed out.",
	"again":       "For this, sign in again: you signed in too long ago. You will come back to where you were.",
	"password":    "The password is set. Sign in with it.",
	"revoked-all": "All your tokens and sessions are revoked. Sign in again to continue.",
	"revoked":     "The token is revoked.",

	"password-changed": "Your password is changed. Everything else of yours is revoked: other sessions, and all tokens.",
	"session-ended":    "The session is ended.",
	"sessions-ended":   "All your other sessions are ended.",
	"disconnected":     "Disconnected.",
	"linked":           "Linked.",
	"unlinked":         "The link is removed.",

	"made":        "Created.",
	"saved":       "Saved, and in force on every node.",
	"removed":     "Removed.",
	"unlocked":    "The user can sign in again.",
	"all-revoked": "All tokens and sessions of this user are revoked.",
	"rotated":     "The keys are rotated. The next key signs as soon as every cache has had time to fetch it, or at once if you chose so.",
	"retired":     "The key is retired, and every token that it signed is revoked.",
}

// loginPage offers the ways to sign in. Where there is only one, a source, it leads there
// at once, except after a sign-out: that ends on a page.
func (p *Pages) loginPage(w http.ResponseWriter, r *request) error {
	q := r.URL.Query()
	f := signIn{Notice: notices[q.Get("notice")], Next: ownPath(q.Get("next"), p.Policy.Issuer)}
	f.Ways, f.ByForm = p.Ways.list(f.Next, q.Get("again")), p.Passwords
	if !f.ByForm && len(f.Ways) == 1 && (f.Notice == "" || q.Get("notice") == "ended" || q.Get("notice") == "again") {
		return p.seeOther(w, f.Ways[0].Address)
	}
	return p.renderLogin(w, r, http.StatusOK, f)
}

func (p *Pages) renderLogin(w http.ResponseWriter, r *request, status int, f signIn) error {
	if f.ByForm = p.Passwords; f.Ways == nil {
		f.Ways = p.Ways.list(f.Next, "")
	}
	return p.render(w, r, status, "login", "Sign in", f)
}

// login checks the password, starts a session, and redirects to the page that asked
// for the sign-in.
func (p *Pages) login(w http.ResponseWriter, r *request) error {
	form, err := httpkit.FormOrJSON(w, r.Request)
	if err != nil {
		return err
	}
	f := signIn{Username: field{Value: form.Get("username")}, Next: ownPath(form.Get("next"), p.Policy.Issuer)}
	if f.Username.Value == "" {
		f.Username.Error = "Enter your username."
	}
	if form.Get("password") == "" {
		f.Password.Error = "Enter your password."
	}
	if f.Username.Error+f.Password.Error != "" {
		return p.renderLogin(w, r, http.StatusBadRequest, f)
	}
	c, err := p.SignIn.Login(r.Context(), signin.Credentials{Username: f.Username.Value, Password: form.Get("password")})
	if err != nil {
		// The form again, with the reason. An error that has nothing to do with what was typed
		// has a page of its own.
		kind := fault.KindOf(err)
		switch kind { //nolint:exhaustive // the rest is no answer to a form
		case fault.BadCredentials:
			f.Problem = "Wrong username or password."
		case fault.Limited:
			f.Problem = sentence(fault.Message(err)) + " Try again in " + inWords(fault.RetryAfter(err)) + "."
		default:
			return err
		}
		if wantsJSON(r.Request) {
			return err
		}
		p.setFailureHeaders(w, err)
		return p.renderLogin(w, r, httpkit.Status(kind), f)
	}
	return p.startSession(w, r, c, f.Next)
}

func (p *Pages) logoutPage(w http.ResponseWriter, r *request) error {
	return p.render(w, r, http.StatusOK, "logout", "Sign out", nil)
}

// logout ends every session that the browser has here, with the access tokens made
// from it. Signing out twice is success.
func (p *Pages) logout(w http.ResponseWriter, r *request) error {
	for _, raw := range httpkit.SessionCookies(r.Request, p.SessionCookies) {
		c, err := p.SignIn.Session(r.Context(), raw)
		if lost(err) {
			continue
		}
		if err == nil {
			err = p.Revoker.EndSession(r.Context(), c)
		}
		if err != nil {
			return err
		}
	}
	p.forgetSessions(w)
	return p.seeOther(w, pathLogin+"?notice=signed-out")
}

// caller returns who is signed in.
func (p *Pages) caller(r *http.Request) (*caller.Caller, error) {
	c, found, err := httpkit.Session(r, p.SessionCookies, p.SignIn.Session)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, httpkit.SignInFirst()
	}
	httpkit.Note(r, c)
	return c, nil
}

// lost reports whether there is no session, or not any more.
func lost(err error) bool {
	return fault.Is(err, fault.Unauthenticated) || fault.Is(err, fault.InvalidToken)
}

// toLogin sends somebody without a session to sign in, and from there back. A form
// that was sent is led back to the page that it stands on.
func (p *Pages) toLogin(w http.ResponseWriter, r *http.Request, err error) error {
	back := r.URL.Path
	if r.Method != http.MethodPost {
		back = r.URL.RequestURI()
	}
	q := url.Values{"next": {p.base + back}}
	if fault.Is(err, fault.InvalidToken) {
		q.Set("notice", "ended")
	}
	return p.seeOther(w, pathLogin+"?"+q.Encode())
}

// forgetSessions removes the session cookies from the browser, and asks it to drop what
// it kept of the pages: some keep those that the way back leads to for all their
// Cache-Control says.
func (p *Pages) forgetSessions(w http.ResponseWriter) {
	w.Header().Set("Clear-Site-Data", `"cache"`)
	for _, name := range p.SessionCookies {
		http.SetCookie(w, p.Cookies.Expire(name))
	}
}

// maxNext bounds where one is led back to, in bytes.
const maxNext = 4096

// ownPath returns the path and query that next leads to on this server; "" when it
// leads anywhere else or could be read so. A browser takes a backslash for a
// slash, drops tabs and line ends, and reads two slashes as the beginning of a
// host: text with any of them, escaped ones included, is refused rather than repaired.
func ownPath(next, issuer string) string {
	u, err := url.Parse(next)
	if err != nil || u.User != nil || u.Opaque != "" {
		return ""
	}
	if u.IsAbs() || u.Host != "" {
		own, err := url.Parse(issuer)
		if err != nil || u.Scheme != own.Scheme || u.Host != own.Host {
			return ""
		}
	}
	if !strings.HasPrefix(u.Path, "/") || strings.Contains(u.Path, "//") || strings.ContainsFunc(u.Path+next, misread) {
		return ""
	}
	if path := u.RequestURI(); len(path) <= maxNext {
		return path
	}
	return ""
}

// misread reports characters that browsers don't take for what they are.
func misread(c rune) bool { return c == '\\' || c < ' ' || c == 0x7f }
