package admin

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/explain"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/verification"
	"github.com/bearerd/bearerd/internal/webui/kit"
)

// inspectorPage is the page that explains tokens.
type inspectorPage struct {
	office

	Explainer *explain.Explainer
	names     named
}

// inspectorView is the page that explains why a token is accepted or refused. It never
// contains the token.
type inspectorView struct {
	kit.State
	Asked  url.Values
	Answer *explain.Explanation
	Shown  string // the end of the token that was asked about
	Whose  string // the name of the user that the token is for
	By     string // the name of the user who revoked it
}

func (p *inspectorPage) show(w http.ResponseWriter, r *kit.Request) error {
	return p.Render(w, r, http.StatusOK, "inspector", "Inspector", inspectorView{Asked: url.Values{}})
}

// inspect runs every check on a token and shows each result.
func (p *inspectorPage) inspect(w http.ResponseWriter, r *kit.Request) error {
	form, err := httpkit.FormOrJSON(w, r.Request)
	if err != nil {
		return err
	}
	raw := strings.TrimSpace(form.Get("token"))
	form.Del("token")
	view := inspectorView{Asked: form}
	d, err := readDemand(form)
	if err == nil && raw == "" {
		err = fault.New(fault.Invalid, "enter a token").In("token")
	}
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.InvalidScope) {
		view.State = kit.State{At: "ask", Problem: kit.Sentence(fault.Message(err)), About: fault.FieldOf(err)}
		return p.Render(w, r, http.StatusBadRequest, "inspector", "Inspector", view)
	}
	if view.Answer, err = p.Explainer.ExplainToken(r.Context(), r.Caller, raw, d); err != nil {
		return err
	}
	if err := p.addNames(r, &view); err != nil {
		return err
	}
	if len(raw) > 16 {
		view.Shown = "…" + raw[len(raw)-4:]
	}
	return p.Render(w, r, http.StatusOK, "inspector", "Inspector", view)
}

// addNames adds the names of the users in an answer.
func (p *inspectorPage) addNames(r *kit.Request, view *inspectorView) error {
	if view.Answer.Token == nil {
		return nil
	}
	subject, by := view.Answer.Token.Subject, ""
	if view.Answer.Revoked != nil {
		by = view.Answer.Revoked.By
	}
	names, err := p.names.of(r, subject, by)
	view.Whose, view.By = names[subject], names[by]
	return err
}

// readDemand reads what an application would require of the token.
func readDemand(form url.Values) (verification.Requirements, error) {
	d := verification.Requirements{Audience: form.Get("audience")}
	var err error
	if d.Scope, err = identity.ParseScope(form.Get("scope")); err != nil {
		return d, err
	}
	if text := form.Get("collection"); text != "" {
		id, err := access.ParseCollection(text)
		if err != nil {
			return d, err
		}
		d.Collection = &id
	}
	if text := form.Get("address"); text != "" {
		if d.From, err = netip.ParseAddr(text); err != nil {
			return d, fault.New(fault.Invalid, "enter an IP address").In("address")
		}
	}
	if form.Get("action") == "" && form.Get("path") == "" {
		return d, nil
	}
	d.Action, d.Path, err = readPermission(form.Get("action"), form.Get("path"))
	return d, err
}
