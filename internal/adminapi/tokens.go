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

// storedToken is a stored token as it is shown, without its value.
type storedToken struct {
	ID           string     `json:"id"`
	Name         string     `json:"name"`
	Description  string     `json:"description"`
	Kind         string     `json:"kind"`
	Owner        string     `json:"owner"` // the subject
	Username     *string    `json:"username,omitempty"`
	Client       *string    `json:"client_id"`
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
		ID: t.ID, Name: t.Name, Description: t.Description, Kind: t.Kind.String(), Owner: t.Owner, Client: named(t.ClientID), Prefix: t.Prefix, Last4: t.Last4,
		Scope: identity.FormatScope(t.Scope), Collection: t.Collection, Networks: t.Networks.Strings(), CreatedAt: instant(t.CreatedAt),
		LastUsedAt: instant(t.LastUsedAt), LastUsedFrom: named(t.LastUsedBy), ExpiresAt: instant(t.ExpiresAt),
		RevokedAt: instant(t.RevokedAt), Reason: named(reason), ExpiringSoon: t.ExpiringSoon(now),
	}
}

// tokens lists the caller's tokens or, with all=true, everybody's.
func (a *API) tokens(w http.ResponseWriter, r *request) error {
	everybody, err := r.query.flag("all")
	if err != nil {
		return err
	}
	if !everybody {
		return a.listTokens(w, r, r.caller.ID())
	}
	return a.listTokens(w, r, "")
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

// mayListTokens is the gate of a list of tokens: everybody's are for administrators.
func mayListTokens(r *request) error {
	if r.URL.Query().Get("all") == "true" {
		return r.caller.RequireAdministrator()
	}
	return nil
}

// tokenFilters are the parameters of a list of tokens.
const tokenFilters = "kind state never_used expiring scope search sort total"

// What the parameters state and sort may be.
var (
	tokenStates = map[string]records.TokenState{"": records.AnyState, "valid": records.ValidOnly, "ended": records.EndedOnly}
	tokenOrders = map[string]records.TokenOrder{
		"": records.NaturalOrder, "-created": records.NewestFirst, "created": records.OldestFirst, "expires": records.ExpiryFirst, "name": records.ByName,
	}
)

// tokenQuery reads the parameters of a list of tokens.
func (a *API) tokenQuery(r *request, owner string) (q records.TokenQuery, err error) {
	q = records.TokenQuery{Owner: owner, After: r.query.get("cursor"), Scope: r.query.get("scope"), Search: r.query.get("search")}
	if q.Limit, err = r.query.limit(); err != nil {
		return q, err
	}
	if name := r.query.get("kind"); name != "" {
		kind, ok := token.ParseKind(name)
		if !ok {
			return q, fault.New(fault.Invalid, "the parameter \"kind\" is no kind of token").In("kind")
		}
		q.Kinds = []token.Kind{kind}
	}
	var known bool
	if q.State, known = tokenStates[r.query.get("state")]; !known {
		return q, fault.New(fault.Invalid, "the parameter \"state\" must be valid or ended").In("state")
	}
	if q.Order, known = tokenOrders[r.query.get("sort")]; !known {
		return q, fault.New(fault.Invalid, "the parameter \"sort\" must be -created, created, expires or name").In("sort")
	}
	if q.NeverUsed, err = r.query.flag("never_used"); err != nil {
		return q, err
	}
	within, err := r.query.span("expiring")
	if within > 0 {
		q.ExpiresBy = a.Now().Add(within)
	}
	return q, err
}

func (a *API) listTokens(w http.ResponseWriter, r *request, owner string) error {
	q, err := a.tokenQuery(r, owner)
	if err != nil {
		return err
	}
	counted, err := r.query.flag("total")
	if err != nil {
		return err
	}
	page, err := a.Tokens.TokenList(r.Context(), r.caller, q)
	if err != nil {
		return err
	}
	out := countedList[storedToken]{list: listOf(page.Items, page.Next, a.tokenOf)}
	if owner == "" {
		if err := a.nameOwners(r, out.Items); err != nil {
			return err
		}
	}
	if counted {
		n, err := a.Tokens.TokenTotal(r.Context(), r.caller, q)
		if err != nil {
			return err
		}
		out.Total = &total{n.Count, n.More}
	}
	return httpkit.WriteJSON(w, http.StatusOK, out)
}

// nameOwners sets the usernames of tokens.
func (a *API) nameOwners(r *request, tokens []storedToken) error {
	subjects := make([]string, len(tokens))
	for i := range tokens {
		subjects[i] = tokens[i].Owner
	}
	names, err := a.Directory.Usernames(r.Context(), r.caller, subjects)
	for i := range tokens {
		if name, ok := names[tokens[i].Owner]; ok {
			tokens[i].Username = &name
		}
	}
	return err
}
