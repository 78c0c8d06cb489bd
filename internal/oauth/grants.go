package oauth

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/authorizing"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/trust"
)

// Token type identifiers (RFC 8693 §3).
const (
	typeAccessToken = "urn:ietf:params:oauth:token-type:access_token" // #nosec G101 -- a name
	typeIDToken     = "urn:ietf:params:oauth:token-type:id_token"     // #nosec G101 -- a name
	typeJWT         = "urn:ietf:params:oauth:token-type:jwt"          // #nosec G101 -- a name
)

// code is the grant of RFC 6749 §4.1.3. Its scope is what a person allowed, so none can be
// asked for here.
func (e tokens) code(r *http.Request, t *tokenRequest) (*tokenAnswer, error) {
	switch {
	case t.form.Get("code") == "":
		return nil, fault.New(fault.Invalid, "code is missing")
	case t.form.Get("code_verifier") == "":
		return nil, fault.New(fault.Invalid, "code_verifier is missing")
	case t.client == nil:
		return nil, fault.New(fault.InvalidClient, "the client must be named")
	}
	pair, err := e.flows.RedeemCode(r.Context(), authorizing.CodeUse{
		Client: t.client, Code: t.form.Get("code"), RedirectURI: t.form.Get("redirect_uri"), Verifier: t.form.Get("code_verifier"),
		Audience: t.audience, Lifetime: t.lifetime,
	})
	if err != nil {
		return nil, err
	}
	return bearerPair(pair), nil
}

// refresh is the grant of RFC 6749 §6.
func (e tokens) refresh(r *http.Request, t *tokenRequest) (*tokenAnswer, error) {
	value := t.form.Get("refresh_token")
	if value == "" {
		return nil, fault.New(fault.Invalid, "refresh_token is missing")
	}
	pair, err := e.issuance.Refresh(r.Context(), issuance.Refresh{
		Token: value, Client: t.client, Scope: t.scope, Audience: t.audience, Lifetime: t.lifetime,
	})
	if err != nil {
		return nil, err
	}
	return bearerPair(pair), nil
}

// exchange is the grant of RFC 8693. bearerd reads the kind from the token itself;
// subject_token_type and actor_token_type need only be ones that it supports.
func (e tokens) exchange(r *http.Request, t *tokenRequest) (*tokenAnswer, error) {
	subject := t.form.Get("subject_token")
	switch typ, requested := t.form.Get("subject_token_type"), t.form.Get("requested_token_type"); {
	case subject == "":
		return nil, fault.New(fault.Invalid, "subject_token is missing")
	case typ != typeAccessToken && typ != typeJWT && typ != typeIDToken:
		return nil, fault.New(fault.Invalid, "subject_token_type must be %s, %s or %s", typeAccessToken, typeJWT, typeIDToken)
	case requested != "" && requested != typeAccessToken && requested != typeJWT:
		return nil, fault.New(fault.Invalid, "requested_token_type must be %s or %s", typeAccessToken, typeJWT)
	}
	actor, err := readActor(t.form)
	if err != nil {
		return nil, err
	}
	pair, err := e.trade(r, t, subject, actor)
	if err != nil {
		return nil, exchangeError(err)
	}
	answer := bearerPair(pair)
	answer.IssuedTokenType = typeAccessToken
	if t.form.Get("requested_token_type") == typeJWT {
		answer.IssuedTokenType = typeJWT
	}
	return answer, nil
}

// trade exchanges bearerd's own token, or the JWT of a trusted issuer. An ID token is
// always of another issuer, for which no actor can be named.
func (e tokens) trade(r *http.Request, t *tokenRequest, subject, actor string) (issuance.Pair, error) {
	typ := t.form.Get("subject_token_type")
	if typ != typeIDToken && (typ != typeJWT || !e.assertions.Foreign(subject)) {
		return e.issuance.Exchange(r.Context(), issuance.Exchange{
			Subject: subject, Actor: actor, Client: t.client, Scope: t.scope, Audience: t.audience, Lifetime: t.lifetime,
		})
	}
	if actor != "" {
		return issuance.Pair{}, fault.New(fault.Invalid, "no actor can be named for a token of another issuer: exchange it first")
	}
	issued, err := e.assertions.IssueForAssertion(r.Context(), trust.Assertion{
		Value: subject, Exchange: true, Client: t.client, Scope: t.scope, Audience: t.audience, Lifetime: t.lifetime,
	})
	if fault.Is(err, fault.InvalidGrant) { // RFC 8693 §2.2.2
		err = fault.Wrap(err, fault.Invalid, "the subject token is not valid: %s", fault.Message(err))
	}
	return issuance.Pair{Access: issued}, err
}

// assertion is the grant of RFC 7523 §2.1: the JWT of a trusted issuer is the authorization.
func (e tokens) assertion(r *http.Request, t *tokenRequest) (*tokenAnswer, error) {
	value := t.form.Get("assertion")
	if value == "" {
		return nil, fault.New(fault.Invalid, "assertion is missing")
	}
	issued, err := e.assertions.IssueForAssertion(r.Context(), trust.Assertion{
		Value: value, Client: t.client, Scope: t.scope, Audience: t.audience, Lifetime: t.lifetime,
	})
	if err != nil {
		return nil, err
	}
	return bearer(issued), nil
}

// readActor returns the actor token; "": there is none. Its type must be there with it, and
// not without it (RFC 8693 §2.1).
func readActor(form url.Values) (string, error) {
	actor, typ := form.Get("actor_token"), form.Get("actor_token_type")
	switch {
	case actor == "" && typ != "":
		return "", fault.New(fault.Invalid, "actor_token is missing")
	case actor != "" && typ != typeAccessToken && typ != typeJWT:
		return "", fault.New(fault.Invalid, "actor_token_type must be %s or %s", typeAccessToken, typeJWT)
	}
	return actor, nil
}

// exchangeError maps refusals to the errors of RFC 8693 §2.2.2: a subject token that
// isn't valid makes the request invalid, as does a lifetime that isn't granted; a task
// token type that isn't granted is an invalid target.
func exchangeError(err error) error {
	if errors.Is(err, issuance.ErrLifetime) {
		return fault.Wrap(err, fault.Invalid, "%s", fault.Message(err))
	}
	switch fault.KindOf(err) { //nolint:exhaustive // the other kinds have their own words
	case fault.InvalidToken, fault.InsufficientScope:
		return fault.Wrap(err, fault.Invalid, "the subject token is not valid: %s", fault.Message(err))
	case fault.Forbidden:
		return fault.Wrap(err, fault.InvalidTarget, "%s", fault.Message(err))
	}
	return err
}

// deviceCode is the grant of RFC 8628 §3.4.
func (e tokens) deviceCode(r *http.Request, t *tokenRequest) (*tokenAnswer, error) {
	code := t.form.Get("device_code")
	if code == "" {
		return nil, fault.New(fault.Invalid, "device_code is missing")
	}
	pair, err := e.flows.RedeemDevice(r.Context(), t.client, code)
	if err != nil {
		return nil, err
	}
	return bearerPair(pair), nil
}

func bearerPair(pair issuance.Pair) *tokenAnswer {
	answer := bearer(pair.Access)
	if pair.Refresh != nil {
		answer.RefreshToken = pair.Refresh.Value.Reveal()
	}
	return answer
}
