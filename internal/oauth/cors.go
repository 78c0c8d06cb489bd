package oauth

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/caller"
)

// preflight answers the CORS preflight of a token request. A preflight names no client, so
// that scripts of every origin may send a token request: without cookies, and without the
// header Authorization, because a script can't keep a client's secret. allowOrigin
// decides which scripts may read the answer.
func preflight(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Allow", "OPTIONS, POST")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", http.MethodPost)
	h.Set("Access-Control-Allow-Headers", "*") // all but authorization
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

// allowOrigin lets the script of a public client read the answer: one of an origin that the
// client's users are sent back to. Nothing else in a request is a browser's own.
func allowOrigin(h http.Header, r *http.Request, client *caller.Caller) {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return
	}
	h.Add("Vary", "Origin")
	if client == nil || client.Principal == nil || client.Principal.Client == nil || !client.Principal.Client.HasOrigin(origin) {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "www-authenticate, retry-after, x-request-id")
}
