package adminapi

import (
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
)

// self tells callers who they are and what they came with. Of a client nothing but
// the id is known.
type self struct {
	Type string `json:"type"` // user or client
	user
	Administrator bool       `json:"administrator"`
	Token         credential `json:"token"`
}

// credential is what a caller came with.
type credential struct {
	ID         string     `json:"id"`
	Kind       string     `json:"kind"`
	Scope      string     `json:"scope"`
	Collection *int64     `json:"collection"`
	ClientID   string     `json:"client_id"`
	ExpiresAt  *time.Time `json:"expires_at"`
}

func credentialOf(t *authority.Token) credential {
	return credential{
		ID: t.ID, Kind: t.Kind.String(), Scope: identity.FormatScope(t.Scope), Collection: t.Collection,
		ClientID: t.ClientID, ExpiresAt: instant(t.Expiry),
	}
}

func (a *API) me(w http.ResponseWriter, r *request) error {
	p := r.caller.Principal
	answer := self{Type: "client", user: user{ID: p.Subject(), Groups: []string{}}, Token: credentialOf(r.caller.Token)}
	if p.User != nil {
		answer.Type, answer.user = "user", userOf(*p.User)
		answer.Administrator = p.May(access.Any, access.Root).Allowed
	}
	return httpkit.WriteJSON(w, http.StatusOK, answer)
}

func (a *API) revokeMine(w http.ResponseWriter, r *request) error {
	_, err := a.Authority.RevokeAll(r.Context(), r.caller, r.caller.Subject(), r.wait)
	return done(w, err)
}
