package webui

import (
	"net/http"
	"net/url"
	"time"

	"github.com/bearerd/bearerd/internal/signin"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// signIn is the form of the sign-in page. The password never comes back.
type signIn struct {
	Username field
	Password field
	Next     string
	Notice   string
	Problem  string // what is wrong with the form as a whole
}

// notices are the texts that a page can be asked to show.
var notices = map[string]string{
	"ended":       "Your session has ended. Sign in to continue.",
	"signed-out":  "You are signed out.",
	"revoked-all": "All your tokens and sessions are revoked. Sign in again to continue.",
	"revoked":     "The token is revoked.",

	"made":        "Created.",
	"saved":       "Saved, and in force on every node.",
	"removed":     "Removed.",
	"unlocked":    "The user can sign in again.",
	"all-revoked": "All tokens and sessions of this user are revoked.",
	"rotated":     "The keys are rotated. The next key signs as soon as every cache has had time to fetch it, or at once if you chose so.",
	"retired":     "The key is retired, and every token that it signed is revoked.",
}

func (p *Pages) loginPage(w http.ResponseWriter, r *request) error {
	q := r.URL.Query()
	f := signIn{Notice: notices[q.Get("notice")], Next: ownPath(q.Get("next"), p.Policy.Issuer)}
	return p.render(w, r, http.StatusOK, "login", "Sign in", f)
}

// login checks the password, starts a session, and redirects to the page that asked
// for the sign-in.
func (p *Pages) login(w http.ResponseWriter, r *request) error {
	form, err := httpkit.FormOrJSON(w, r.Request)
	if err != nil {
		return err
	}
	f := readSignIn(form, p.Policy.Issuer)
	if !f.complete() {
		return p.render(w, r, http.StatusBadRequest, "login", "Sign in", f)
	}
	if len(p.SessionCookies) == 0 {
		return fault.New(fault.Forbidden, "this server has no sessions")
	}
	c, err := p.SignIn.Login(r.Context(), signin.Credentials{Username: f.Username.Value, Password: form.Get("password")})
	if err != nil {
		return p.loginRefused(w, r, f, err)
	}
	httpkit.Note(r.Request, c)
	session, err := p.Issuance.StartSession(r.Context(), c, nil)
	if err != nil {
		return err
	}
	life := time.Duration(session.Lifetime) * time.Second
	p.Cookies.SetSession(w, p.SessionCookies, session.Value.Reveal(), life)
	if f.Next == "" {
		f.Next = p.base + pathTokens
	}
	return redirect(w, f.Next)
}

func readSignIn(form url.Values, issuer string) signIn {
	f := signIn{Username: field{Value: form.Get("username")}, Next: ownPath(form.Get("next"), issuer)}
	if f.Username.Value == "" {
		f.Username.Error = "Enter your username."
	}
	if form.Get("password") == "" {
		f.Password.Error = "Enter your password."
	}
	return f
}

func (f *signIn) complete() bool { return f.Username.Error == "" && f.Password.Error == "" }

// loginRefused shows the form again with the reason. An error that has nothing to do
// with what was typed has a page of its own.
func (p *Pages) loginRefused(w http.ResponseWriter, r *request, f signIn, err error) error {
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
	return p.render(w, r, httpkit.Status(kind), "login", "Sign in", f)
}
