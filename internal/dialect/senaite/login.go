package senaite

import (
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/token"
)

// The fields of the login form.
const (
	fieldName     = "__ac_name"
	fieldPassword = "__ac_password"
)

// loggedIn is the response to a login.
type loggedIn struct {
	URL     string  `json:"url"`
	Count   int     `json:"count"`
	Items   []user  `json:"items"`
	Token   string  `json:"token"`
	Expires int64   `json:"expires"` // Unix seconds
	Runtime float64 `json:"_runtime"`
}

// logins are the endpoints beneath which a user logs in and out.
type logins struct {
	site

	issuance *issuance.Issuance
	revoker  *revoking.Revoker
	cookies  httpkit.Cookies
	inQuery  bool // accept passwords in URLs
}

// login returns a token, in the response and in a cookie: for a password, or for the
// token or session of a caller who is already signed in. A password is used before any of
// those: a user who logs in again may have an invalid one.
func (e logins) login(w http.ResponseWriter, r *http.Request) error {
	start := e.now()
	q, err := e.readLogin(w, r)
	if err != nil {
		return err
	}
	c, err := e.loggingIn(r, q)
	if err != nil {
		return err
	}
	httpkit.Note(r, c)
	// What is made from a token or session is revoked with it, and doesn't outlive it.
	issued, err := e.issuance.Issue(r.Context(), c, &issuance.Request{Kind: token.KindAccess, Principal: c.Principal, Parent: c.Token})
	if err != nil {
		return err
	}
	if e.sameOrigin(r) == nil { // another site must not log a browser in
		life := issued.Expiry.Sub(e.now()) // whole seconds of it
		http.SetCookie(w, e.cookies.Make(tokenCookie, issued.Value.Reveal(), life))
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, loggedIn{
		URL: e.url("/users"), Count: 1, Items: []user{e.userOf(c.Subject, c)},
		Token: issued.Value.Reveal(), Expires: issued.Expiry.Unix(), Runtime: e.since(start),
	})
}

// authenticated is the response to a caller who is logged in.
type authenticated struct {
	Runtime float64 `json:"_runtime"`
}

// auth serves /auth, which reports whether the caller is logged in.
func (e logins) auth(w http.ResponseWriter, r *http.Request) error {
	start := e.now()
	v, err := e.visitor(r)
	if err != nil {
		return err
	}
	if v.Caller == nil {
		return fault.New(fault.Unauthenticated, "log in first")
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, authenticated{e.since(start)})
}

// loginRequest is the content of a request to log in.
type loginRequest struct {
	signin.Credentials

	missing string // the field that is missing; "": there is a password
	empty   bool   // there is no field at all
}

// readLogin reads a username and a password: HTTP Basic or, where the request has none,
// the form. Where both are there they must not name different users.
func (e logins) readLogin(w http.ResponseWriter, r *http.Request) (q loginRequest, err error) {
	pair, basic, err := httpkit.Basic(r)
	if err != nil {
		return q, err
	}
	fields, err := e.fields(w, r)
	if err != nil {
		return q, err
	}
	name := fields.Get(fieldName)
	if basic {
		if fields.Has(fieldName) && name != pair.Name {
			return q, fault.New(fault.Invalid, "the Authorization header and the login form name different users")
		}
		q.Credentials = signin.Credentials{Username: pair.Name, Password: pair.Password}
		return q, nil
	}
	q.Credentials = signin.Credentials{Username: name, Password: fields.Get(fieldPassword)}
	switch {
	case !fields.Has(fieldName):
		q.missing, q.empty = fieldName, !fields.Has(fieldPassword)
	case !fields.Has(fieldPassword):
		q.missing = fieldPassword
	}
	return q, nil
}

// loggingIn authenticates the user who logs in.
func (e logins) loggingIn(r *http.Request, q loginRequest) (*caller.Caller, error) {
	if q.missing == "" {
		return e.signIn.Login(r.Context(), q.Credentials)
	}
	v, err := e.visitor(r)
	if err != nil {
		return nil, err // an invalid token is refused here too
	}
	if v.Caller == nil {
		if v, err = e.ofSession(r); err != nil {
			return nil, err
		}
	}
	if v.Caller == nil || !q.empty {
		return nil, fault.New(fault.Invalid, "%s is missing", q.missing)
	}
	return v.Caller, e.mayChange(r, v)
}

// fields reads the login form: of the body of a POST and, where that is allowed, of
// the query.
func (e logins) fields(w http.ResponseWriter, r *http.Request) (url.Values, error) {
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
		case !e.inQuery:
			return nil, fault.New(fault.Invalid, "%s must not be in a URL, which is logged: send it in a form, or use HTTP Basic", name)
		case fields.Has(name):
			return nil, fault.New(fault.Invalid, "%s is repeated", name)
		default:
			fields.Set(name, query.Get(name))
		}
	}
	return fields, nil
}
