package gen3

import (
	"context"
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/issuance"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/trust"
)

// newToken is the response with the token that a key was traded for.
type newToken struct {
	Value string `json:"access_token"`
}

// accessToken trades an API key for an access token or, with task_token, for a task
// token. Clients send the file in which they keep the key, so other members of the body
// are ignored.
func (d *Dialect) accessToken(w http.ResponseWriter, r *http.Request) error {
	query, err := httpkit.QueryWithEmpty(r)
	if err != nil {
		return err
	}
	body, err := httpkit.FormOrJSON(w, r)
	if err != nil {
		return err
	}
	x, err := readTrade(query, body)
	if err != nil {
		return err
	}
	issued, err := d.trade(r.Context(), x)
	if err != nil {
		return &tradeError{x.TaskType, err}
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, newToken{issued.Value.Reveal()})
}

// trade trades a key of bearerd's, or one that the original system has signed, where that
// is a trusted issuer: the issuer's rule decides which token it becomes. Such a key can't
// be traded for task tokens.
func (d *Dialect) trade(ctx context.Context, x issuance.Exchange) (*issuance.Issued, error) {
	if x.TaskType != "" || d.Assertions == nil || !d.Assertions.Foreign(x.Subject) {
		pair, err := d.Issuance.Exchange(ctx, x)
		return pair.Access, err
	}
	issued, err := d.Assertions.IssueForAssertion(ctx, trust.Assertion{Value: x.Subject, Lifetime: x.Lifetime, Cap: x.Cap})
	if fault.Is(err, fault.InvalidGrant) {
		err = fault.Wrap(err, fault.InvalidToken, "%s", fault.Message(err))
	}
	return issued, err
}

func readTrade(query, body url.Values) (issuance.Exchange, error) {
	x := issuance.Exchange{
		Subject: body.Get("api_key"), Kinds: []token.Kind{token.KindExchangeKey}, Cap: true,
		TaskType: query.Get("task_token"),
	}
	if x.Subject == "" {
		return x, fault.New(fault.Invalid, "Please provide an api_key in payload")
	}
	for _, name := range []string{"expires_in", "task_token"} {
		if body.Has(name) { // ignoring it would issue more than was asked for
			return x, fault.New(fault.Invalid, "%s belongs in the query, not in the body", name)
		}
	}
	var err error
	x.Lifetime, err = lifetime(query)
	return x, err
}
