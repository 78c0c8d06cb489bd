package oauth

import (
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/revocation"
)

// revoked is the answer of the revocation endpoint. RFC 7009 leaves the body of a
// 200 open.
type revoked struct {
	Revoked bool           `json:"revoked"`
	Seq     revocation.Seq `json:"seq,omitempty"`
	*revocation.Acknowledgement
}

// revoke serves the revocation endpoint (RFC 7009), for clients and for the holders
// of a Bearer token. token_type_hint is not needed: a token tells its own kind.
func (e *Edge) revoke(w http.ResponseWriter, r *http.Request) error {
	form, err := httpkit.Form(w, r)
	if err != nil {
		return err
	}
	c, err := e.caller(r, form, e.Authority.BearerToRevoke)
	if err != nil {
		return err
	}
	what := authority.Revocation{Token: form.Get("token")}
	if what.Token == "" {
		return fault.New(fault.Invalid, "token is missing")
	}
	if what.Wait, err = e.readWait(form); err != nil {
		return err
	}
	receipt, err := e.Authority.Revoke(r.Context(), c, what)
	if err != nil && !fault.Is(err, fault.InvalidToken) {
		return err
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, revoked{receipt.Revoked, receipt.Seq, receipt.Nodes})
}

// readWait reads whether the answer waits for every node.
func (e *Edge) readWait(form url.Values) (bool, error) {
	switch form.Get("wait") {
	case "":
		return e.Authority.Policy.Wait, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fault.New(fault.Invalid, "wait must be true or false")
}
