package gen3

import (
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
)

// newKey is the response with a new API key. Its value is shown only here.
type newKey struct {
	ID    string `json:"key_id"`
	Value string `json:"api_key"`
}

// createKey creates an API key for its caller.
func (d *Dialect) createKey(w http.ResponseWriter, r *http.Request) error {
	c, err := d.keyOwner(r)
	if err != nil {
		return err
	}
	query, err := httpkit.QueryWithEmpty(r)
	if err != nil {
		return err
	}
	n := credentials.NewCredential{Cap: true}
	if n.Lifetime, err = lifetime(query); err != nil {
		return err
	}
	if n.Scope, err = readScope(w, r); err != nil {
		return err
	}
	issued, err := d.Tokens.CreateExchangeKey(r.Context(), c, n)
	if err != nil {
		return err
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, newKey{issued.ID, issued.Value.Reveal()})
}

// lifetime reads expires_in, in seconds; 0 when it isn't there. An empty one is invalid.
func lifetime(query url.Values) (int64, error) {
	if !query.Has("expires_in") {
		return 0, nil
	}
	text := query.Get("expires_in")
	seconds, err := issuance.ParseLifetime(text)
	if err != nil {
		err = fault.Wrap(err, fault.Invalid, "Invalid 'expires_in' value '%.64s': it must be a positive integer of seconds", text).In("expires_in")
	}
	return seconds, err
}

// readScope returns the scopes asked for: {"scope": […]}, or form fields of that name.
func readScope(w http.ResponseWriter, r *http.Request) ([]string, error) {
	switch {
	case r.ContentLength == 0:
		return nil, nil
	case isForm(r):
		form, err := httpkit.FormLists(w, r, "scope")
		if err != nil {
			return nil, err
		}
		return identity.ParseScope(strings.Join(form["scope"], " "))
	}
	var body struct {
		Scope []string `json:"scope"`
	}
	if err := httpkit.DecodeJSON(w, r, &body); err != nil {
		return nil, err
	}
	for _, name := range body.Scope {
		if !identity.ValidScopeName(name) {
			return nil, fault.New(fault.InvalidScope, "scope has a name that RFC 6749 does not allow")
		}
	}
	return identity.ParseScope(strings.Join(body.Scope, " ")) // each once
}

func isForm(r *http.Request) bool {
	contentType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && contentType == "application/x-www-form-urlencoded"
}

// keyList is the caller's valid keys.
type keyList struct {
	Keys []listedKey `json:"jtis"`
}

type listedKey struct {
	ID     string `json:"jti"`
	Expiry int64  `json:"exp"` // Unix seconds
}

// keysAtOnce is how many keys are read from the store at a time.
const keysAtOnce = 1000

// listKeys lists the caller's keys, without those that have ended: the response has no
// member to say so.
func (d *Dialect) listKeys(w http.ResponseWriter, r *http.Request) error {
	c, err := d.keyOwner(r)
	if err != nil {
		return err
	}
	list := keyList{Keys: []listedKey{}}
	q := records.TokenQuery{Owner: c.ID(), Kinds: []token.Kind{token.KindExchangeKey}, Limit: keysAtOnce}
	for more := true; more; more = q.After != "" {
		page, err := d.Tokens.TokenList(r.Context(), c, q)
		if err != nil {
			return err
		}
		for _, key := range page.Items {
			if _, _, dead := key.End(d.Now()); !dead {
				list.Keys = append(list.Keys, listedKey{key.ID, key.ExpiresAt.Unix()})
			}
		}
		q.After = page.Next
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, list)
}

// deleteKey revokes a key with all that was made from it.
func (d *Dialect) deleteKey(w http.ResponseWriter, r *http.Request) error {
	c, err := d.keyOwner(r)
	if err != nil {
		return err
	}
	id := r.PathValue("key_id")
	_, err = d.Revoker.RevokeID(r.Context(), c, id)
	if fault.Is(err, fault.NotFound) {
		return fault.Wrap(err, fault.NotFound, "token not found with JTI %.64s for current user", id)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
