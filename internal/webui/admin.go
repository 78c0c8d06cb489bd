package webui

import (
	"context"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/issuance"
)

// pathAdmin is where the pages of administration stand.
const pathAdmin = "/auth/admin/"

// sections are the pages of administration, in the order of their links.
var sections = []struct{ name, title string }{
	{"", "Overview"},
	{"users", "Users"},
	{"collections", "Collections"},
	{"roles", "Roles"},
	{"bindings", "Bindings"},
	{"clients", "Clients"},
	{"keys", "Keys"},
	{"audit", "Audit log"},
	{"inspector", "Inspector"},
}

// link is a link of a menu.
type link struct {
	Path, Title string
	Current     bool
}

// menu returns the links between the pages of administration; none on other pages.
func menu(path string) []link {
	rest, found := strings.CutPrefix(path, pathAdmin)
	if !found {
		return nil
	}
	current, _, _ := strings.Cut(rest, "/")
	links := make([]link, len(sections))
	for i, s := range sections {
		links[i] = link{Path: pathAdmin + s.name, Title: s.title, Current: s.name == current}
	}
	return links
}

// admin mounts a page for administrators.
func (p *Pages) admin(mux *http.ServeMux, pattern string, serve page) {
	p.user(mux, pattern, func(w http.ResponseWriter, r *request) error {
		if err := r.caller.RequireAdministrator(); err != nil {
			return err
		}
		return serve(w, r)
	})
}

// adminForms mounts a page for administrators, and what its forms do, by their names.
func (p *Pages) adminForms(mux *http.ServeMux, name string, show showForms, forms map[string]formAction) {
	p.admin(mux, "GET "+pathAdmin+name, func(w http.ResponseWriter, r *request) error {
		return show(w, r, http.StatusOK, formState{Notice: notices[r.URL.Query().Get("notice")]})
	})
	p.admin(mux, "POST "+pathAdmin+name, func(w http.ResponseWriter, r *request) error { return p.run(w, r, show, forms) })
}

// showForms answers with a page that has forms.
type showForms func(w http.ResponseWriter, r *request, status int, s formState) error

// formState is what every page with forms of administration has.
type formState struct {
	Notice  string
	Warning string     // what to mind of what was done
	Problem string     // what is wrong with the form that was sent
	At      string     // that form's name
	About   string     // the field of the form that is wrong; empty: the form as a whole
	Typed   url.Values // what it held, without secrets
}

// Old returns what a field of a form shows: what was typed when the form comes back,
// else what is stored.
func (s formState) Old(form, name, stored string) string {
	if s.At == form {
		return s.Typed.Get(name)
	}
	return stored
}

// Ticked reports whether a box of a form is ticked, likewise.
func (s formState) Ticked(form, name, value string, stored bool) bool {
	if s.At != form {
		return stored
	}
	return slices.Contains(s.Typed[name], value)
}

// General returns what is wrong with the form as a whole; empty when one of its
// fields is wrong.
func (s formState) General() string {
	if s.About != "" {
		return ""
	}
	return s.Problem
}

// Error returns what is wrong with a field of a form.
func (s formState) Error(form, name string) string {
	if s.At == form && s.About == name {
		return s.Problem
	}
	return ""
}

// Attr returns the attributes that tie a field to its hint and to what is wrong with it.
func (s formState) Attr(form, name, hint string) template.HTMLAttr {
	described, invalid := hint, ""
	if s.Error(form, name) != "" {
		described, invalid = strings.TrimSpace(hint+" "+form+"-"+name+"-error"), ` aria-invalid="true"`
	}
	if described == "" {
		return ""
	}
	return template.HTMLAttr(` aria-describedby="` + described + `"` + invalid) //nolint:gosec // the template's own words
}

// formAction is what one form of a page does.
type formAction struct {
	do func(r *request, form url.Values) (result, error)
	// ask is what is asked before it is done; nil: nothing. The error is that what it
	// would be done to isn't there.
	ask func(r *request, form url.Values) (question, error)
	// fields are the fields that the form marks when they are wrong, by the names that
	// errors have for them.
	fields map[string]string
}

// fieldsNamed returns the fields of a form that have the names that errors use.
func fieldsNamed(fields ...string) map[string]string {
	m := make(map[string]string, len(fields))
	for _, f := range fields {
		m[f] = f
	}
	return m
}

// result is what a form did: a page to go to, a text to show, or a value that is
// shown only once.
type result struct {
	to     string
	text   string
	warn   bool // the text is to be minded
	secret *clientSecret
	link   *madeLink
	// session is one that begins in place of the one that asked; nil: it goes on.
	session *issuance.Issued
}

// question is asked before what can't be undone.
type question struct {
	Title  string
	Text   []string
	Picks  []pick // what is asked besides
	Yes    string
	Fields []pair // the form that was sent
	Back   string
}

// pick is a field of which one option is picked.
type pick struct {
	Name, Legend string
	Options      []choice
}

// asks returns a question in which NAME stands for the value of a field.
func asks(field, title, yes string, text ...string) func(*request, url.Values) (question, error) {
	return func(_ *request, form url.Values) (question, error) {
		q := question{Title: strings.ReplaceAll(title, "NAME", form.Get(field)), Yes: yes}
		for _, line := range text {
			q.Text = append(q.Text, strings.ReplaceAll(line, "NAME", form.Get(field)))
		}
		return q, nil
	}
}

type pair struct{ Name, Value string }

// secretFields are never shown again.
var secretFields = []string{"password", "current_password", "token"}

// run does what a form asks for. It asks first about what can't be undone, and shows
// an error on the page of the form.
func (p *Pages) run(w http.ResponseWriter, r *request, show showForms, forms map[string]formAction) error {
	form, err := httpkit.FormLists(w, r.Request, "grants")
	if err != nil {
		return err
	}
	name := form.Get("do")
	one, known := forms[name]
	if !known {
		return fault.New(fault.Invalid, "this page has no form of that name")
	}
	if one.ask != nil && form.Get("confirm") != "yes" {
		q, err := one.ask(r, form)
		if err != nil {
			return err
		}
		for name, values := range form {
			for _, value := range values {
				q.Fields = append(q.Fields, pair{name, value})
			}
		}
		q.Back = r.URL.Path
		return p.render(w, r, http.StatusOK, "confirm", q.Title, q)
	}
	done, err := one.do(r, form)
	if err != nil {
		// The page again with what was typed, when the error is about that.
		kind, about := fault.KindOf(err), one.fields[fault.FieldOf(err)]
		s := formState{At: name, Typed: maps.Clone(form), About: about, Problem: sentence(fault.Message(err))}
		switch {
		case kind == fault.Invalid, kind == fault.InvalidScope, kind == fault.NotFound, kind == fault.Conflict:
		case kind == fault.Forbidden && about != "":
		case kind == fault.Limited:
			s.Problem += " Try again in " + inWords(fault.RetryAfter(err)) + "."
		default:
			return err
		}
		if wantsJSON(r.Request) {
			return err
		}
		p.setFailureHeaders(w, err)
		for _, name := range secretFields {
			s.Typed.Del(name)
		}
		return show(w, r, httpkit.Status(kind), s)
	}
	if done.session != nil {
		p.Cookies.SetSession(w, p.SessionCookies, done.session.Value.Reveal(), time.Duration(done.session.Lifetime)*time.Second)
	}
	switch {
	case done.link != nil:
		return p.render(w, r, http.StatusCreated, "passwordlinkmade", "A link to set a password", done.link)
	case done.secret != nil:
		return p.render(w, r, http.StatusCreated, "secret", "The client's secret", done.secret)
	case done.warn:
		return show(w, r, http.StatusOK, formState{Warning: done.text})
	case done.text != "":
		return show(w, r, http.StatusOK, formState{Notice: done.text})
	}
	return p.seeOther(w, done.to)
}

// reading is what a form does with what it spells, and the page that it leads to then.
func reading[T any](read func(url.Values) (T, error), to string, do func(context.Context, *caller.Caller, T) error) func(*request, url.Values) (result, error) {
	return func(r *request, form url.Values) (result, error) {
		it, err := read(form)
		if err != nil {
			return result{}, err
		}
		return result{to: to}, do(r.Context(), r.caller, it)
	}
}

// words splits text at commas and line ends, and drops what is empty.
func words(text, separators string) []string {
	var list []string
	for _, word := range strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(separators, c) }) {
		if word = strings.TrimSpace(word); word != "" {
			list = append(list, word)
		}
	}
	return list
}
