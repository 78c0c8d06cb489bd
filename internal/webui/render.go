package webui

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// contentPolicy lets a page load its stylesheet, script and icon from this server
// and send its forms there; nothing else, and no frame may hold it.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// field is one field of a form that comes back: what was typed, and what is wrong
// with it.
type field struct{ Value, Error string }

// frame is what every template is given: what is around a page, and the page.
type frame struct {
	Title         string
	Username      string // "" when nobody is signed in
	Admin         bool
	DeveloperPage bool
	Explorer      string // the path of the API explorer; "" where there is none
	Path          string
	Menu          []link // of administration
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

// render answers with a page for the caller of the request.
func (p *Pages) render(w http.ResponseWriter, r *request, status int, name, title string, data any) error {
	f := frame{Title: title, DeveloperPage: p.DeveloperPrefix != "", Path: r.URL.Path, Page: data}
	if p.Explorer != nil {
		f.Explorer = pathExplorer
	}
	if r.caller != nil && !r.caller.Subject.Client {
		f.Username = r.caller.Subject.Username
		f.Admin = r.caller.Subject.May(access.Any, access.Root).Allowed
		f.Menu = menu(r.URL.Path)
	}
	return p.writePage(w, status, name, f)
}

// writePage answers with a page, complete before the first byte is sent, or writes nothing and returns an error.
func (p *Pages) writePage(w http.ResponseWriter, status int, name string, f frame) error {
	var body bytes.Buffer
	if err := p.theme.pages[name].Execute(&body, f); err != nil {
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
func (p *Pages) writeError(w http.ResponseWriter, r *http.Request, err error) {
	if wantsJSON(r) {
		httpkit.Problems(p.Challenge)(w, r, err)
		return
	}
	p.setFailureHeaders(w, err)
	status := httpkit.Status(fault.KindOf(err))
	x := failure{Message: sentence(fault.Message(err)), RequestID: httpkit.EventOf(r.Context()).RequestID()}
	f := frame{Title: http.StatusText(status), Page: x}
	if err := p.writePage(w, status, "error", f); err != nil {
		http.Error(w, x.Message, status)
	}
}

// setFailureHeaders sets what goes with the status of an error.
func (p *Pages) setFailureHeaders(w http.ResponseWriter, err error) {
	httpkit.SetRetryAfter(w, err)
	if c, ok := p.Challenge.For(err); ok && httpkit.Status(fault.KindOf(err)) == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", c.String())
	}
}

// wantsJSON reports whether the request is a script's rather than a browser's.
func wantsJSON(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html")
}

// sentence returns an error message as a sentence of its own.
func sentence(message string) string {
	if message == "" {
		return ""
	}
	return strings.ToUpper(message[:1]) + strings.TrimSuffix(message[1:], ".") + "."
}
