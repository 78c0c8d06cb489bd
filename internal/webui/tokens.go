package webui

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
)

// tokenRow is a stored token as its owner sees it.
type tokenRow struct {
	Resource   string // of a connected application: "" where there is only one
	ID         string
	Name       string
	Kind       string
	Shown      string // enough of the value to know it by
	Scope      []string
	Collection string // "": none
	Created    time.Time
	LastUsed   time.Time
	LastFrom   string
	Expires    time.Time
	SoonIn     string // how long it has, when that isn't long
	Ended      time.Time
	Reason     string     // why it ended; "" while it is valid
	Renewable  bool       // whether it can be given a new value
	Client     string     // that it was issued to; "": none
	KeepsEnd   bool       // a new value ends when this one does
	Children   []tokenRow // of a connected application: the valid tokens that it created
}

// tokenList is the page of one's tokens.
type tokenList struct {
	Connected []tokenRow // clients that act for the user
	Notice    string
	Active    []tokenRow
	Nested    bool // some valid tokens stand beneath the application that created them
	Ended     []tokenRow
	Next      string
	Form      tokenForm
}

// ownKinds are those that people make and look after.
var ownKinds = []token.Kind{token.KindAPIToken, token.KindExchangeKey}

// listedTokens is how many a page lists. Ended tokens are removed after 90 days, so few
// people ever see a second page.
const listedTokens = 500

func (p *Pages) tokensPage(w http.ResponseWriter, r *request) error {
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
func (p *Pages) renderTokens(w http.ResponseWriter, r *request, status int, f tokenForm) error {
	q := r.URL.Query()
	list := tokenList{Notice: notices[q.Get("notice")], Form: f}
	page, err := p.Tokens.TokenList(r.Context(), r.caller, records.TokenQuery{
		Owner: r.caller.ID(), Kinds: ownKinds, After: q.Get("after"), Limit: listedTokens,
	})
	if err != nil {
		return err
	}
	list.Next = page.Next
	if list.Connected, err = p.connected(r, f.collectionNames()); err != nil {
		return err
	}
	names := f.collectionNames()
	for _, t := range page.Items {
		row := p.row(t, names)
		parent := slices.IndexFunc(list.Connected, func(app tokenRow) bool { return slices.Contains(t.Chain, app.ID) })
		switch {
		case row.Reason != "":
			list.Ended = append(list.Ended, row)
		case parent >= 0:
			list.Connected[parent].Children, list.Nested = append(list.Connected[parent].Children, row), true
		default:
			list.Active = append(list.Active, row)
		}
	}
	return p.render(w, r, status, "tokens", "Your tokens", list)
}

// connected returns the clients that somebody has allowed to act as them.
func (p *Pages) connected(r *request, names map[int64]string) (rows []tokenRow, err error) {
	page, err := p.Tokens.TokenList(r.Context(), r.caller, records.TokenQuery{
		Owner: r.caller.ID(), Kinds: []token.Kind{token.KindGrant}, Limit: listedTokens,
	})
	if err != nil {
		return nil, err
	}
	for _, t := range page.Items {
		row := p.row(t, names)
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

// row returns what a page shows of a stored token; names are those of collections.
func (p *Pages) row(t records.StoredToken, names map[int64]string) tokenRow {
	now := p.Now()
	row := tokenRow{
		ID: t.ID, Name: t.Name, Kind: kindName(t.Kind), Shown: shown(t), Scope: t.Scope,
		Created: t.CreatedAt, LastUsed: t.LastUsedAt, LastFrom: t.LastUsedBy, Expires: t.ExpiresAt, Client: t.ClientID,
		KeepsEnd: len(t.Chain) > 0,
	}
	if row.Name == "" {
		row.Name = row.Kind
	}
	if t.Collection != nil {
		row.Collection = collectionName(*t.Collection, names)
	}
	if t.ExpiringSoon(now) {
		row.SoonIn = inWords(t.ExpiresAt.Sub(now))
	}
	at, reason, ended := t.End(now)
	if ended {
		row.Ended, row.Reason = at, reason
		if reason == "" {
			row.Reason = token.ReasonRevoked
		}
	}
	row.Renewable = !ended && t.Kind == token.KindAPIToken
	return row
}

// shown returns enough of a token to recognise it: the prefix and last four characters
// or, of a JWT, the beginning of its id.
func shown(t records.StoredToken) string {
	if t.Kind == token.KindGrant {
		return t.ClientID
	}
	if t.Last4 == "" {
		return "jti " + t.ID[:min(8, len(t.ID))] + "…"
	}
	return t.Prefix + "…" + t.Last4
}

func kindName(k token.Kind) string {
	switch k { //nolint:exhaustive // the others aren't listed
	case token.KindAPIToken:
		return "API token"
	case token.KindExchangeKey:
		return "API key"
	case token.KindRefresh:
		return "refresh token"
	case token.KindSession:
		return "session"
	case token.KindGrant:
		return "connected application"
	default:
		return k.String()
	}
}

func collectionName(id int64, names map[int64]string) string {
	number := strconv.FormatInt(id, 10)
	if name := names[id]; name != "" {
		return name + " (" + number + ")"
	}
	return number
}
