package adminapi

import (
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/usage"
	"github.com/bearerd/bearerd/internal/uses"
)

// TokenUses is what a stored token was used for, and which of its scopes nothing required.
type TokenUses struct {
	Items       []TokenUse `json:"items"`
	UnusedScope string     `json:"unused_scope"`
	Unseen      bool       `json:"unseen"`
	Unasked     bool       `json:"unasked"`
}

// TokenUse is one way in which a token was used.
type TokenUse struct {
	Route      string     `json:"route"`
	Methods    string     `json:"methods"` // safe or unsafe
	Scope      string     `json:"scope"`
	Collection *int64     `json:"collection"`
	FirstAt    *time.Time `json:"first_at"`
	LastAt     *time.Time `json:"last_at"`
	Count      int64      `json:"count"`
}

// UsesOf returns a report as it is shown.
func UsesOf(r *usage.Report) TokenUses {
	return TokenUses{
		Items: each(r.Lines, useOf), UnusedScope: identity.FormatScope(r.Unused), Unseen: r.Unseen, Unasked: r.Unasked,
	}
}

func useOf(u records.TokenUse) TokenUse {
	out := TokenUse{Route: u.Route, Methods: "unsafe", Scope: u.Scope, FirstAt: instant(u.FirstAt), LastAt: instant(u.LastAt), Count: u.Count}
	if u.Safe {
		out.Methods = "safe"
	}
	if u.Collection != uses.NoCollection {
		out.Collection = &u.Collection
	}
	return out
}

// uses shows what one of the caller's tokens was used for.
func (e tokens) uses(w http.ResponseWriter, r *request) error {
	report, err := e.usage.Of(r.Context(), r.caller, r.id)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, UsesOf(report))
}

// shrinkOverlap is for how many seconds an old token stays valid beside a smaller one.
const shrinkOverlap = 7 * 24 * 3600

// shrink creates an API token with less scope beside one that ends later.
func (e tokens) shrink(w http.ResponseWriter, r *request) error {
	var body struct {
		Scope   scopeList `json:"scope"`
		Overlap *int64    `json:"overlap"` // seconds
	}
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	if body.Scope == nil {
		return missing("scope")
	}
	smaller := credentials.Smaller{Scope: body.Scope, Overlap: shrinkOverlap}
	if body.Overlap != nil {
		smaller.Overlap = *body.Overlap
	}
	issued, err := e.credentials.Shrink(r.Context(), r.caller, r.id, smaller)
	if err != nil {
		return unpermitted(err)
	}
	return writeMade(w, issued)
}
