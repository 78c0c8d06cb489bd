package account

import (
	"net/http"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/webui/kit"
	"github.com/bearerd/bearerd/internal/webui/tokenrow"
)

// tokenPages is the pages of one's own tokens.
type tokenPages struct {
	*kit.Site

	Issuance  *issuance.Issuance
	Revoker   *revoking.Revoker
	Directory *directory.Directory
	Policy    issuance.Policy
	Overlap   time.Duration // how long an old value lives when nothing is chosen, offered first
}

// register mounts the pages.
func (p *tokenPages) register(mux *http.ServeMux) {
	p.User(mux, "GET /auth/{$}", p.home)
	p.User(mux, "GET "+kit.PathTokens, p.tokensPage)
	p.User(mux, "POST "+kit.PathTokens, p.createToken)
	p.User(mux, "GET /auth/tokens/{id}/regenerate", p.regeneratePage)
	p.User(mux, "POST /auth/tokens/{id}/regenerate", p.regenerate)
	p.User(mux, "GET /auth/tokens/{id}/revoke", p.revokePage)
	p.User(mux, "POST /auth/tokens/{id}/revoke", p.revoke)
	p.User(mux, "GET /auth/tokens/revoke-all", p.revokeAllPage)
	p.User(mux, "POST /auth/tokens/revoke-all", p.revokeAll)
}

// home leads to the page that people come for.
func (p *tokenPages) home(w http.ResponseWriter, r *kit.Request) error {
	return p.SeeOther(w, kit.PathTokens)
}

// tokenList is the page of one's tokens.
type tokenList struct {
	Connected []tokenrow.Row // clients that act for the user
	Notice    string
	Active    []tokenrow.Row
	Nested    bool // some valid tokens stand beneath the application that created them
	Ended     []tokenrow.Row
	Next      string
	Form      tokenForm
}

// ownKinds are those that people make and look after.
var ownKinds = []token.Kind{token.KindAPIToken, token.KindExchangeKey}

func (p *tokenPages) tokensPage(w http.ResponseWriter, r *kit.Request) error {
	f, err := p.newTokenForm(r)
	if err != nil {
		return err
	}
	if q := r.URL.Query(); q.Has("name") { // back from signing in again
		f.read(q)
		f.unjudged()
	}
	return p.renderTokens(w, r, http.StatusOK, f)
}

// renderTokens answers with one's tokens and the form for another.
func (p *tokenPages) renderTokens(w http.ResponseWriter, r *kit.Request, status int, f tokenForm) error {
	q := r.URL.Query()
	list := tokenList{Notice: kit.Notice(q.Get("notice")), Form: f}
	page, err := p.Issuance.TokenList(r.Context(), r.Caller, records.TokenQuery{
		Owner: r.Caller.ID(), Kinds: ownKinds, After: q.Get("after"), Limit: tokenrow.Listed,
	})
	if err != nil {
		return err
	}
	list.Next = page.Next
	if list.Connected, err = p.connected(r, tokenrow.Names(f.Collections)); err != nil {
		return err
	}
	names := tokenrow.Names(f.Collections)
	for _, t := range page.Items {
		row := tokenrow.Of(t, names, p.Now())
		parent := slices.IndexFunc(list.Connected, func(app tokenrow.Row) bool { return slices.Contains(t.Chain, app.ID) })
		switch {
		case row.Reason != "":
			list.Ended = append(list.Ended, row)
		case parent >= 0:
			list.Connected[parent].Children, list.Nested = append(list.Connected[parent].Children, row), true
		default:
			list.Active = append(list.Active, row)
		}
	}
	return p.Render(w, r, status, "tokens", "Your tokens", list)
}

// connected returns the clients that somebody has allowed to act as them.
func (p *tokenPages) connected(r *kit.Request, names map[int64]string) (rows []tokenrow.Row, err error) {
	page, err := p.Issuance.TokenList(r.Context(), r.Caller, records.TokenQuery{
		Owner: r.Caller.ID(), Kinds: []token.Kind{token.KindGrant}, Limit: tokenrow.Listed,
	})
	if err != nil {
		return nil, err
	}
	for _, t := range page.Items {
		row := tokenrow.Of(t, names, p.Now())
		if row.Reason != "" {
			continue
		}
		if len(p.Policy.Resources) > 0 {
			row.Resource = t.Audience
		}
		rows = append(rows, row)
	}
	return rows, nil
}
