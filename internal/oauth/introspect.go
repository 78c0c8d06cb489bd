package oauth

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// introspection is the answer about an active token (RFC 7662 §2.2), and what bearerd's
// own verifier needs in addition: the kind, and the ids by which the revocation log may
// name the token.
type introspection struct {
	Active     bool           `json:"active"`
	Scope      string         `json:"scope,omitempty"`
	ClientID   string         `json:"client_id,omitempty"`
	Username   string         `json:"username,omitempty"`
	TokenType  string         `json:"token_type"`
	Expiry     int64          `json:"exp,omitempty"`
	IssuedAt   int64          `json:"iat"`
	Subject    string         `json:"sub"`
	Audience   any            `json:"aud"`
	Issuer     string         `json:"iss"`
	ID         string         `json:"jti"`
	Kind       string         `json:"token_kind"`
	TaskType   string         `json:"task_token_type,omitempty"`
	Collection *int64         `json:"collection,omitempty"`
	Chain      []string       `json:"chain,omitempty"`
	Act        *token.Actor   `json:"act,omitempty"`      // RFC 8693 §4.1
	Networks   []string       `json:"networks,omitempty"` // that it may be used from; none: any
	Seq        revocation.Seq `json:"seq"`
	LogSeq     revocation.Seq `json:"log_seq"` // the log's sequence as of which the answer is true

	*facts // where they were asked for
}

// inactive is the whole answer about every other token.
type inactive struct {
	Active bool `json:"active"`
}

// introspections is the introspection endpoint.
type introspections struct {
	authenticator

	verifier *verification.Verifier
	applied  func() revocation.Seq // up to which this node has applied the log
	issuer   string
}

// serve serves the introspection endpoint (RFC 7662), for confidential clients
// and for holders of a Bearer token with the scope introspect.
func (e introspections) serve(w http.ResponseWriter, r *http.Request) error {
	form, err := httpkit.Form(w, r)
	if err != nil {
		return err
	}
	c, err := e.caller(r, form, e.signIn.Bearer)
	if err != nil {
		return err
	}
	if err := caller.RequireIntrospect(c); err != nil {
		return err
	}
	raw := form.Get("token")
	if raw == "" {
		return fault.New(fault.Invalid, "token is missing")
	}
	from, err := addressOf(form.Get("address"))
	if err != nil {
		return err
	}
	q, err := questionOf(form)
	if err != nil {
		return err
	}
	if q.facts {
		if err := caller.RequireFacts(c); err != nil {
			return err
		}
	}
	if err := e.clientAuth.UseUp(r.Context(), c); err != nil {
		return err
	}
	asOf := e.applied() // before anything is looked up
	inspect := e.signIn.Introspect
	if q.facts {
		inspect = e.signIn.Facts
	}
	t, active, err := inspect(r.Context(), c, raw)
	if err != nil {
		return err
	}
	httpkit.NoStore(w)
	if !active || from.IsValid() && token.JudgeNetwork(t.Networks, from) != nil {
		return httpkit.WriteJSON(w, http.StatusOK, inactive{})
	}
	answer, err := e.describe(r.Context(), t)
	if err != nil {
		return err
	}
	answer.LogSeq = asOf
	if q.facts {
		gone, err := e.addFacts(r.Context(), answer, t, q)
		if err != nil {
			return err
		}
		if gone {
			return httpkit.WriteJSON(w, http.StatusOK, inactive{})
		}
	}
	return httpkit.WriteJSON(w, http.StatusOK, answer)
}

// addressOf reads the address of a resource server's client, by which it wants a token's
// networks judged; zero for none.
func addressOf(text string) (netip.Addr, error) {
	if text == "" {
		return netip.Addr{}, nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, fault.New(fault.Invalid, "address is not an IP address").In("address")
	}
	return addr, nil
}

// describe returns what is known about a token. Where the token has no username, it
// is the user's current one.
func (e introspections) describe(ctx context.Context, t *verification.Token) (*introspection, error) {
	i := &introspection{
		Active: true, Scope: identity.FormatScope(t.Scope), ClientID: t.ClientID, Username: t.Username,
		TokenType: "Bearer", Expiry: unix(t.Expiry), IssuedAt: unix(t.IssuedAt), Subject: t.Subject,
		Audience: t.Audience, Issuer: e.issuer, ID: t.ID,
		Kind: t.Kind.String(), TaskType: t.TaskTokenType, Collection: t.Collection, Chain: t.Chain, Act: token.ActorOf(t.Actors), Networks: t.Networks.Strings(), Seq: t.Seq,
	}
	if len(t.Audience) == 1 {
		i.Audience = t.Audience[0]
	}
	if i.Username != "" || t.OfClient() {
		return i, nil
	}
	s, err := e.verifier.Subject(ctx, t)
	if fault.Is(err, fault.NotFound) {
		return i, nil
	}
	if err != nil {
		return nil, err
	}
	i.Username = s.Username
	return i, nil
}

// unix returns an instant in seconds; 0 for none.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
