package oauth

import (
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/revoking"
)

// revoked is the answer of the revocation endpoint. RFC 7009 leaves the body of a
// 200 open.
type revoked struct {
	Revoked bool           `json:"revoked"`
	Seq     revocation.Seq `json:"seq,omitempty"`
	*revocation.Acknowledgement
}

// revocations is the revocation endpoint.
type revocations struct {
	authenticator

	revoker *revoking.Revoker
}

// serve serves the revocation endpoint (RFC 7009), for clients and for the holders of a
// Bearer token. token_type_hint is not needed: bearerd reads the kind from the token.
func (e revocations) serve(w http.ResponseWriter, r *http.Request) error {
	form, err := httpkit.Form(w, r)
	if err != nil {
		return err
	}
	c, err := e.caller(r, form, e.signIn.BearerToRevoke)
	refused := fault.Is(err, fault.InvalidToken) || fault.Is(err, fault.InsufficientScope)
	itself := refused && presentsItself(r, form)
	if err != nil && !itself {
		return err
	}
	what := revoking.Revocation{Token: form.Get("token")}
	if what.Token == "" {
		return fault.New(fault.Invalid, "token is missing")
	}
	wait, err := revocation.ParseWait(form.Get("wait"))
	if err != nil {
		return err
	}
	receipt, err := e.take(r, c, what, itself, wait)
	if err != nil {
		return err
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, revoked{receipt.Revoked, receipt.Seq, receipt.Nodes})
}

// presentsItself reports whether the Bearer token of a request is the one to be revoked.
// Its holder may revoke it even when it is revoked already or has lost its collection,
// and learns nothing from the answer.
func presentsItself(r *http.Request, form url.Values) bool {
	raw, found, err := httpkit.Bearer(r)
	return err == nil && found && raw == form.Get("token")
}

// take revokes the token. If a client sends a value that is no token, there is nothing to
// revoke; a request without any other credential is then not authenticated.
func (e revocations) take(r *http.Request, c *caller.Caller, what revoking.Revocation, itself bool, wait revocation.Wait) (revocation.Receipt, error) {
	if itself {
		return e.revoker.RevokeSelf(r.Context(), what.Token, wait)
	}
	receipt, err := e.revoker.Revoke(r.Context(), c.Waiting(wait), what)
	if fault.Is(err, fault.InvalidToken) {
		return revocation.Receipt{}, nil
	}
	return receipt, err
}
