package oauth

import (
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/authorizing"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// deviceAnswer is the JSON of RFC 8628 §3.2.
type deviceAnswer struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	ExpiresIn               int64  `json:"expires_in"`
	Interval                int64  `json:"interval"`
}

// devices is the endpoint of device authorization.
type devices struct {
	authenticator

	flows *authorizing.Flows
	page  string // the URL of where the user decides
}

// serve starts the device flow (RFC 8628 §3.1).
func (e devices) serve(w http.ResponseWriter, r *http.Request) error {
	form, err := httpkit.Form(w, r)
	if err != nil {
		return err
	}
	client, err := e.client(r, form)
	if err != nil {
		return err
	}
	httpkit.Note(r, client)
	if err := caller.RequireDeviceGrant(client); err != nil {
		return err
	}
	t, err := readTokenRequest(form)
	if err != nil {
		return err
	}
	start, err := e.flows.StartDevice(r.Context(), client, t.scope, t.audience)
	if err != nil {
		return err
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, deviceAnswer{
		DeviceCode: start.DeviceCode.Reveal(), UserCode: start.UserCode, VerificationURI: e.page,
		VerificationURIComplete: e.page + "?user_code=" + url.QueryEscape(start.UserCode),
		ExpiresIn:               start.ExpiresIn, Interval: start.Interval,
	})
}
