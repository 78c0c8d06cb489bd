package kit

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
	"github.com/bearerd/bearerd/internal/token"
)

// Show answers with a page that has forms.
type Show func(w http.ResponseWriter, r *Request, status int, s State) error

// State is what every page with forms has.
type State struct {
	Notice  string
	Warning string     // a warning about what was done
	Problem string     // what is wrong with the form that was sent
	At      string     // that form's name
	About   string     // the field of the form that is wrong; empty: the form as a whole
	Typed   url.Values // what it held, without secrets
}

// Old returns what a field of a form shows: what was typed when the form comes back,
// else what is stored.
func (s State) Old(form, name, stored string) string {
	if s.At == form {
		return s.Typed.Get(name)
	}
	return stored
}

// Ticked reports whether a box of a form is ticked, likewise.
func (s State) Ticked(form, name, value string, stored bool) bool {
	if s.At != form {
		return stored
	}
	return slices.Contains(s.Typed[name], value)
}

// General returns what is wrong with the form as a whole; empty when one of its
// fields is wrong.
func (s State) General() string {
	if s.About != "" {
		return ""
	}
	return s.Problem
}

// Error returns what is wrong with a field of a form.
func (s State) Error(form, name string) string {
	if s.At == form && s.About == name {
		return s.Problem
	}
	return ""
}

// Attr returns the attributes that connect a field to its hint and its error.
func (s State) Attr(form, name, hint string) template.HTMLAttr {
	described, invalid := hint, ""
	if s.Error(form, name) != "" {
		described, invalid = strings.TrimSpace(hint+" "+form+"-"+name+"-error"), ` aria-invalid="true"`
	}
	if described == "" {
		return ""
	}
	return template.HTMLAttr(` aria-describedby="` + described + `"` + invalid) //nolint:gosec // the template's own words
}

// Action is what one form of a page does.
type Action struct {
	Do func(r *Request, form url.Values) (Result, error)
	// Ask returns the question to ask before it is done; nil: nothing is asked. The error
	// is returned when the thing that it is about doesn't exist.
	Ask func(r *Request, form url.Values) (Question, error)
	// Fields are the fields that the form marks when they are wrong, by the names that
	// errors have for them.
	Fields map[string]string
}

// FieldsNamed returns the fields of a form that have the names that errors use.
func FieldsNamed(fields ...string) map[string]string {
	m := make(map[string]string, len(fields))
	for _, f := range fields {
		m[f] = f
	}
	return m
}

// Result is what a form did: a page to go to, a text to show, or a page that is
// shown only once.
type Result struct {
	To   string
	Text string
	Warn bool   // the text is a warning
	Once *Shown // a value that is shown only once
	// Session is a new session in place of the one that sent the form; nil: that one goes on.
	Session *Session
}

// Shown is a page that answers a form.
type Shown struct {
	Template, Title string
	Data            any
}

// Session is a session that begins.
type Session struct {
	Value    token.Secret
	Lifetime time.Duration
}

// Question is asked before what can't be undone.
type Question struct {
	Title  string
	Text   []string
	Picks  []Pick // what is asked besides
	Yes    string
	Fields []Pair // the form that was sent
	Back   string
}

// Pick is a field of which one option is picked.
type Pick struct {
	Name, Legend string
	Options      []Choice
}

// Asks returns a question in which NAME is replaced by the value of a field.
func Asks(field, title, yes string, text ...string) func(*Request, url.Values) (Question, error) {
	return func(_ *Request, form url.Values) (Question, error) {
		q := Question{Title: strings.ReplaceAll(title, "NAME", form.Get(field)), Yes: yes}
		for _, line := range text {
			q.Text = append(q.Text, strings.ReplaceAll(line, "NAME", form.Get(field)))
		}
		return q, nil
	}
}

// Pair is a name with its value.
type Pair struct{ Name, Value string }

// secretFields are never shown again.
var secretFields = []string{"password", "current_password", "token"}

// RunForm does what a form asks for. It asks first about what can't be undone, and shows
// an error on the page of the form.
func (s *Site) RunForm(w http.ResponseWriter, r *Request, show Show, forms map[string]Action) error {
	form, err := httpkit.FormLists(w, r.Request, "grants")
	if err != nil {
		return err
	}
	name := form.Get("do")
	one, known := forms[name]
	if !known {
		return fault.New(fault.Invalid, "this page has no form of that name")
	}
	if one.Ask != nil && form.Get("confirm") != "yes" {
		q, err := one.Ask(r, form)
		if err != nil {
			return err
		}
		for name, values := range form {
			for _, value := range values {
				q.Fields = append(q.Fields, Pair{name, value})
			}
		}
		q.Back = r.URL.Path
		return s.Render(w, r, http.StatusOK, "confirm", q.Title, q)
	}
	done, err := one.Do(r, form)
	if err != nil {
		// The page again with what was typed, when the error is about that.
		kind, about := fault.KindOf(err), one.Fields[fault.FieldOf(err)]
		state := State{At: name, Typed: maps.Clone(form), About: about, Problem: Sentence(fault.Message(err))}
		switch {
		case kind == fault.Invalid, kind == fault.InvalidScope, kind == fault.NotFound, kind == fault.Conflict:
		case kind == fault.Forbidden && about != "":
		case kind == fault.Limited:
			state.Problem += " Try again in " + InWords(fault.RetryAfter(err)) + "."
		default:
			return err
		}
		if WantsJSON(r.Request) {
			return err
		}
		s.SetFailureHeaders(w, err)
		for _, name := range secretFields {
			state.Typed.Del(name)
		}
		return show(w, r, httpkit.Status(kind), state)
	}
	if done.Session != nil {
		s.SetSession(w, *done.Session)
	}
	switch {
	case done.Once != nil:
		return s.Render(w, r, http.StatusCreated, done.Once.Template, done.Once.Title, done.Once.Data)
	case done.Warn:
		return show(w, r, http.StatusOK, State{Warning: done.Text})
	case done.Text != "":
		return show(w, r, http.StatusOK, State{Notice: done.Text})
	}
	return s.SeeOther(w, done.To)
}

// Reading returns the action of a form that reads a value, acts on it, and then redirects
// to a page.
func Reading[T any](read func(url.Values) (T, error), to string, do func(context.Context, *caller.Caller, T) error) func(*Request, url.Values) (Result, error) {
	return func(r *Request, form url.Values) (Result, error) {
		it, err := read(form)
		if err != nil {
			return Result{}, err
		}
		return Result{To: to}, do(r.Context(), r.Caller, it)
	}
}

// Words splits text at commas and line ends, and drops what is empty.
func Words(text, separators string) []string {
	var list []string
	for _, word := range strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(separators, c) }) {
		if word = strings.TrimSpace(word); word != "" {
			list = append(list, word)
		}
	}
	return list
}
