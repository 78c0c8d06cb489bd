package adminapi

import (
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
)

// storedToken is what is told of a token that is kept: never its value.
type storedToken struct {
	ID           string     `json:"id"`
	Name         string     `json:"name"`
	Kind         string     `json:"kind"`
	Prefix       string     `json:"prefix"`
	Last4        string     `json:"last4"`
	Scope        string     `json:"scope"`
	Collection   *int64     `json:"collection"`
	Networks     []string   `json:"networks"`
	CreatedAt    *time.Time `json:"created_at"`
	LastUsedAt   *time.Time `json:"last_used_at"`
	LastUsedFrom *string    `json:"last_used_from"`
	ExpiresAt    *time.Time `json:"expires_at"`
	RevokedAt    *time.Time `json:"revoked_at"`
	Reason       *string    `json:"reason"`
	ExpiringSoon bool       `json:"expiring_soon"`
}

func (a *API) tokenOf(t records.StoredToken) storedToken {
	now := a.Now()
	_, reason, _ := t.End(now)
	return storedToken{
		ID: t.ID, Name: t.Name, Kind: t.Kind.String(), Prefix: t.Prefix, Last4: t.Last4,
		Scope: identity.FormatScope(t.Scope), Collection: t.Collection, Networks: t.Networks.Strings(), CreatedAt: instant(t.CreatedAt),
		LastUsedAt: instant(t.LastUsedAt), LastUsedFrom: named(t.LastUsedBy), ExpiresAt: instant(t.ExpiresAt),
		RevokedAt: instant(t.RevokedAt), Reason: named(reason), ExpiringSoon: t.ExpiringSoon(now),
	}
}

func (a *API) tokens(w http.ResponseWriter, r *request) error {
	return a.listTokens(w, r, r.caller.ID())
}

// token shows one of the caller's tokens, or the one that they came with.
func (a *API) token(w http.ResponseWriter, r *request) error {
	t, err := a.Tokens.StoredToken(r.Context(), r.caller, r.id)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, a.tokenOf(t))
}

func (a *API) userTokens(w http.ResponseWriter, r *request) error {
	u, err := a.Directory.User(r.Context(), r.caller, r.id)
	if err != nil {
		return err
	}
	return a.listTokens(w, r, u.ID)
}

func (a *API) listTokens(w http.ResponseWriter, r *request, owner string) error {
	q := records.TokenQuery{Owner: owner, After: r.query.get("cursor")}
	var err error
	if q.Limit, err = r.query.limit(); err != nil {
		return err
	}
	if name := r.query.get("kind"); name != "" {
		kind, ok := token.ParseKind(name)
		if !ok {
			return fault.New(fault.Invalid, "the parameter \"kind\" is no kind of token").In("kind")
		}
		q.Kinds = []token.Kind{kind}
	}
	page, err := a.Tokens.TokenList(r.Context(), r.caller, q)
	if err != nil {
		return err
	}
	return writeList(w, page.Items, page.Next, a.tokenOf)
}
