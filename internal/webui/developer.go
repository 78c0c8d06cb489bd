package webui

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/token"
)

// developerToken is the one token that a user has on the Hypothesis developer page.
var developerToken = issuance.Sole{Name: "Developer token", Prefix: token.PrefixHypothesis}

// developerView is that page.
type developerView struct {
	Token *tokenRow // nil: there is none
	Made  *made     // the value, in the answer that made it
	Error string
}

func (p *Pages) developerPage(w http.ResponseWriter, r *request) error {
	return p.renderDeveloper(w, r, http.StatusOK, developerView{})
}

// renewDeveloperToken makes the token, or makes it again, upon which the old value
// is dead.
func (p *Pages) renewDeveloperToken(w http.ResponseWriter, r *request) error {
	issued, err := p.Issuance.RenewSole(r.Context(), r.caller, developerToken)
	if fault.Is(err, fault.Conflict) {
		view := developerView{Error: "It was regenerated elsewhere at the same time. Regenerate it again if you need its value."}
		return p.renderDeveloper(w, r, http.StatusConflict, view)
	}
	if err != nil {
		return err
	}
	m := p.made(issued, developerToken.Name, nil)
	m.Back = r.URL.Path
	return p.renderDeveloper(w, r, http.StatusOK, developerView{Made: &m})
}

func (p *Pages) renderDeveloper(w http.ResponseWriter, r *request, status int, view developerView) error {
	t, ok, err := p.Issuance.SoleToken(r.Context(), r.caller, developerToken)
	if err != nil {
		return err
	}
	if ok {
		row := p.row(t, nil)
		view.Token = &row
	}
	if wantsJSON(r.Request) && view.Error != "" {
		return fault.New(fault.Conflict, "%s", view.Error)
	}
	return p.render(w, r, status, "developer", "Developer", view)
}
