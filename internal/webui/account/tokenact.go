package account

import (
	"net/http"
	"net/url"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/webui/kit"
	"github.com/bearerd/bearerd/internal/webui/tokenrow"
)

// overlaps are for how many seconds an old value may stay valid beside the new one.
var overlaps = []kit.Choice{
	{Value: "0", Text: "at once"},
	{Value: "3600", Text: "when the new one is first used, or in an hour"},
	{Value: "86400", Text: "when the new one is first used, or in a day"},
	{Value: "604800", Text: "when the new one is first used, or in 7 days"},
}

// oneToken is a page about one token.
type oneToken struct {
	Token    tokenrow.Row
	Overlaps []kit.Choice
	Error    string
	// Descendants are those made from it that are stored and live: refresh tokens.
	Descendants []tokenrow.Row
}

// find returns one of the caller's own tokens.
func (p *tokenPages) find(r *kit.Request) (oneToken, error) {
	t, err := p.Tokens.StoredToken(r.Context(), r.Caller, r.PathValue("id"))
	if err != nil {
		return oneToken{}, err
	}
	names, err := tokenrow.Names(r, p.Directory, t)
	return oneToken{Token: tokenrow.Of(t, names, p.Now())}, err
}

func (p *tokenPages) regeneratePage(w http.ResponseWriter, r *kit.Request) error {
	x, err := p.find(r)
	if err != nil {
		return err
	}
	// It is refused before somebody fills in the form, not afterwards.
	if err := r.Caller.RequireFreshSession(p.Now(), p.Policy.Fresh); err != nil {
		return err
	}
	x.choose(seconds(p.Overlap))
	return p.renderRegenerate(w, r, http.StatusOK, x)
}

func (p *tokenPages) renderRegenerate(w http.ResponseWriter, r *kit.Request, status int, x oneToken) error {
	return p.Render(w, r, status, "regenerate", "New value for "+x.Token.Name, x)
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
		text := "when the new one is first used, or in " + kit.InWords(time.Duration(n)*time.Second)
		x.Overlaps = append(x.Overlaps, kit.Choice{Value: value, Text: text, Chosen: true})
	}
}

// regenerate creates a new value for an API token and shows it, only once.
func (p *tokenPages) regenerate(w http.ResponseWriter, r *kit.Request) error {
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
	issued, err := p.Tokens.Regenerate(r.Context(), r.Caller, x.Token.ID, overlap)
	switch kind := fault.KindOf(err); {
	case err == nil:
	case kind == fault.Conflict || kind == fault.Invalid || kind == fault.Forbidden || kind == fault.InvalidScope:
		x.Error = kit.Sentence(fault.Message(err))
		return p.renderRegenerate(w, r, httpkit.Status(kind), x)
	default:
		return err
	}
	m := newMade(p.Issuer, issued, x.Token.Name, nil)
	m.Collection, m.OldDies = x.Token.Collection, "at once"
	if overlap > 0 {
		m.OldDies = "when this one is first used, and in " + kit.InWords(time.Duration(overlap)*time.Second) + " at the latest"
	}
	return p.renderMade(w, r, http.StatusCreated, m)
}

// readOverlap reads for how long the old value stays valid, in seconds; 0 when nothing
// is chosen.
func readOverlap(form url.Values) (int64, error) {
	text := form.Get("overlap")
	if text == "" || text == "0" {
		return 0, nil
	}
	return issuance.ParseLifetime(text)
}

func (p *tokenPages) revokePage(w http.ResponseWriter, r *kit.Request) error {
	x, err := p.find(r)
	if err != nil {
		return err
	}
	if x.Descendants, err = tokenrow.Descendants(r, p.Tokens, p.Now(), x.Token.Owner, x.Token.ID); err != nil {
		return err
	}
	return p.Render(w, r, http.StatusOK, "revoke", "Revoke "+x.Token.Name, x)
}

// revoke revokes one of the caller's own tokens. Doing it twice is success.
func (p *tokenPages) revoke(w http.ResponseWriter, r *kit.Request) error {
	x, err := p.find(r)
	if err != nil {
		return err
	}
	if _, err := p.Revoker.RevokeID(r.Context(), r.Caller, x.Token.ID); err != nil {
		return err
	}
	if x.Token.Owner != r.Caller.ID() { // an administrator's
		return p.SeeOther(w, kit.PathTokens+"/"+url.PathEscape(x.Token.ID))
	}
	return p.SeeOther(w, kit.PathTokens+"?notice=revoked")
}
