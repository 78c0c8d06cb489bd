package admin

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/shadow"
	"github.com/bearerd/bearerd/internal/webui/kit"
)

// shadowPages are the page of report-only routes.
type shadowPages struct {
	office

	log        *shadow.Log
	reportOnly []string
}

// shadowView is what the page shows.
type shadowView struct {
	Routes []string // that are not enforced, by the configuration of this node
	Items  []upkeep.Shadow
	Next   string
}

// shadowPage shows what report-only routes would have refused.
func (p *shadowPages) shadowPage(w http.ResponseWriter, r *kit.Request) error {
	view := shadowView{Routes: p.reportOnly}
	if p.log != nil {
		page, err := p.log.List(r.Context(), r.Caller, r.URL.Query().Get("after"), 0)
		if err != nil {
			return err
		}
		view.Items, view.Next = page.Items, page.Next
	}
	return p.Render(w, r, http.StatusOK, "shadow", "Report only", view)
}
