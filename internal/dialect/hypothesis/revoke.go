package hypothesis

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// revoke revokes a token for its holder (RFC 7009), as the original does: its clients
// have no secret, and send only the token. Other tokens are passed to the application;
// without one there is nothing to revoke.
func (d *Dialect) revoke(w http.ResponseWriter, r *http.Request) error {
	form, ok := readForm(r)
	if !ok {
		return errForm
	}
	raw := form.Get("token")
	if d.Application != nil && !d.isOurs(raw) {
		return d.leave(w, r, form)
	}
	if _, _, err := httpkit.Bearer(r); err != nil {
		return err
	}
	if err := d.checkRevocable(raw); err != nil {
		return err
	}
	_, err := d.Revoker.RevokeHeld(r.Context(), raw, revocation.WaitDefault)
	switch {
	case err != nil && !fault.Is(err, fault.InvalidToken):
		return err
	case err != nil && d.Application != nil && isJWT(raw): // somebody else's
		d.Application.ServeHTTP(w, r)
		return nil
	}
	allowEveryOrigin(w.Header())
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, struct{}{})
}

// checkRevocable refuses what can't be revoked here, because reporting success would be
// wrong.
func (d *Dialect) checkRevocable(raw string) error {
	if raw == "" {
		return fault.New(fault.Invalid, "the parameter \"token\" is missing").In("token")
	}
	if o, err := d.Forms.Parse(raw); err == nil && (o.Kind == token.KindSession || o.Kind == token.KindClientSecret) {
		return fault.New(fault.Invalid, "neither a session nor a client's secret is revoked here").In("token")
	}
	return nil
}
