package specify

import (
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/signin"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/token"
)

// usualLifetime is the original's, in seconds, where none is asked for.
const usualLifetime = 1800

// tokenRequest trades a password for a token that is good in one collection.
type tokenRequest struct {
	username, password string
	collection         int64
	lifetime           int64 // seconds; 0: none asked for
}

func parseTokenRequest(values url.Values) (q tokenRequest, err error) {
	for _, name := range []string{"username", "password", "collectionid"} {
		if values.Get(name) == "" {
			return q, fault.New(fault.Invalid, "the parameter %q is missing", name)
		}
	}
	q.username, q.password = values.Get("username"), values.Get("password")
	if q.collection, err = access.ParseCollection(values.Get("collectionid")); err != nil {
		return q, fault.New(fault.Invalid, "the parameter \"collectionid\" must be the id of a collection, an integer").In("collectionid")
	}
	if values.Has("expires") {
		q.lifetime, err = issuance.ParseLifetime(values.Get("expires"))
	}
	return q, err
}

// issued is the answer to a password that is good in its collection.
type issued struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int64  `json:"expires_in"` // seconds
}

func (d *Dialect) token(w http.ResponseWriter, r *http.Request) error {
	if _, err := d.bearer(r, d.SignIn.Bearer); err != nil {
		return err
	}
	values, err := httpkit.FormOrJSONWithEmpty(w, r)
	if err != nil {
		return err
	}
	q, err := parseTokenRequest(values)
	if err != nil {
		return err
	}
	c, err := d.SignIn.Login(r.Context(), signin.Credentials{
		Username: q.username, Password: q.password, Collection: &q.collection,
	})
	if err != nil {
		return err
	}
	httpkit.Note(r, c)
	made, err := d.Issuance.Issue(r.Context(), c, &issuance.Request{
		Kind: token.KindAccess, Principal: c.Principal, Collection: &q.collection,
		Lifetime: q.lifetime, Usual: usualLifetime,
	})
	if err != nil {
		return err
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, issued{made.Value.Reveal(), made.Lifetime})
}
