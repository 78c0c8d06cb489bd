package account

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/usage"
	"github.com/bearerd/bearerd/internal/uses"
	"github.com/bearerd/bearerd/internal/webui/kit"
	"github.com/bearerd/bearerd/internal/webui/tokenrow"
)

// usePages show what a token was used for, and replace it by a smaller one.
type usePages struct {
	*tokenPages

	Usage *usage.Reader
}

// register mounts the pages.
func (p *usePages) register(mux *http.ServeMux) {
	p.User(mux, "GET /auth/tokens/{id}/uses", p.page)
	p.User(mux, "GET /auth/tokens/{id}/smaller", p.back)
	p.User(mux, "POST /auth/tokens/{id}/smaller", p.shrink)
}

// smallerOverlaps are for how many seconds an old token may stay valid beside a smaller one.
var smallerOverlaps = []kit.Choice{
	{Value: "604800", Text: "in 7 days", Chosen: true},
	{Value: "86400", Text: "in a day"},
	{Value: "2592000", Text: "in 30 days"},
}

// tokenUses is the page of a token's uses.
type tokenUses struct {
	Token    tokenrow.Row
	Lines    []useLine
	Scopes   []scopeUse
	Unused   []string
	Unseen   bool
	Unasked  bool
	Overlaps []kit.Choice // none: it can't be replaced
	Error    string
}

// useLine is one way in which a token was used.
type useLine struct {
	Route, Methods, Scope, Collection string
	First, Last                       time.Time
	Count                             int64
}

// scopeUse is a scope of the token, and whether the smaller one has it.
type scopeUse struct {
	Name         string
	Used, Chosen bool
}

// report reads what one of the caller's tokens was used for.
func (p *usePages) report(r *kit.Request) (x tokenUses, err error) {
	report, err := p.Usage.Of(r.Context(), r.Caller, r.PathValue("id"))
	if err != nil {
		return x, err
	}
	ids := []int64{}
	if c := report.Token.Collection; c != nil {
		ids = append(ids, *c)
	}
	for _, u := range report.Lines {
		if u.Collection != uses.NoCollection {
			ids = append(ids, u.Collection)
		}
	}
	names, err := p.Directory.CollectionNames(r.Context(), r.Caller, ids)
	if err != nil {
		return x, err
	}
	x = tokenUses{
		Token: tokenrow.Of(report.Token, names, p.Now()), Unused: report.Unused, Unseen: report.Unseen, Unasked: report.Unasked,
	}
	for _, u := range report.Lines {
		line := useLine{Route: u.Route, Methods: "changing", Scope: u.Scope, First: u.FirstAt, Last: u.LastAt, Count: u.Count}
		if u.Safe {
			line.Methods = "reading"
		}
		if u.Collection != uses.NoCollection {
			line.Collection = tokenrow.CollectionName(u.Collection, names)
		}
		x.Lines = append(x.Lines, line)
	}
	for _, name := range report.Token.Scope {
		used := !slices.Contains(report.Unused, name)
		x.Scopes = append(x.Scopes, scopeUse{Name: name, Used: used, Chosen: used})
	}
	if x.Token.Renewable && report.Token.Kind == token.KindAPIToken && report.Token.Reason == "" && report.Token.Owner == r.Caller.ID() && len(x.Scopes) > 0 {
		x.Overlaps = smallerOverlaps
	}
	return x, nil
}

func (p *usePages) page(w http.ResponseWriter, r *kit.Request) error {
	x, err := p.report(r)
	if err != nil {
		return err
	}
	return p.render(w, r, http.StatusOK, x)
}

// back redirects somebody who had to sign in before sending the form to the page with the
// form.
func (p *usePages) back(w http.ResponseWriter, r *kit.Request) error {
	return p.SeeOther(w, kit.PathTokens+"/"+url.PathEscape(r.PathValue("id"))+"/uses")
}

func (p *usePages) render(w http.ResponseWriter, r *kit.Request, status int, x tokenUses) error {
	return p.Render(w, r, status, "uses", "Uses of "+x.Token.Name, x)
}

// shrink creates the smaller token and shows its value, only once.
func (p *usePages) shrink(w http.ResponseWriter, r *kit.Request) error {
	form, err := httpkit.FormLists(w, r.Request, "scope")
	if err != nil {
		return err
	}
	x, err := p.report(r)
	if err != nil {
		return err
	}
	for i := range x.Scopes {
		x.Scopes[i].Chosen = slices.Contains(form["scope"], x.Scopes[i].Name)
	}
	overlap, err := issuance.ParseLifetime(form.Get("overlap"))
	if err != nil {
		x.Error = "Choose when the old token ends."
		return p.render(w, r, http.StatusBadRequest, x)
	}
	issued, err := p.Tokens.Shrink(r.Context(), r.Caller, x.Token.ID, credentials.Smaller{Scope: form["scope"], Overlap: overlap})
	switch kind := fault.KindOf(err); {
	case err == nil:
	case kind == fault.Conflict || kind == fault.Invalid || kind == fault.Forbidden || kind == fault.InvalidScope:
		x.Error = kit.Sentence(fault.Message(err))
		return p.render(w, r, httpkit.Status(kind), x)
	default:
		return err
	}
	m := newMade(p.Issuer, issued, x.Token.Name, nil)
	m.Collection, m.OldDies = x.Token.Collection, "in "+kit.InWords(time.Duration(overlap)*time.Second)
	return p.renderMade(w, r, http.StatusCreated, m)
}
