package adminapi

import (
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/verification"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
)

// self returns who the callers are and what they came with. Of a client nothing but
// the id is known.
type self struct {
	Type string `json:"type"` // user or client
	person
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

func credentialOf(t *verification.Token) credential {
	return credential{
		ID: t.ID, Kind: t.Kind.String(), Scope: identity.FormatScope(t.Scope), Collection: t.Collection,
		ClientID: t.ClientID, ExpiresAt: instant(t.Expiry),
	}
}

func (a *API) me(w http.ResponseWriter, r *request) error {
	s := r.caller.Subject
	answer := self{Type: "client", person: person{ID: s.ID, Groups: []string{}}, Token: credentialOf(r.caller.Token)}
	if !s.Client {
		answer.Type = "user"
		answer.person = person{
			ID: s.ID, Username: s.Username, Name: s.Name, Email: s.Email, Groups: append([]string{}, s.Groups...), Disabled: s.Disabled,
		}
		answer.Administrator = s.May(access.Any, access.Root).Allowed
	}
	return httpkit.WriteJSON(w, http.StatusOK, answer)
}

func (a *API) revokeMine(w http.ResponseWriter, r *request) error {
	_, err := a.Revoker.RevokeAll(r.Context(), r.caller, r.caller.ID())
	return done(w, err)
}
