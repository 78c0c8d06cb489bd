package webui

import (
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/caller"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

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
