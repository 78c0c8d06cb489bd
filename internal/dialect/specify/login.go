package specify

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/signin"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// collectionCookie is the cookie with the open collection, which the original's pages
// read.
const collectionCookie = "collection"

// form is what a client fills in and sends back.
type form struct {
	Collections map[string]int64 `json:"collections"`
	Username    *string          `json:"username"`
	Password    *string          `json:"password"`
	Collection  *int64           `json:"collection"`
}

func (d *Dialect) loginForm(w http.ResponseWriter, r *http.Request) error {
	if _, err := d.bearer(r, d.SignIn.Bearer); err != nil {
		return err
	}
	all, err := d.Directory.PublicCollections(r.Context())
	if err != nil {
		return err
	}
	f := form{Collections: make(map[string]int64, len(all))}
	for _, c := range all {
		f.Collections[c.Name] = c.ID
	}
	d.setCSRF(w, r)
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, f)
}

// member is a member of a body that may be null, which is not the same as missing.
type member[T any] struct {
	there bool
	value *T
}

// UnmarshalJSON records that the member is present.
func (m *member[T]) UnmarshalJSON(raw []byte) error {
	m.there = true
	return json.Unmarshal(raw, &m.value) //nolint:wrapcheck // the caller names the member
}

// signIn is the form that is sent back. Its list of collections is ignored.
type signIn struct {
	Collections json.RawMessage `json:"collections"`
	Username    member[string]  `json:"username"`
	Password    member[string]  `json:"password"`
	Collection  member[int64]   `json:"collection"`
}

// check returns an error that names a missing member.
func (s *signIn) check() error {
	for _, m := range []struct {
		name  string
		there bool
	}{
		{"username", s.Username.there},
		{"password", s.Password.there},
		{"collection", s.Collection.there},
	} {
		if !m.there {
			return fault.New(fault.Invalid, "the member %q is missing", m.name)
		}
	}
	return nil
}

// signsOut reports whether the form asks to sign out: one of its members is null.
func (s *signIn) signsOut() bool {
	return s.Username.value == nil || s.Password.value == nil || s.Collection.value == nil
}

func (d *Dialect) login(w http.ResponseWriter, r *http.Request) error {
	if _, err := d.bearer(r, d.SignIn.Bearer); err != nil {
		return err
	}
	if err := d.checkCSRF(r); err != nil {
		return err
	}
	var body signIn
	if err := httpkit.DecodeJSON(w, r, &body); err != nil {
		return err
	}
	if err := body.check(); err != nil {
		return err
	}
	if body.signsOut() {
		return d.signOut(w, r)
	}
	return d.signIn(w, r, &body)
}

// signIn starts a session with the collection. The password is checked first, so that
// nobody learns anything about a collection without one.
func (d *Dialect) signIn(w http.ResponseWriter, r *http.Request, body *signIn) error {
	if len(d.SessionCookies) == 0 {
		return fault.New(fault.Forbidden, "sessions are not available here")
	}
	c, err := d.SignIn.Login(r.Context(), signin.Credentials{
		Username: *body.Username.value, Password: *body.Password.value, Collection: body.Collection.value,
	})
	if err != nil {
		return err
	}
	httpkit.Note(r, c)
	session, err := d.Issuance.StartSession(r.Context(), c, body.Collection.value)
	if err != nil {
		return err
	}
	life := time.Duration(session.Lifetime) * time.Second
	d.Cookies.SetSession(w, d.SessionCookies, session.Value.Reveal(), life)
	d.setReadable(w, collectionCookie, strconv.FormatInt(*body.Collection.value, 10))
	return d.noContent(w, r)
}

// signOut ends every session that the request has.
func (d *Dialect) signOut(w http.ResponseWriter, r *http.Request) error {
	for _, raw := range httpkit.SessionCookies(r, d.SessionCookies) {
		c, err := d.SignIn.Session(r.Context(), raw)
		if fault.Is(err, fault.InvalidToken) {
			continue
		}
		if err == nil {
			httpkit.Note(r, c)
			err = d.Revoker.EndSession(r.Context(), c)
		}
		if err != nil {
			return err
		}
	}
	for _, name := range d.SessionCookies {
		http.SetCookie(w, d.Cookies.Expire(name))
	}
	return d.noContent(w, r)
}

func (d *Dialect) noContent(w http.ResponseWriter, r *http.Request) error {
	d.setCSRF(w, r)
	httpkit.NoStore(w)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
