package account

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/webui/kit"
	"github.com/bearerd/bearerd/internal/webui/tokenrow"
)

// tokenPages are the pages of a user's own tokens.
type tokenPages struct {
	*kit.Site

	Issuance  *issuance.Issuance
	Tokens    *credentials.Tokens
	Revoker   *revoking.Revoker
	Directory *directory.Directory
	Policy    issuance.Policy
	Overlap   time.Duration // how long an old value stays valid when nothing is chosen, offered first
}

// pathNew is the page on which a token is created.
const pathNew = kit.PathTokens + "/new" // #nosec G101 -- a path

// register mounts the pages.
func (p *tokenPages) register(mux *http.ServeMux) {
	p.User(mux, "GET /auth/{$}", p.home)
	p.User(mux, "GET "+kit.PathTokens, p.list)
	p.User(mux, "GET "+pathNew, p.newPage)
	p.User(mux, "POST "+pathNew, p.createToken)
	p.User(mux, "POST "+kit.PathTokens, p.createToken)
	p.User(mux, "GET /auth/tokens/{id}", p.show)
	p.User(mux, "GET /auth/tokens/{id}/regenerate", p.regeneratePage)
	p.User(mux, "POST /auth/tokens/{id}/regenerate", p.regenerate)
	p.User(mux, "GET /auth/tokens/{id}/revoke", p.revokePage)
	p.User(mux, "POST /auth/tokens/{id}/revoke", p.revoke)
	p.User(mux, "GET /auth/tokens/revoke-all", p.revokeAllPage)
	p.User(mux, "POST /auth/tokens/revoke-all", p.revokeAll)
}

// home redirects to the page of the user's tokens.
func (p *tokenPages) home(w http.ResponseWriter, r *kit.Request) error {
	return p.SeeOther(w, kit.PathTokens)
}

// tokenList is the page of a user's tokens.
type tokenList struct {
	kit.List
	Notice    string
	Rows      []tokenrow.Row
	Connected []tokenrow.Row // clients that act for the user
	Nested    bool           // some tokens are listed beneath the application that created them
}

// list answers with the caller's tokens.
func (p *tokenPages) list(w http.ResponseWriter, r *kit.Request) error {
	asked := r.URL.Query()
	list := tokenList{List: tokenrow.NewList(kit.PathTokens, asked), Notice: kit.Notice(asked.Get("notice"))}
	q := tokenrow.Query(list.List, asked.Get("after"), p.Now())
	q.Owner = r.Caller.ID()
	page, err := p.Tokens.TokenList(r.Context(), r.Caller, q)
	if err != nil {
		return err
	}
	total, err := p.Tokens.TokenTotal(r.Context(), r.Caller, q)
	if err != nil {
		return err
	}
	list.After(page.Next)
	list.Counted(total)
	if list.First && !list.Narrow {
		if list.Connected, err = p.connected(r); err != nil {
			return err
		}
	}
	names, err := tokenrow.Names(r, p.Directory, page.Items...)
	if err != nil {
		return err
	}
	for _, t := range page.Items {
		row := tokenrow.Of(t, names, p.Now())
		parent := slices.IndexFunc(list.Connected, func(app tokenrow.Row) bool { return slices.Contains(t.Chain, app.ID) })
		if parent >= 0 {
			list.Connected[parent].Children, list.Nested = append(list.Connected[parent].Children, row), true
			continue
		}
		list.Rows = append(list.Rows, row)
	}
	return p.Render(w, r, http.StatusOK, "tokens", "Your tokens", list)
}

// connected returns the clients that somebody has allowed to act as them.
func (p *tokenPages) connected(r *kit.Request) (rows []tokenrow.Row, err error) {
	page, err := p.Tokens.TokenList(r.Context(), r.Caller, records.TokenQuery{
		Owner: r.Caller.ID(), Kinds: []token.Kind{token.KindGrant}, State: records.ValidOnly, Limit: kit.Listed,
	})
	if err != nil {
		return nil, err
	}
	names, err := tokenrow.Names(r, p.Directory, page.Items...)
	if err != nil {
		return nil, err
	}
	for _, t := range page.Items {
		row := tokenrow.Of(t, names, p.Now())
		if len(p.Policy.Resources) > 0 {
			row.Resource = t.Audience
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// tokenPage is the page of one token.
type tokenPage struct {
	Token    tokenrow.Row
	Activity []tokenrow.Event
	More     bool   // there is more activity than is shown
	Mine     bool   // it is the caller's own
	Whose    string // the name of its owner, for administrators
}

// show answers with the page of one of the caller's tokens.
func (p *tokenPages) show(w http.ResponseWriter, r *kit.Request) error {
	x, err := p.find(r)
	if err != nil {
		return err
	}
	view := tokenPage{Token: x.Token, Mine: x.Token.Owner == r.Caller.ID()}
	if !view.Mine && x.Token.Owner != "" {
		u, err := p.Directory.User(r.Context(), r.Caller, x.Token.Owner)
		if err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Forbidden) {
			return err
		}
		view.Whose = u.Username
	}
	if view.Activity, view.More, err = tokenrow.Activity(r, p.Tokens, x.Token.ID); err != nil {
		return err
	}
	return p.Render(w, r, http.StatusOK, "token", x.Token.Name, view)
}

// revokeAllView is the page that asks before everything is revoked.
type revokeAllView struct {
	Active string // how many of the user's tokens
}

func (p *tokenPages) revokeAllPage(w http.ResponseWriter, r *kit.Request) error {
	total, err := p.Tokens.TokenTotal(r.Context(), r.Caller, records.TokenQuery{Owner: r.Caller.ID(), Kinds: tokenrow.Kinds(), State: records.ValidOnly})
	if err != nil {
		return err
	}
	view := revokeAllView{Active: kit.Count(int64(total.Count), "token")}
	if total.More {
		view.Active = "more than " + strconv.Itoa(total.Count) + " tokens"
	}
	return p.Render(w, r, http.StatusOK, "revokeall", "Revoke everything", view)
}

// revokeAll revokes every token and session of the caller's, this one included.
func (p *tokenPages) revokeAll(w http.ResponseWriter, r *kit.Request) error {
	if _, err := p.Revoker.RevokeAll(r.Context(), r.Caller, r.Caller.ID()); err != nil {
		return err
	}
	p.ForgetSessions(w)
	return p.SeeOther(w, kit.PathLogin+"?notice=revoked-all")
}
