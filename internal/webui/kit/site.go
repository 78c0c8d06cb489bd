// Package kit is what all of bearerd's web pages share: the layout around a page and the
// theme, who is signed in, the checks on a request, and forms that come back with what
// was typed and with errors.
//
// A package of pages (beside this one) has its own templates and operations; it mounts
// its pages on a [Site].
package kit

import (
	"context"
	"io/fs"
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// Paths of the pages that others link to.
const (
	PathLogin    = "/auth/login"
	PathTokens   = "/auth/tokens" // #nosec G101 -- a path
	PathDevice   = "/auth/device"
	PathAccount  = "/auth/account"
	PathAdmin    = "/auth/admin/"   // the pages of administration are beneath it
	PathWays     = "/auth/sign-in/" // the ways to sign in are beneath it, each by its name
	PathExplorer = "/auth/docs"
)

// Config is what the pages of a site have in common.
type Config struct {
	Issuer   string
	Now      func() time.Time
	Sessions func(ctx context.Context, raw string) (*caller.Caller, error) // returns whose session a value is

	CrossOrigin    *httpkit.CrossOrigin // nil: nobody can sign in or change anything
	Cookies        httpkit.Cookies      // how cookies are made
	SessionCookies []string             // those that carry a session; the first is the one that is set
	Challenge      httpkit.Challenge    // the challenge of a 401

	Name          string                   // what the pages call this server; "": bearerd
	Logo          *Logo                    // beside the name; nil: bearerd's own mark
	DeveloperPage bool                     // the links lead to the developer page
	Explorer      bool                     // and to the API explorer
	Menu          func(path string) []Link // the links of a part of the site; none elsewhere
}

// Site is what the pages have in common, and their theme.
type Site struct {
	Config

	Base  string // the issuer's path, which is put before every path of a link
	theme *theme
}

// New returns a site without pages.
func New(c Config) *Site {
	base := httpkit.IssuerPath(c.Issuer)
	s := &Site{Config: c, Base: base, theme: newTheme(base, c.Now)}
	if s.Name == "" {
		s.Name = "bearerd"
	}
	if c.Logo != nil {
		a := newAsset(c.Logo.Body)
		a.kind = c.Logo.Type
		s.theme.assets[logoName] = a
	}
	return s
}

// logoName is the asset that is the operator's logo.
const logoName = "logo"

// Use adds the templates of a package, each the page of its name. It panics when one
// doesn't parse, which a test would have shown.
func (s *Site) Use(templates fs.FS) { s.theme.addPages(templates) }

// UseAsset adds a file that pages refer to; zipped is set when its body is a gzip.
func (s *Site) UseAsset(name string, body []byte, zipped bool) {
	a := newAsset(body)
	a.zipped = zipped
	s.theme.assets[name] = a
}

// ServeAssets mounts the files that pages refer to.
func (s *Site) ServeAssets(mux *http.ServeMux) {
	mux.Handle("GET "+pathAssets+"{sum}/{name}", http.HandlerFunc(s.theme.serveAsset))
}

// Anybody mounts a page that needs no session. Its caller is known only where there is
// exactly one session: somebody with two can sign out here.
func (s *Site) Anybody(mux *http.ServeMux, pattern string, serve Handler) {
	s.mount(mux, pattern, func(w http.ResponseWriter, r *http.Request) error {
		c, err := s.caller(r)
		if err != nil && !Lost(err) && !fault.Is(err, fault.Invalid) {
			return err
		}
		return serve(w, &Request{Request: r, Caller: c})
	})
}

// User mounts a page that needs a session.
func (s *Site) User(mux *http.ServeMux, pattern string, serve Handler) {
	s.mount(mux, pattern, func(w http.ResponseWriter, r *http.Request) error {
		_, byToken, err := httpkit.Bearer(r)
		if err != nil {
			return err
		}
		if byToken {
			return fault.New(fault.Unauthenticated, "this page is for people who are signed in; tokens are for the API")
		}
		c, err := s.caller(r)
		if Lost(err) {
			return s.ToLogin(w, r, err)
		}
		if err != nil {
			return err
		}
		err = serve(w, &Request{Request: r, Caller: c})
		if fault.Is(err, fault.SignInAgain) && !WantsJSON(r) {
			return s.ToSignInAgain(w, r.URL.Path)
		}
		return err
	})
}

// mount mounts a page with the checks that every page needs.
func (s *Site) mount(mux *http.ServeMux, pattern string, serve httpkit.HandlerFunc) {
	s.MountFrom(mux, pattern, s.checkOrigin, serve)
}

// MountFrom is mount for a page that decides itself from which sites a request may come.
func (s *Site) MountFrom(mux *http.ServeMux, pattern string, check func(*http.Request) error, serve httpkit.HandlerFunc) {
	guarded := httpkit.Handle(func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Content-Security-Policy", ContentPolicy)
		httpkit.NoStore(w)
		if err := check(r); err != nil {
			return err
		}
		return serve(w, r)
	}, s.writeError)
	mux.Handle(pattern, httpkit.SecurityHeaders(guarded))
}

// checkOrigin refuses what another site made the browser send.
func (s *Site) checkOrigin(r *http.Request) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	if s.CrossOrigin == nil {
		return fault.New(fault.Forbidden, "these pages are read-only on this server")
	}
	return s.CrossOrigin.Check(r)
}

// SeeOther redirects the browser to one of these pages.
func (s *Site) SeeOther(w http.ResponseWriter, path string) error {
	return Redirect(w, s.Base+path)
}

// Redirect redirects the browser to a path of this host.
func Redirect(w http.ResponseWriter, path string) error {
	w.Header().Set("Location", path)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// Request is a request whose caller is known.
type Request struct {
	*http.Request
	Caller *caller.Caller // nil: nobody signed in, on pages that are for anybody
}

// Handler serves one page.
type Handler func(w http.ResponseWriter, r *Request) error

// Choice is one of a few values that a form offers.
type Choice struct {
	Value, Text string
	Chosen      bool
}

// ScopeChoice is a scope with what it lets a token do.
type ScopeChoice struct {
	Name, Text string
	Strong     bool // a built-in scope, which allows more than an application's data
	Chosen     bool
	Why        string // why it can't be chosen; "" when it can
}

// Way is one way to sign in, as a page shows it.
type Way struct {
	Name, Title string
	Address     string // where it begins, with the way back
	Away        bool   // it did not answer a moment ago
}

// Link is a link of a menu.
type Link struct {
	Path, Title string
	Current     bool
}

// Field is one field of a form that comes back: what was typed, and what is wrong
// with it.
type Field struct{ Value, Error string }
