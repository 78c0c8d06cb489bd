package webui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/records"
)

// overlaps are the seconds that an old value may live on beside the new one.
var overlaps = []choice{
	{Value: "0", Text: "at once"},
	{Value: "3600", Text: "when the new one is first used, or in an hour"},
	{Value: "86400", Text: "when the new one is first used, or in a day"},
	{Value: "604800", Text: "when the new one is first used, or in 7 days"},
}

// oneToken is a page about one token.
type oneToken struct {
	Token    tokenRow
	Overlaps []choice
	Error    string
	// Descendants are those made from it that are stored and live: refresh tokens.
	Descendants []tokenRow
}

// find returns one of the caller's own tokens.
func (p *Pages) find(r *request) (oneToken, error) {
	t, err := p.Tokens.StoredToken(r.Context(), r.caller, r.PathValue("id"))
	if err != nil {
		return oneToken{}, err
	}
	names, err := p.Directory.CollectionsOpenTo(r.Context(), r.caller)
	if err != nil {
		return oneToken{}, err
	}
	return oneToken{Token: p.row(t, (&tokenForm{Collections: names}).collectionNames())}, nil
}

func (p *Pages) regeneratePage(w http.ResponseWriter, r *request) error {
	x, err := p.find(r)
	if err != nil {
		return err
	}
	// Before somebody chooses, not afterwards.
	if err := r.caller.RequireFreshSession(p.Now(), p.Policy.Fresh); err != nil {
		return err
	}
	x.choose(seconds(p.Overlap))
	return p.renderRegenerate(w, r, http.StatusOK, x)
}

func (p *Pages) renderRegenerate(w http.ResponseWriter, r *request, status int, x oneToken) error {
	return p.render(w, r, status, "regenerate", "New value for "+x.Token.Name, x)
}

// choose offers the overlaps with one of them chosen; one that isn't among them
// is added.
func (x *oneToken) choose(value string) {
	known := false
	for _, c := range overlaps {
		c.Chosen = c.Value == value
		known = known || c.Chosen
		x.Overlaps = append(x.Overlaps, c)
	}
	if n, err := issuance.ParseLifetime(value); !known && err == nil && n < int64(time.Duration(1<<62)/time.Second) {
		text := "when the new one is first used, or in " + inWords(time.Duration(n)*time.Second)
		x.Overlaps = append(x.Overlaps, choice{Value: value, Text: text, Chosen: true})
	}
}

// regenerate returns an API token a new value and shows it, this once.
func (p *Pages) regenerate(w http.ResponseWriter, r *request) error {
	form, err := httpkit.FormOrJSON(w, r.Request)
	if err != nil {
		return err
	}
	x, err := p.find(r)
	if err != nil {
		return err
	}
	x.choose(form.Get("overlap"))
	overlap, err := readOverlap(form)
	if err != nil {
		x.Error = "Choose when the old value stops working."
		return p.renderRegenerate(w, r, http.StatusBadRequest, x)
	}
	issued, err := p.Tokens.Regenerate(r.Context(), r.caller, x.Token.ID, overlap)
	switch kind := fault.KindOf(err); {
	case err == nil:
	case kind == fault.Conflict || kind == fault.Invalid || kind == fault.Forbidden || kind == fault.InvalidScope:
		x.Error = sentence(fault.Message(err))
		return p.renderRegenerate(w, r, httpkit.Status(kind), x)
	default:
		return err
	}
	m := p.made(issued, x.Token.Name, nil)
	m.Collection, m.OldDies = x.Token.Collection, "at once"
	if overlap > 0 {
		m.OldDies = "when this one is first used, and in " + inWords(time.Duration(overlap)*time.Second) + " at the latest"
	}
	return p.renderMade(w, r, http.StatusCreated, m)
}

// readOverlap reads for how long the old value lives on, in seconds; 0 when nothing
// is chosen.
func readOverlap(form url.Values) (int64, error) {
	text := form.Get("overlap")
	if text == "" || text == "0" {
		return 0, nil
	}
	return issuance.ParseLifetime(text)
}

func (p *Pages) revokePage(w http.ResponseWriter, r *request) error {
	x, err := p.find(r)
	if err != nil {
		return err
	}
	if x.Descendants, err = p.descendants(r, r.caller.ID(), x.Token.ID); err != nil {
		return err
	}
	return p.render(w, r, http.StatusOK, "revoke", "Revoke "+x.Token.Name, x)
}

// descendants lists what lives, is stored, and was made from a token.
func (p *Pages) descendants(r *request, owner, id string) ([]tokenRow, error) {
	page, err := p.Tokens.TokenList(r.Context(), r.caller, records.TokenQuery{Owner: owner, Limit: listedTokens})
	if err != nil {
		return nil, err
	}
	var rows []tokenRow
	for _, t := range page.Items {
		if row := p.row(t, nil); slices.Contains(t.Chain, id) && row.Reason == "" {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// revoke kills one of the caller's own tokens. Doing it twice is success.
func (p *Pages) revoke(w http.ResponseWriter, r *request) error {
	x, err := p.find(r)
	if err != nil {
		return err
	}
	if _, err := p.Revoker.RevokeID(r.Context(), r.caller, x.Token.ID); err != nil {
		return err
	}
	return p.seeOther(w, pathTokens+"?notice=revoked")
}

// revokeAllView is the page that asks before everything is revoked.
type revokeAllView struct {
	Active string // how many of one's tokens
}

func (p *Pages) revokeAllPage(w http.ResponseWriter, r *request) error {
	page, err := p.Tokens.TokenList(r.Context(), r.caller, records.TokenQuery{
		Owner: r.caller.ID(), Kinds: ownKinds, Limit: listedTokens,
	})
	if err != nil {
		return err
	}
	active := 0
	for _, t := range page.Items {
		if _, _, ended := t.End(p.Now()); !ended {
			active++
		}
	}
	view := revokeAllView{Active: count(int64(active), "token")}
	if page.Next != "" {
		view.Active = "more than " + strconv.Itoa(active) + " tokens"
	}
	return p.render(w, r, http.StatusOK, "revokeall", "Revoke everything", view)
}

// revokeAll revokes every token and session of the caller's, this one included.
func (p *Pages) revokeAll(w http.ResponseWriter, r *request) error {
	if _, err := p.Revoker.RevokeAll(r.Context(), r.caller, r.caller.ID()); err != nil {
		return err
	}
	p.forgetSessions(w)
	return p.seeOther(w, pathLogin+"?notice=revoked-all")
}
