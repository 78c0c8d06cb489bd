package kit

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// caller returns who is signed in.
func (s *Site) caller(r *http.Request) (*caller.Caller, error) {
	c, found, err := httpkit.Session(r, s.SessionCookies, s.Sessions)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, httpkit.SignInFirst()
	}
	httpkit.Note(r, c)
	return c, nil
}

// Lost reports whether there is no session, or not any more.
func Lost(err error) bool {
	return fault.Is(err, fault.Unauthenticated) || fault.Is(err, fault.InvalidToken)
}

// ToLogin redirects somebody without a session to sign in, and from there back. If a form
// was sent, the way leads back to the page with the form.
func (s *Site) ToLogin(w http.ResponseWriter, r *http.Request, err error) error {
	back := r.URL.Path
	if r.Method != http.MethodPost {
		back = r.URL.RequestURI()
	}
	q := url.Values{"next": {s.Base + back}}
	if fault.Is(err, fault.InvalidToken) {
		q.Set("notice", "ended")
	}
	return s.SeeOther(w, PathLogin+"?"+q.Encode())
}

// ForgetSessions removes the session cookies from the browser, and asks it to drop its
// copies of the pages: some browsers keep pages for the back button whatever
// Cache-Control says.
func (s *Site) ForgetSessions(w http.ResponseWriter) {
	w.Header().Set("Clear-Site-Data", `"cache"`)
	for _, name := range s.SessionCookies {
		http.SetCookie(w, s.Cookies.Expire(name))
	}
}

// maxNext bounds the address that the way leads back to, in bytes.
const maxNext = 4096

// OwnPath returns the path and query that next leads to on this server; "" when it
// leads anywhere else or could be read so. A browser takes a backslash for a
// slash, drops tabs and line ends, and reads two slashes as the beginning of a
// host: text with any of them, escaped ones included, is refused rather than repaired.
func OwnPath(next, issuer string) string {
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

// misread reports whether browsers read a character as another one, or drop it.
func misread(c rune) bool { return c == '\\' || c < ' ' || c == 0x7f }

// ToSignInAgain redirects somebody whose sign-in was too long ago to sign in again, and
// from there back to a page of this server.
func (s *Site) ToSignInAgain(w http.ResponseWriter, back string) error {
	q := url.Values{"next": {s.Base + back}, "notice": {"again"}, "again": {"true"}}
	return s.SeeOther(w, PathLogin+"?"+q.Encode())
}

// SetSession sets the cookie of a session that begins.
func (s *Site) SetSession(w http.ResponseWriter, session Session) {
	s.Cookies.SetSession(w, s.SessionCookies, session.Value.Reveal(), session.Lifetime)
}
