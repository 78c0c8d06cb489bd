// Package login is the pages on which people sign in and out: by a password, by the
// sources of the configuration, and by a link to set a password.
package login

import (
	"embed"
	"net/http"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/account"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/webui/kit"
)

//go:embed templates
var templates embed.FS

var (
	//go:embed openapi.json
	described []byte
	//go:embed openapi-sources.json
	describedSources []byte
	//go:embed openapi-backchannel.json
	describedBackchannel []byte
	//go:embed openapi-front.json
	describedFront []byte
)

// OpenAPI describes the pages: those of sources, and the one at /, where there are any.
func OpenAPI(sources, front bool) [][]byte {
	fragments := [][]byte{described}
	if sources {
		fragments = append(fragments, describedSources, describedBackchannel)
	}
	if front {
		fragments = append(fragments, describedFront)
	}
	return fragments
}

// front serves a page about this server to somebody who opens its address in a browser. A
// program gets the answer of a path that doesn't exist.
func (p *SignIn) front(w http.ResponseWriter, r *kit.Request) error {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		p.Refuse(w, r.Request, fault.New(fault.NotFound, "there is nothing at this path"))
		return nil
	}
	return p.Render(w, r, http.StatusOK, "front", "Welcome", struct{ Site, Username string }{p.Name, username(r)})
}

// username returns who is signed in; "" when nobody is.
func username(r *kit.Request) string {
	if r.Caller == nil || r.Caller.Subject.Client {
		return ""
	}
	return r.Caller.Subject.Username
}

// SignIn is the pages of signing in and out.
type SignIn struct {
	*kit.Site

	Authenticator *signin.Authenticator
	Accounts      *account.Accounts
	Issuance      *issuance.Issuance
	Revoker       *revoking.Revoker
	Passwords     bool          // people sign in with passwords, kept here or checked by a source
	Ways          Ways          // the other ways to sign in
	Front         bool          // the page at / is served here
	Recent        time.Duration // how recent the sign-in of somebody must be who links an account
}

// Register mounts the pages.
func (p *SignIn) Register(mux *http.ServeMux) {
	p.Use(templates)
	p.Anybody(mux, "GET "+kit.PathLogin, p.loginPage)
	p.Anybody(mux, "POST "+kit.PathLogin, p.login)
	p.Anybody(mux, "GET /auth/logout", p.logoutPage)
	p.Anybody(mux, "POST /auth/logout", p.logout)
	p.Anybody(mux, "GET "+account.PathPasswordLink, p.passwordLinkPage)
	p.Anybody(mux, "POST "+account.PathPasswordLink, p.setByLink)
	p.registerWays(mux)
	if p.Front {
		p.Anybody(mux, "GET /{$}", p.front)
	}
}

// signIn is the form of the sign-in page. The password never comes back.
type signIn struct {
	Username kit.Field
	Password kit.Field
	Next     string
	Notice   string
	Problem  string // what is wrong with the form as a whole
	Ways     []kit.Way
	ByForm   bool // bearerd or a source checks passwords
}

// loginPage offers the ways to sign in. Where there is only one, a source, it leads there
// at once, except after a sign-out: that ends on a page.
func (p *SignIn) loginPage(w http.ResponseWriter, r *kit.Request) error {
	q := r.URL.Query()
	f := signIn{Notice: kit.Notice(q.Get("notice")), Next: kit.OwnPath(q.Get("next"), p.Issuer)}
	f.Ways, f.ByForm = p.Ways.list(f.Next, q.Get("again")), p.Passwords
	if !f.ByForm && len(f.Ways) == 1 && (f.Notice == "" || q.Get("notice") == "ended" || q.Get("notice") == "again") {
		return p.SeeOther(w, f.Ways[0].Address)
	}
	return p.renderLogin(w, r, http.StatusOK, f)
}

func (p *SignIn) renderLogin(w http.ResponseWriter, r *kit.Request, status int, f signIn) error {
	if f.ByForm = p.Passwords; f.Ways == nil {
		f.Ways = p.Ways.list(f.Next, "")
	}
	return p.Render(w, r, status, "login", "Sign in", f)
}

// login checks the password, starts a session, and redirects to the page that asked
// for the sign-in.
func (p *SignIn) login(w http.ResponseWriter, r *kit.Request) error {
	form, err := httpkit.FormOrJSON(w, r.Request)
	if err != nil {
		return err
	}
	f := signIn{Username: kit.Field{Value: form.Get("username")}, Next: kit.OwnPath(form.Get("next"), p.Issuer)}
	if f.Username.Value == "" {
		f.Username.Error = "Enter your username."
	}
	if form.Get("password") == "" {
		f.Password.Error = "Enter your password."
	}
	if f.Username.Error+f.Password.Error != "" {
		return p.renderLogin(w, r, http.StatusBadRequest, f)
	}
	c, err := p.Authenticator.Login(r.Context(), signin.Credentials{Username: f.Username.Value, Password: form.Get("password")})
	if err != nil {
		// The form again, with the reason. An error that has nothing to do with what was typed
		// has a page of its own.
		kind := fault.KindOf(err)
		switch kind { //nolint:exhaustive // the rest is no answer to a form
		case fault.BadCredentials:
			f.Problem = "Wrong username or password."
		case fault.Limited:
			f.Problem = kit.Sentence(fault.Message(err)) + " Try again in " + kit.InWords(fault.RetryAfter(err)) + "."
		default:
			return err
		}
		if kit.WantsJSON(r.Request) {
			return err
		}
		p.SetFailureHeaders(w, err)
		return p.renderLogin(w, r, httpkit.Status(kind), f)
	}
	return p.startSession(w, r, c, f.Next)
}

func (p *SignIn) logoutPage(w http.ResponseWriter, r *kit.Request) error {
	return p.Render(w, r, http.StatusOK, "logout", "Sign out", nil)
}

// logout ends every session that the browser has here, with the access tokens made
// from it. Signing out twice is success.
func (p *SignIn) logout(w http.ResponseWriter, r *kit.Request) error {
	for _, raw := range httpkit.SessionCookies(r.Request, p.SessionCookies) {
		c, err := p.Authenticator.Session(r.Context(), raw)
		if kit.Lost(err) {
			continue
		}
		if err == nil {
			err = p.Revoker.EndSession(r.Context(), c)
		}
		if err != nil {
			return err
		}
	}
	p.ForgetSessions(w)
	return p.SeeOther(w, kit.PathLogin+"?notice=signed-out")
}

// startSession starts a session for somebody who has just signed in, and redirects them
// to where they were going.
func (p *SignIn) startSession(w http.ResponseWriter, r *kit.Request, c *caller.Caller, next string) error {
	if len(p.SessionCookies) == 0 {
		return fault.New(fault.Forbidden, "this server has no sessions")
	}
	httpkit.Note(r.Request, c)
	session, err := p.Issuance.StartSession(r.Context(), c, nil)
	if err != nil {
		return err
	}
	p.SetSession(w, kit.Session{Value: session.Value, Lifetime: time.Duration(session.Lifetime) * time.Second})
	if next == "" {
		next = p.Base + kit.PathTokens
	}
	return kit.Redirect(w, next)
}
