package adminapi

import (
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/shadow"
)

// Shadow is what report-only routes would have refused for one reason, of one token, as
// it is shown.
type Shadow struct {
	Route     string                 `json:"route"`
	Reason    string                 `json:"reason"`
	TokenID   *string                `json:"token_id"` // null: none is known
	Count     int64                  `json:"count"`
	Agreed    int64                  `json:"agreed"`
	Disagreed int64                  `json:"disagreed"`
	LastAt    time.Time              `json:"last_at"`
	Examples  []upkeep.ShadowExample `json:"examples"`
}

// ShadowOf returns a row as it is shown.
func ShadowOf(s upkeep.Shadow) Shadow {
	shown := Shadow{
		Route: s.Route, Reason: s.Reason, Count: s.Count, Agreed: s.Agreed, Disagreed: s.Disagreed, LastAt: s.LastAt, Examples: append([]upkeep.ShadowExample{}, s.Examples...),
	}
	if s.TokenID != "" {
		shown.TokenID = &s.TokenID
	}
	return shown
}

// shadows are the endpoints of what report-only routes would have refused.
type shadows struct{ log *shadow.Log }

func (e shadows) routes() []route {
	return []route{{"GET", "/shadow", e.list, paging, administrator}}
}

func (e shadows) list(w http.ResponseWriter, r *request) error {
	limit, err := r.query.limit()
	if err != nil {
		return err
	}
	page, err := e.log.List(r.Context(), r.caller, r.query.get("cursor"), limit)
	if err != nil {
		return err
	}
	return writeList(w, page.Items, page.Next, ShadowOf)
}
