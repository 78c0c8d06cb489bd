package admin

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/webui/kit"
	"github.com/bearerd/bearerd/internal/webui/tokenrow"
)

// tokenPages are the pages of everybody's tokens.
type tokenPages struct {
	office

	Tokens    *credentials.Tokens
	Directory *directory.Directory
}

// tokensView is the page of everybody's tokens.
type tokensView struct {
	kit.List
	Rows  []tokenrow.Row
	Wrong string // what is wrong with the filter
}

const toTokens = kit.PathAdmin + "tokens"

// show answers with the tokens of all users.
func (p *tokenPages) show(w http.ResponseWriter, r *kit.Request) error {
	asked := r.URL.Query()
	view := tokensView{List: tokenrow.NewList(toTokens, asked, tokenrow.KindFilter(), tokenrow.ScopeFilter(), kit.Filter{Name: "user", Label: "User", Hint: "anybody"})}
	q := tokenrow.Query(view.List, asked.Get("after"), p.Now())
	if name := view.Asked("user"); name != "" {
		u, err := p.Directory.User(r.Context(), r.Caller, name)
		if fault.Is(err, fault.NotFound) {
			view.Wrong = "There is no user " + name + "."
			return p.Render(w, r, http.StatusOK, "admintokens", "Tokens", view)
		}
		if err != nil {
			return err
		}
		q.Owner = u.ID
	}
	page, err := p.Tokens.TokenList(r.Context(), r.Caller, q)
	if fault.Is(err, fault.Invalid) && fault.FieldOf(err) == "kind" {
		view.Wrong = "Tokens of this kind are listed newest or oldest first, and without these filters. Choose a user to filter them."
		return p.Render(w, r, http.StatusBadRequest, "admintokens", "Tokens", view)
	}
	if err != nil {
		return err
	}
	total, err := p.Tokens.TokenTotal(r.Context(), r.Caller, q)
	if err != nil {
		return err
	}
	view.After(page.Next)
	view.Counted(total)
	names, err := tokenrow.Names(r, p.Directory, page.Items...)
	if err != nil {
		return err
	}
	subjects := make([]string, len(page.Items))
	for i, t := range page.Items {
		subjects[i] = t.Owner
	}
	users, err := p.Directory.Usernames(r.Context(), r.Caller, subjects)
	if err != nil {
		return err
	}
	for _, t := range page.Items {
		row := tokenrow.Of(t, names, p.Now())
		row.Username = users[t.Owner]
		view.Rows = append(view.Rows, row)
	}
	return p.Render(w, r, http.StatusOK, "admintokens", "Tokens", view)
}
