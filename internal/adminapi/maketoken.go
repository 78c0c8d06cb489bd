package adminapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/networks"
	"github.com/bearerd/bearerd/internal/token"
)

// newToken is an API token or, by its kind, an API key to be created.
type newToken struct {
	Name        string      `json:"name"`
	Description string      `json:"description"`
	Kind        string      `json:"kind"` // api-token, which is the default, or api-key
	Scope       scopeList   `json:"scope"`
	Collection  *int64      `json:"collection"`
	Networks    networkList `json:"networks"`
	ExpiresIn   lifetime    `json:"expires_in"`
}

// madeToken shows a token's value, only once.
type madeToken struct {
	ID         string     `json:"id"`
	Token      string     `json:"token"`
	Name       string     `json:"name"`
	Kind       string     `json:"kind"`
	Scope      string     `json:"scope"`
	Collection *int64     `json:"collection"`
	Networks   []string   `json:"networks"`
	ExpiresAt  *time.Time `json:"expires_at"`
}

func (e tokens) create(w http.ResponseWriter, r *request) error {
	var n newToken
	if err := httpkit.DecodeJSON(w, r.Request, &n); err != nil {
		return err
	}
	if n.Name == "" && n.Kind != token.KindExchangeKey.String() {
		return missing("name")
	}
	issued, err := e.issue(r, n.Kind, credentials.NewCredential{
		Name: n.Name, Description: n.Description, Scope: n.Scope, Collection: n.Collection, Networks: networks.List(n.Networks), Lifetime: int64(n.ExpiresIn),
	})
	if err != nil {
		return unpermitted(err)
	}
	return writeMade(w, issued)
}

func (e tokens) issue(r *request, kind string, c credentials.NewCredential) (*issuance.Issued, error) {
	switch kind {
	case "", token.KindAPIToken.String():
		return e.credentials.CreateAPIToken(r.Context(), r.caller, c)
	case token.KindExchangeKey.String():
		return e.credentials.CreateExchangeKey(r.Context(), r.caller, c)
	}
	return nil, fault.New(fault.Invalid, "the member \"kind\" must be api-token or api-key").In("kind")
}

// regenerate creates a new value for an API token. Without an overlap in the body
// the operator's applies.
func (e tokens) regenerate(w http.ResponseWriter, r *request) error {
	var body struct {
		Overlap *int64 `json:"overlap"` // seconds
	}
	if err := r.optionalBody(w, &body); err != nil {
		return err
	}
	overlap := int64(e.overlap / time.Second)
	if body.Overlap != nil {
		overlap = *body.Overlap
	}
	issued, err := e.credentials.Regenerate(r.Context(), r.caller, r.id, overlap)
	if err != nil {
		return unpermitted(err)
	}
	return writeMade(w, issued)
}

// unpermitted turns the refusal of a scope for lack of a permission into Forbidden: OAuth
// has no error for it, this API has.
func unpermitted(err error) error {
	if errors.Is(err, issuance.ErrScopePermission) {
		return fault.Wrap(err, fault.Forbidden, "%s", fault.Message(err))
	}
	return err
}

// lifetime is a lifetime in seconds, as a JSON integer; 0 when there is none.
type lifetime int64

// UnmarshalJSON refuses everything but a decimal integer greater than 0.
func (l *lifetime) UnmarshalJSON(raw []byte) error {
	if string(raw) == "null" {
		return nil
	}
	seconds, err := issuance.ParseLifetime(string(raw))
	*l = lifetime(seconds)
	return err
}

// networkList is the networks of a body, a list of texts; nil when none was given.
type networkList networks.List

// UnmarshalJSON refuses a text that is not a network, and an empty list.
func (l *networkList) UnmarshalJSON(raw []byte) error {
	var texts []string
	if json.Unmarshal(raw, &texts) != nil {
		return fault.New(fault.Invalid, "the member \"networks\" must be a list of strings").In("networks")
	}
	list, err := networks.Parse(texts)
	*l = networkList(list)
	return err
}

func writeMade(w http.ResponseWriter, issued *issuance.Issued) error {
	return httpkit.WriteJSON(w, http.StatusCreated, madeToken{
		ID: issued.ID, Token: issued.Value.Reveal(), Name: issued.Name, Kind: issued.Kind.String(),
		Scope: identity.FormatScope(issued.Scope), Collection: issued.Collection, Networks: issued.Networks.Strings(), ExpiresAt: instant(issued.Expiry),
	})
}

// scopeList is a scope in a body: one string of names (RFC 6749 §3.3) or a list of
// them. It is nil when none was given.
type scopeList []string

// UnmarshalJSON takes both forms.
func (s *scopeList) UnmarshalJSON(raw []byte) error {
	var text string
	var names []string
	if string(raw) == "null" {
		return nil
	}
	if json.Unmarshal(raw, &text) != nil {
		if json.Unmarshal(raw, &names) != nil {
			return fault.New(fault.Invalid, "the member \"scope\" must be a string or a list of strings").In("scope")
		}
		for _, name := range names {
			if !identity.ValidScopeName(name) {
				return fault.New(fault.InvalidScope, "scope has a name that RFC 6749 does not allow").In("scope")
			}
		}
		text = strings.Join(names, " ")
	}
	names, err := identity.ParseScope(text)
	*s = append(scopeList{}, names...)
	return err
}
