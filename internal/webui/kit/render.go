package kit

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// ContentPolicy lets a page load its stylesheet, script and icon from this server
// and send its forms there; nothing else, and no frame may hold it.
const ContentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// frame is the data of every template: what is around a page, and the page.
type frame struct {
	Title         string
	Site          string // what this server is called
	Mark          string // the asset beside that name
	Username      string // "" when nobody is signed in
	Admin         bool
	DeveloperPage bool
	Explorer      string // the path of the API explorer; "" where there is none
	Path          string
	Menu          []Link // of administration
	Page          any
}

// Within reports whether the page is the one at a path, "page", or one of those beneath
// it, "true"; "" when it is neither.
func (f frame) Within(path string) string {
	switch {
	case f.Path == path:
		return "page"
	case strings.HasPrefix(f.Path, path+"/"):
		return "true"
	}
	return ""
}

// frame returns what is around every page.
func (s *Site) frame(title string) frame {
	f := frame{Title: title, Site: s.Name, Mark: "icon.svg"}
	if s.Logo != nil {
		f.Mark = logoName
	}
	return f
}

// Refuse answers a request for a page that isn't there, or that is asked for by another
// method: with a page for a browser, and a problem of RFC 9457 for everybody else.
func (s *Site) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		httpkit.Problems(s.Challenge)(w, r, err)
		return
	}
	httpkit.SecurityHeaders(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", ContentPolicy)
		httpkit.NoStore(w)
		s.writeError(w, r, err)
	})).ServeHTTP(w, r)
}

// Render answers with a page for the caller of the request.
func (s *Site) Render(w http.ResponseWriter, r *Request, status int, name, title string, data any) error {
	f := s.frame(title)
	f.DeveloperPage, f.Path, f.Page = s.DeveloperPage, r.URL.Path, data
	if s.Explorer {
		f.Explorer = PathExplorer
	}
	if r.Caller != nil && !r.Caller.Subject.Client {
		f.Username = r.Caller.Subject.Username
		f.Admin = r.Caller.Subject.May(access.Any, access.Root).Allowed
		if s.Menu != nil {
			f.Menu = s.Menu(r.URL.Path)
		}
	}
	return s.writePage(w, status, name, f)
}

// writePage answers with a page, complete before the first byte is sent, or writes nothing and returns an error.
func (s *Site) writePage(w http.ResponseWriter, status int, name string, f frame) error {
	var body bytes.Buffer
	if err := s.theme.pages[name]().Execute(&body, f); err != nil {
		return fmt.Errorf("rendering the page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
	return nil
}

// failure is what the page of an error shows.
type failure struct{ Message, RequestID string }

// writeError answers with the page of an error. A script that asks for JSON gets a
// problem of RFC 9457.
func (s *Site) writeError(w http.ResponseWriter, r *http.Request, err error) {
	if WantsJSON(r) {
		httpkit.Problems(s.Challenge)(w, r, err)
		return
	}
	s.SetFailureHeaders(w, err)
	status := httpkit.Status(fault.KindOf(err))
	x := failure{Message: Sentence(fault.Message(err)), RequestID: httpkit.EventOf(r.Context()).RequestID()}
	f := s.frame(http.StatusText(status))
	f.Page = x
	if err := s.writePage(w, status, "error", f); err != nil {
		http.Error(w, x.Message, status)
	}
}

// SetFailureHeaders sets what goes with the status of an error.
func (s *Site) SetFailureHeaders(w http.ResponseWriter, err error) {
	httpkit.SetRetryAfter(w, err)
	if c, ok := s.Challenge.For(err); ok && httpkit.Status(fault.KindOf(err)) == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", c.String())
	}
}

// WantsJSON reports whether the request is a script's rather than a browser's.
func WantsJSON(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html")
}

// Sentence returns an error message as a sentence of its own.
func Sentence(message string) string {
	if message == "" {
		return ""
	}
	return strings.ToUpper(message[:1]) + strings.TrimSuffix(message[1:], ".") + "."
}
