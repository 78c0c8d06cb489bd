package admin

import (
	"net/http"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/webui/kit"
)

// issuerPages are the pages of trusted issuers.
type issuerPages struct {
	office

	Directory *directory.Directory
}

// issuerView is a trusted issuer on its page.
type issuerView struct {
	records.Issuer

	Lines []ruleView
}

// ruleView is a rule with its claims in the order of their names.
type ruleView struct {
	records.IssuerRule

	Claims []kit.Pair
}

// issuersView is the page of the trusted issuers.
type issuersView struct {
	List    kit.List
	Issuers []issuerView
}

// issuersPage lists the trusted issuers with their rules. The access file changes them.
func (p *issuerPages) issuersPage(w http.ResponseWriter, r *kit.Request) error {
	q := r.URL.Query()
	list := kit.NewList(kit.PathAdmin+"issuers", "issuer", "name or address", q, kit.Sorted())
	page, err := p.Directory.IssuerPage(r.Context(), r.Caller, list.Things(q))
	if err != nil {
		return err
	}
	all := kit.PageOf(&list, page)
	views := make([]issuerView, len(all))
	for i, one := range all {
		views[i].Issuer = one
		for _, rule := range one.Rules {
			v := ruleView{IssuerRule: rule}
			for name, value := range rule.Match {
				v.Claims = append(v.Claims, kit.Pair{Name: name, Value: string(value)})
			}
			slices.SortFunc(v.Claims, func(a, b kit.Pair) int { return strings.Compare(a.Name, b.Name) })
			views[i].Lines = append(views[i].Lines, v)
		}
	}
	return p.Render(w, r, http.StatusOK, "issuers", "Trusted issuers", issuersView{list, views})
}
