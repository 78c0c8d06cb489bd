package webui

import (
	"net/http"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/records"
)

// issuerView is a trusted issuer on its page.
type issuerView struct {
	records.Issuer

	Lines []ruleView
}

// ruleView is a rule with its claims in the order of their names.
type ruleView struct {
	records.IssuerRule

	Claims []pair
}

// issuersPage lists the trusted issuers with their rules. The access file changes them.
func (p *Pages) issuersPage(w http.ResponseWriter, r *request) error {
	all, err := p.Directory.IssuerList(r.Context(), r.caller)
	if err != nil {
		return err
	}
	views := make([]issuerView, len(all))
	for i, one := range all {
		views[i].Issuer = one
		for _, rule := range one.Rules {
			v := ruleView{IssuerRule: rule}
			for name, value := range rule.Match {
				v.Claims = append(v.Claims, pair{name, string(value)})
			}
			slices.SortFunc(v.Claims, func(a, b pair) int { return strings.Compare(a.Name, b.Name) })
			views[i].Lines = append(views[i].Lines, v)
		}
	}
	return p.render(w, r, http.StatusOK, "issuers", "Trusted issuers", struct{ Issuers []issuerView }{views})
}
