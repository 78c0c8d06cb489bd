package hypothesis

import (
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
)

// debugged is the original's description of a token. Its times are in UTC.
type debugged struct {
	UserID    *string      `json:"userid"`
	ExpiresAt *time.Time   `json:"expires_at"` // null: never
	IssuedAt  time.Time    `json:"issued_at"`
	Expired   bool         `json:"expired"`
	Client    *tokenClient `json:"client,omitempty"`
}

// tokenClient is the client that a token was issued to.
type tokenClient struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// debugToken serves /api/debug-token, which describes the Bearer token, for authors of
// clients.
func (d *Dialect) debugToken(w http.ResponseWriter, r *http.Request) error {
	raw, found, err := httpkit.Bearer(r)
	if err != nil {
		return err
	}
	if !found {
		return fault.New(fault.Unauthenticated, "a bearer token is needed")
	}
	c, err := d.SignIn.Bearer(r.Context(), raw)
	if err != nil {
		return err
	}
	httpkit.Note(r, c)
	answer := debugged{IssuedAt: c.Token.IssuedAt.UTC()}
	if !c.Subject.Client {
		id := userID(c.Subject.Username, d.domain())
		answer.UserID = &id
	}
	if end := c.Token.Expiry.UTC(); !c.Token.Expiry.IsZero() {
		answer.ExpiresAt = &end
	}
	if id := c.Token.ClientID; id != "" && id != identity.OwnClientID {
		answer.Client = &tokenClient{ID: id, Name: id}
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, answer)
}
