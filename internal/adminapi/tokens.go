package adminapi

import (
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/usage"
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

// tokens are the endpoints of stored tokens.
type tokens struct {
	credentials *credentials.Tokens
	usage       *usage.Reader
	revoker     *revoking.Revoker
	directory   *directory.Directory
	overlap     time.Duration // for which a regenerated token's old value stays valid, where the body doesn't name it
	now         func() time.Time
}

func (e tokens) routes() []route {
	return []route{
		{"GET", "/tokens", e.list, "all " + tokenFilters + " " + paging, mayListTokens},
		{"POST", "/tokens", e.create, "", e.mayCreate},
		{"GET", "/tokens/{id}", e.read, "", anybody},                                                         // it depends on whose it is
		{"DELETE", "/tokens/{id}", revokes(func() operation { return e.revoker.RevokeID }), "wait", anybody}, // likewise
		{"GET", "/tokens/{id}/uses", e.uses, "", anybody},                                                    // likewise
		{"POST", "/tokens/{id}/smaller", e.shrink, "wait", e.mayRegenerate},
		{"POST", "/tokens/{id}/regenerate", e.regenerate, "wait", e.mayRegenerate},
		{"GET", "/users/{id}/tokens", e.listOfUser, tokenFilters + " " + paging, mayReadUser(e.directory)},
	}
}

func (e tokens) mayCreate(r *request) error {
	return e.credentials.MayCreate(r.Context(), r.caller)
}

func (e tokens) mayRegenerate(r *request) error {
	if err := mayBeID(r.id); err != nil {
		return err
	}
	return e.credentials.MayRegenerate(r.Context(), r.caller, r.id)
}

func (e tokens) shown(t records.StoredToken) storedToken {
	now := e.now()
	_, reason, _ := t.End(now)
	return storedToken{
		ID: t.ID, Name: t.Name, Description: t.Description, Kind: t.Kind.String(), Owner: t.Owner, Client: named(t.ClientID), Prefix: t.Prefix, Last4: t.Last4,
		Scope: identity.FormatScope(t.Scope), Collection: t.Collection, Networks: t.Networks.Strings(), CreatedAt: instant(t.CreatedAt),
		LastUsedAt: instant(t.LastUsedAt), LastUsedFrom: named(t.LastUsedBy), ExpiresAt: instant(t.ExpiresAt),
		RevokedAt: instant(t.RevokedAt), Reason: named(reason), ExpiringSoon: t.ExpiringSoon(now),
	}
}

// list lists the caller's tokens or, with all=true, everybody's.
func (e tokens) list(w http.ResponseWriter, r *request) error {
	everybody, err := r.query.flag("all")
	if err != nil {
		return err
	}
	if !everybody {
		return e.write(w, r, r.caller.ID())
	}
	return e.write(w, r, "")
}

// read shows one of the caller's tokens, or the one that they came with.
func (e tokens) read(w http.ResponseWriter, r *request) error {
	t, err := e.credentials.StoredToken(r.Context(), r.caller, r.id)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, e.shown(t))
}

func (e tokens) listOfUser(w http.ResponseWriter, r *request) error {
	u, err := e.directory.User(r.Context(), r.caller, r.id)
	if err != nil {
		return err
	}
	return e.write(w, r, u.ID)
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

// query reads the parameters of a list of tokens.
func (e tokens) query(r *request, owner string) (q records.TokenQuery, err error) {
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
		q.ExpiresBy = e.now().Add(within)
	}
	return q, err
}

func (e tokens) write(w http.ResponseWriter, r *request, owner string) error {
	q, err := e.query(r, owner)
	if err != nil {
		return err
	}
	counted, err := r.query.flag("total")
	if err != nil {
		return err
	}
	page, err := e.credentials.TokenList(r.Context(), r.caller, q)
	if err != nil {
		return err
	}
	out := countedList[storedToken]{list: listOf(page.Items, page.Next, e.shown)}
	if owner == "" {
		if err := e.nameOwners(r, out.Items); err != nil {
			return err
		}
	}
	if counted {
		n, err := e.credentials.TokenTotal(r.Context(), r.caller, q)
		if err != nil {
			return err
		}
		out.Total = &total{n.Count, n.More}
	}
	return httpkit.WriteJSON(w, http.StatusOK, out)
}

// nameOwners sets the usernames of tokens.
func (e tokens) nameOwners(r *request, tokens []storedToken) error {
	subjects := make([]string, len(tokens))
	for i := range tokens {
		subjects[i] = tokens[i].Owner
	}
	names, err := e.directory.Usernames(r.Context(), r.caller, subjects)
	for i := range tokens {
		if name, ok := names[tokens[i].Owner]; ok {
			tokens[i].Username = &name
		}
	}
	return err
}
