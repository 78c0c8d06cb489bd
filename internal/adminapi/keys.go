package adminapi

import (
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/keyring"
)

// Key is a signing key without its private half. Times that have not come yet are
// when they are due.
type Key struct {
	KID       string     `json:"kid"`
	Algorithm string     `json:"algorithm"`
	State     string     `json:"state"`
	Revoked   bool       `json:"revoked"`
	CreatedAt *time.Time `json:"created_at"`
	ActiveAt  *time.Time `json:"active_at"`
	RetiredAt *time.Time `json:"retired_at"`
	GoneAt    *time.Time `json:"gone_at"`
}

// KeyOf returns a key as it is shown.
func KeyOf(k keyring.Key) Key {
	return Key{
		KID: k.KID, Algorithm: string(k.Algorithm), State: string(k.State), Revoked: k.Revoked(),
		CreatedAt: instant(k.CreatedAt), ActiveAt: instant(k.ActiveAt),
		RetiredAt: instant(k.RetiredAt), GoneAt: instant(k.GoneAt),
	}
}

var keyOrder = order[keyring.Key]{"keys", func(k keyring.Key) string {
	return k.CreatedAt.UTC().Format("20060102150405.000000") + k.KID
}}

func (a *API) keys(w http.ResponseWriter, r *request) error {
	return a.writeKeys(w, r, http.StatusOK)
}

func (a *API) writeKeys(w http.ResponseWriter, r *request, status int) error {
	all, err := a.Directory.KeyList(r.Context(), r.caller)
	if err != nil {
		return err
	}
	page, next, err := keyOrder.cut(all, r.query)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, status, listOf(page, next, KeyOf))
}

// rotateKeys shows a next key, and answers with the keys that there are now.
func (a *API) rotateKeys(w http.ResponseWriter, r *request) error {
	var body struct {
		Now bool `json:"now"`
	}
	if err := r.optionalBody(w, &body); err != nil {
		return err
	}
	if err := a.Directory.RotateKeys(r.Context(), r.caller, body.Now); err != nil {
		return err
	}
	return a.writeKeys(w, r, http.StatusCreated)
}
