package specify

import (
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/token"
)

// usualLifetime is the original's default lifetime, in seconds.
const usualLifetime = 1800

// tokenRequest trades a password for a token that is valid in one collection.
type tokenRequest struct {
	username, password string
	collection         int64
	lifetime           int64 // seconds; 0: none asked for
	refresh            bool  // a refresh token is asked for too
}

// bodyOnly are the parameters that must not be in a URL, because URLs are logged.
var bodyOnly = []string{
	"username", "password", "collectionid", "expires", "refresh", "access_token", "refresh_token",
}

// readBody reads the form or JSON of a request, in which an empty parameter counts as
// present. None of the parameters may be in the query, where it could contradict the body
// or be logged.
func readBody(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	values, err := httpkit.FormOrJSONWithEmpty(w, r)
	if err != nil {
		return nil, err
	}
	query, err := httpkit.QueryWithEmpty(r)
	if err != nil {
		return nil, err
	}
	for _, name := range bodyOnly {
		if query.Has(name) {
			return nil, fault.New(fault.Invalid, "the parameter %q must be in the body, not in the URL", name).In(name)
		}
	}
	return values, nil
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
	if q.lifetime, err = parseExpires(values); err != nil {
		return q, err
	}
	if values.Has("refresh") {
		q.refresh, err = parseBool(values, "refresh")
	}
	return q, err
}

// parseExpires reads a lifetime in seconds; 0: none is asked for.
func parseExpires(values url.Values) (int64, error) {
	if !values.Has("expires") {
		return 0, nil
	}
	return issuance.ParseLifetime(values.Get("expires"))
}

func parseBool(values url.Values, name string) (bool, error) {
	switch values.Get(name) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fault.New(fault.Invalid, "the parameter %q must be true or false", name).In(name)
}

// issued is the response to a password with access to the collection, and to a refresh
// token.
type issued struct {
	AccessToken  string `json:"access_token"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token,omitempty"`
}

func answerOf(pair issuance.Pair) issued {
	a := issued{AccessToken: pair.Access.Value.Reveal(), ExpiresIn: pair.Access.Lifetime}
	if pair.Refresh != nil {
		a.RefreshToken = pair.Refresh.Value.Reveal()
	}
	return a
}

func (d *Dialect) token(w http.ResponseWriter, r *http.Request) error {
	if _, err := d.bearer(r, d.SignIn.Bearer); err != nil {
		return err
	}
	values, err := readBody(w, r)
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
	pair, err := d.issue(r, c, &q)
	if err != nil {
		return err
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, answerOf(pair))
}

// issue issues what a token request asks for.
func (d *Dialect) issue(r *http.Request, c *caller.Caller, q *tokenRequest) (pair issuance.Pair, err error) {
	asked := &issuance.Request{
		Kind: token.KindAccess, Principal: c.Principal, Collection: &q.collection,
		Lifetime: q.lifetime, Usual: usualLifetime,
	}
	if q.refresh {
		return d.Issuance.IssueWithRefresh(r.Context(), c, asked)
	}
	pair.Access, err = d.Issuance.Issue(r.Context(), c, asked)
	return pair, err
}

// refresh trades a refresh token for a new pair in the same collection.
func (d *Dialect) refresh(w http.ResponseWriter, r *http.Request) error {
	if _, err := d.bearer(r, d.SignIn.Bearer); err != nil {
		return err
	}
	values, err := readBody(w, r)
	if err != nil {
		return err
	}
	raw := values.Get("refresh_token")
	if raw == "" {
		return fault.New(fault.Invalid, "the parameter \"refresh_token\" is missing").In("refresh_token")
	}
	lifetime, err := parseExpires(values)
	if err != nil {
		return err
	}
	pair, err := d.Issuance.Refresh(r.Context(), issuance.Refresh{Token: raw, Lifetime: lifetime})
	if err != nil {
		return err
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, answerOf(pair))
}
