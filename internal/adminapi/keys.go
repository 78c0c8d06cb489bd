package adminapi

import (
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/directory"
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

// keys are the endpoints of the signing keys.
type keys struct{ directory *directory.Directory }

func (e keys) routes() []route {
	return []route{
		{"GET", "/keys", e.list, paging, administrator},
		{"POST", "/keys", e.rotate, "wait", mayDo(e.directory, audit.KeyRotate)},
		{"DELETE", "/keys/{id}", revokes(func() operation { return e.directory.RetireKey }), "wait", mayDo(e.directory, audit.KeyRetire)},
	}
}

func (e keys) list(w http.ResponseWriter, r *request) error {
	return e.write(w, r, http.StatusOK)
}

func (e keys) write(w http.ResponseWriter, r *request, status int) error {
	all, err := e.directory.KeyList(r.Context(), r.caller)
	if err != nil {
		return err
	}
	page, next, err := keyOrder.cut(all, r.query)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, status, listOf(page, next, KeyOf))
}

// rotate shows a next key, and answers with the keys that there are now.
func (e keys) rotate(w http.ResponseWriter, r *request) error {
	var body struct {
		Now bool `json:"now"`
	}
	if err := r.optionalBody(w, &body); err != nil {
		return err
	}
	if err := e.directory.RotateKeys(r.Context(), r.caller, body.Now); err != nil {
		return err
	}
	return e.write(w, r, http.StatusCreated)
}
