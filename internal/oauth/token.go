package oauth

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/authorizing"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/trust"
)

// grants is the dispatch table of the token endpoint, by grant_type.
var grants = map[string]grant{
	identity.GrantTypeAuthorizationCode: {public: true, redeem: tokens.code},
	identity.GrantTypeClientCredentials: {redeem: tokens.clientCredentials},
	identity.GrantTypeRefreshToken:      {public: true, redeem: tokens.refresh},
	identity.GrantTypeTokenExchange:     {public: true, redeem: tokens.exchange},
	identity.GrantTypeDeviceCode:        {public: true, redeem: tokens.deviceCode},
	identity.GrantTypeJWTBearer:         {public: true, redeem: tokens.assertion},
}

// grant is a way to get a token (RFC 6749 §1.3).
type grant struct {
	// public is set when it may be used by public clients, and without a client.
	public bool
	redeem func(e tokens, r *http.Request, t *tokenRequest) (*tokenAnswer, error)
}

// grantTypes lists the grant types of the table.
func grantTypes() []string { return slices.Sorted(maps.Keys(grants)) }

// tokenRequest is the part of a request that every grant reads.
type tokenRequest struct {
	form     url.Values
	client   *caller.Caller // nil: none
	audience string         // of resource or audience; "": none asked for
	scope    []string       // nil: none asked for
	lifetime int64          // seconds; 0: none asked for
}

// tokenAnswer is the JSON of RFC 6749 §5.1.
type tokenAnswer struct {
	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type,omitempty"` // RFC 8693 §2.2.1
	TokenType       string `json:"token_type"`
	ExpiresIn       int64  `json:"expires_in"`
	RefreshToken    string `json:"refresh_token,omitempty"`
	Scope           string `json:"scope,omitempty"`
}

// tokens is the token endpoint.
type tokens struct {
	authenticator

	issuance   *issuance.Issuance
	flows      *authorizing.Flows
	assertions *trust.Assertions
	inQuery    bool // parameters may be in the query, except for secrets
}

// serve serves the token endpoint (RFC 6749 §3.2).
func (e tokens) serve(w http.ResponseWriter, r *http.Request) error {
	form, err := e.form(w, r)
	if err != nil {
		return err
	}
	name := form.Get("grant_type")
	if name == "" {
		return fault.New(fault.Invalid, "grant_type is missing")
	}
	g, known := grants[name]
	if !known {
		return fault.New(fault.UnsupportedGrantType, "the grant types are %s", strings.Join(grantTypes(), ", "))
	}
	client, err := e.client(r, form)
	if err != nil {
		return err
	}
	httpkit.Note(r, client)
	allowOrigin(w.Header(), r, client)
	if client == nil && !g.public {
		return fault.New(fault.InvalidClient, "client authentication is needed")
	}
	t, err := readTokenRequest(form)
	if err != nil {
		return err
	}
	t.client = client
	answer, err := g.redeem(e, r, t)
	if err != nil {
		return err
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, answer)
}

// The parameters of the token endpoint. Secrets are never read from a query, because URLs
// are logged on the way.
var (
	plainParameters  = []string{"grant_type", "client_id", "scope", "resource", "audience", "expires_in", "requested_token_type", "subject_token_type", "actor_token_type", "client_assertion_type"}
	secretParameters = []string{"client_secret", "refresh_token", "subject_token", "actor_token", "device_code", "code", "code_verifier", "assertion", "client_assertion", "password"}
)

// form reads the parameters of a token request.
func (e tokens) form(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if !e.inQuery {
		return httpkit.Form(w, r)
	}
	form, err := httpkit.FormOrQuery(w, r, slices.Concat(plainParameters, secretParameters)...)
	if err != nil || r.ContentLength != 0 {
		return form, err
	}
	for _, name := range secretParameters {
		if form.Has(name) {
			return nil, fault.New(fault.Invalid, "%s belongs in the body: a query is logged on the way", name).In(name)
		}
	}
	return form, nil
}

func readTokenRequest(form url.Values) (t *tokenRequest, err error) {
	t = &tokenRequest{form: form}
	if t.audience, err = readAudience(form.Get("resource"), form.Get("audience")); err != nil {
		return nil, err
	}
	if t.scope, err = identity.ParseScope(form.Get("scope")); err != nil {
		return nil, err
	}
	if s := form.Get("expires_in"); s != "" {
		t.lifetime, err = issuance.ParseLifetime(s)
	}
	return t, err
}

// readAudience returns the audience that is asked for. A resource is an absolute URI
// without a fragment (RFC 8707 §2); an audience may be any name.
func readAudience(resource, audience string) (string, error) {
	if resource == "" {
		return audience, nil
	}
	u, err := url.Parse(resource)
	if err != nil || !u.IsAbs() || strings.Contains(resource, "#") {
		return "", fault.New(fault.InvalidTarget, "resource must be an absolute URI without a fragment")
	}
	if audience != "" && !token.SameAudience(audience, resource) {
		return "", fault.New(fault.InvalidTarget, "resource and audience differ: a token has one audience")
	}
	return resource, nil
}

// bearer returns the response with an access token.
func bearer(issued *issuance.Issued) *tokenAnswer {
	return &tokenAnswer{
		AccessToken: issued.Value.Reveal(), TokenType: "Bearer", ExpiresIn: issued.Lifetime,
		Scope: identity.FormatScope(issued.Scope),
	}
}

// clientCredentials is the grant for a client that acts for itself (RFC 6749 §4.4).
func (e tokens) clientCredentials(r *http.Request, t *tokenRequest) (*tokenAnswer, error) {
	issued, err := e.issuance.ClientCredentials(r.Context(), issuance.ClientCredentials{
		Client: t.client, Scope: t.scope, Audience: t.audience, Lifetime: t.lifetime,
	})
	if err != nil {
		return nil, err
	}
	return bearer(issued), nil
}
