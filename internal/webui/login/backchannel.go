package login

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revoking"
)

// backchannelLogout receives a logout token, which a provider posts when a session there
// has ended (OpenID Connect Back-Channel Logout 1.0 §2.5), and answers when everything
// that began from that session is refused, on every node if that is configured.
func (s ways) backchannelLogout(w http.ResponseWriter, r *http.Request) error {
	src, err := s.Sources.Find(r.PathValue("source"))
	if err != nil {
		return err
	}
	if src.Provider == nil {
		return fault.New(fault.NotFound, "this way to sign in has no back channel")
	}
	form, err := httpkit.Form(w, r)
	if err != nil {
		return err
	}
	raw := form.Get("logout_token")
	if raw == "" {
		return fault.New(fault.Invalid, "logout_token is missing").In("logout_token")
	}
	said, err := src.Provider.Logout(r.Context(), raw)
	if err != nil {
		return err
	}
	_, err = s.Revoker.EndSourced(r.Context(), revoking.SourceLogout{
		Source: src.Name, Session: said.Session, ExternalID: said.Subject, At: said.At, Everything: src.Provider.LogoutAll,
		Once: records.OnceOf("logout token", src.Name, said.ID), Until: said.Until,
	})
	if fault.Is(err, fault.Conflict) {
		return fault.Wrap(err, fault.InvalidToken, "this logout token was used already")
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK) // some providers treat a 204 as a failure
	return nil
}

// logoutFailure is the JSON of an answer that nothing has ended (§2.8).
type logoutFailure struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// writeLogoutError answers a provider, which reads JSON.
func writeLogoutError(w http.ResponseWriter, _ *http.Request, err error) {
	status, code := http.StatusBadRequest, "invalid_request"
	switch kind := fault.KindOf(err); kind { //nolint:exhaustive // the rest is what the provider sent
	case fault.NotFound, fault.TooLarge:
		status = httpkit.Status(kind)
	case fault.Unavailable, fault.Limited:
		status, code = httpkit.Status(kind), "temporarily_unavailable"
	case fault.Internal:
		status, code = http.StatusInternalServerError, "server_error"
	}
	httpkit.SetRetryAfter(w, err)
	_ = httpkit.WriteJSON(w, status, logoutFailure{code, fault.Message(err)}) // strings can be encoded
}
