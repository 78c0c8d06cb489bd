package oauth

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// Bounds of a report of leaked tokens, and how many one address may send at once.
const (
	maxLeaked     = 1000
	maxLeakedBody = 1 << 20
	reportBurst   = 60
)

// report is the body of a report.
type report struct {
	Tokens []string `json:"tokens"`
}

// leaked serves whoever found tokens where they should not be. The answer is the
// same whatever they are.
func (e *Edge) leaked(w http.ResponseWriter, r *http.Request) error {
	address := httpkit.EventOf(r.Context()).Address()
	if wait := e.reports.take(address, e.Now()); wait > 0 {
		return fault.After(fault.Limited, wait, "too many reports from this address")
	}
	var body report
	if err := httpkit.DecodeJSONLimit(w, r, maxLeakedBody, &body); err != nil {
		return err
	}
	if body.Tokens == nil {
		return fault.New(fault.Invalid, "tokens is missing")
	}
	if len(body.Tokens) > maxLeaked {
		return fault.New(fault.Invalid, "a report has at most %d tokens", maxLeaked)
	}
	if err := e.Revoker.Leaked(r.Context(), body.Tokens); err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusAccepted, struct{}{})
}
