package senaite

import (
	"net/http"
	"net/url"
	"time"

	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/signin"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/token"
)

// The fields of the login form.
const (
	fieldName     = "__ac_name"
	fieldPassword = "__ac_password"
)

// loggedIn is the answer to a login.
type loggedIn struct {
	URL     string  `json:"url"`
	Count   int     `json:"count"`
	Items   []user  `json:"items"`
	Token   string  `json:"token"`
	Expires int64   `json:"expires"` // Unix seconds
	Runtime float64 `json:"_runtime"`
}

// login returns a token for a password, in the answer and in a cookie. Tokens that the
// request carries don't matter to it: whoever logs in again has none that is good.
func (d *Dialect) login(w http.ResponseWriter, r *http.Request) error {
	start := d.Now()
	cred, err := d.password(w, r)
	if err != nil {
		return err
	}
	c, err := d.SignIn.Login(r.Context(), cred)
	if err != nil {
		return err
	}
	httpkit.Note(r, c)
	issued, err := d.Issuance.Issue(r.Context(), c, &issuance.Request{Kind: token.KindAccess, Principal: c.Principal})
	if err != nil {
		return err
	}
	if d.sameOrigin(r) == nil { // another site must not log a browser in
		life := issued.Expiry.Sub(d.Now()) // whole seconds of it
		http.SetCookie(w, d.Cookies.Make(tokenCookie, issued.Value.Reveal(), life))
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, loggedIn{
		URL: d.url("/users"), Count: 1, Items: []user{d.userOf(c.Subject, c)},
		Token: issued.Value.Reveal(), Expires: issued.Expiry.Unix(), Runtime: d.since(start),
	})
}

// since is for how long a request has been served, in seconds.
func (d *Dialect) since(start time.Time) float64 { return d.Now().Sub(start).Seconds() }

// password reads a username and a password: HTTP Basic or, where the request has
// none, the form.
func (d *Dialect) password(w http.ResponseWriter, r *http.Request) (signin.Credentials, error) {
	pair, found, err := httpkit.Basic(r)
	if found || err != nil {
		return signin.Credentials{Username: pair.Name, Password: pair.Password}, err
	}
	fields, err := d.fields(w, r)
	if err != nil {
		return signin.Credentials{}, err
	}
	for _, name := range []string{fieldName, fieldPassword} {
		if fields.Has(name) {
			continue
		}
		if _, err := d.visitor(r); err != nil {
			return signin.Credentials{}, err // a bad token is no better here
		}
		return signin.Credentials{}, fault.New(fault.Invalid, "%s is missing", name)
	}
	return signin.Credentials{Username: fields.Get(fieldName), Password: fields.Get(fieldPassword)}, nil
}

// fields reads the login form: of the body of a POST and, where that is allowed, of
// the query.
func (d *Dialect) fields(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	query, err := httpkit.Query(r)
	if err != nil {
		return nil, err
	}
	fields := url.Values{}
	if r.Method == http.MethodPost {
		if fields, err = httpkit.FormOrJSON(w, r); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{fieldName, fieldPassword} {
		switch {
		case !query.Has(name):
		case !d.LoginInQuery:
			return nil, fault.New(fault.Invalid, "%s must not stand in a URL, which is logged: send it in a form, or use HTTP Basic", name)
		case fields.Has(name):
			return nil, fault.New(fault.Invalid, "%s is repeated", name)
		default:
			fields.Set(name, query.Get(name))
		}
	}
	return fields, nil
}
