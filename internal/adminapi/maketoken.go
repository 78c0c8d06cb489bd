package adminapi

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/token"
)

// newToken is an API token or, by its kind, an API key to be made.
type newToken struct {
	Name       string      `json:"name"`
	Kind       string      `json:"kind"` // api-token, which is the default, or api-key
	Scope      scopeList   `json:"scope"`
	Collection *int64      `json:"collection"`
	ExpiresIn  json.Number `json:"expires_in"` // seconds
}

// madeToken shows a token's value, this once.
type madeToken struct {
	ID         string     `json:"id"`
	Token      string     `json:"token"`
	Name       string     `json:"name"`
	Kind       string     `json:"kind"`
	Scope      string     `json:"scope"`
	Collection *int64     `json:"collection"`
	ExpiresAt  *time.Time `json:"expires_at"`
}

func (a *API) createToken(w http.ResponseWriter, r *request) error {
	var n newToken
	if err := httpkit.DecodeJSON(w, r.Request, &n); err != nil {
		return err
	}
	if n.Name == "" && n.Kind != token.KindAPIKey.String() {
		return missing("name")
	}
	c := authority.NewCredential{Name: n.Name, Scope: n.Scope, Collection: n.Collection}
	if n.ExpiresIn != "" {
		lifetime, err := authority.ParseLifetime(n.ExpiresIn.String())
		if err != nil {
			return err
		}
		c.Lifetime = lifetime
	}
	issued, err := a.makeToken(r, n.Kind, c)
	if err != nil {
		return err
	}
	return writeMade(w, issued)
}

func (a *API) makeToken(r *request, kind string, c authority.NewCredential) (*authority.Issued, error) {
	switch kind {
	case "", token.KindAPIToken.String():
		return a.Authority.CreateAPIToken(r.Context(), r.caller, c)
	case token.KindAPIKey.String():
		return a.Authority.CreateAPIKey(r.Context(), r.caller, c)
	}
	return nil, fault.New(fault.Invalid, "the member \"kind\" must be api-token or api-key")
}

// regenerateToken gives an API token a new value. Without an overlap in the body the
// operator's holds.
func (a *API) regenerateToken(w http.ResponseWriter, r *request) error {
	id, err := r.id()
	if err != nil {
		return err
	}
	var body struct {
		Overlap *int64 `json:"overlap"` // seconds
	}
	if err := r.optionalBody(w, &body); err != nil {
		return err
	}
	overlap := int64(a.Authority.Policy.APITokenOverlap / time.Second)
	if body.Overlap != nil {
		overlap = *body.Overlap
	}
	issued, err := a.Authority.Regenerate(r.Context(), r.caller, id, overlap)
	if err != nil {
		return err
	}
	return writeMade(w, issued)
}

func writeMade(w http.ResponseWriter, issued *authority.Issued) error {
	return httpkit.WriteJSON(w, http.StatusCreated, madeToken{
		ID: issued.ID, Token: issued.Value.Reveal(), Name: issued.Name, Kind: issued.Kind.String(),
		Scope: identity.FormatScope(issued.Scope), Collection: issued.Collection, ExpiresAt: instant(issued.Expiry),
	})
}
