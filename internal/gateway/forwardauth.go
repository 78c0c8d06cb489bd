package gateway

import (
	"errors"
	"net/http"

	"github.com/bearerd/bearerd/internal/httpkit"
)

// ForwardAuth answers a proxy that asks whether a request may pass: nginx's
// auth_request, Caddy's forward_auth, Traefik's ForwardAuth.
type ForwardAuth struct {
	Gate *Gate
	asks asks
}

// pathVerify is also the pattern: every method will do.
const pathVerify = "/auth/verify"

// Register mounts /auth/verify for every method.
func (f *ForwardAuth) Register(mux *http.ServeMux) { mux.Handle(f.Exact()) }

// Exact returns what Register mounts, for a server that finds it without a search.
func (f *ForwardAuth) Exact() (path string, h http.Handler) {
	return pathVerify, httpkit.Handle(f.verify, f.refuse)
}

// noStore keeps an answer out of every cache: a yes that is a second old could be
// a second older than the revocation that it should have known of.
var noStore = []string{"no-store"}

// verify answers 200 with who is calling. The body of the request is not read.
func (f *ForwardAuth) verify(w http.ResponseWriter, r *http.Request) error {
	a, err := f.asks.of(r)
	if err != nil {
		return err
	}
	let, err := f.Gate.admit(r, a)
	if err != nil {
		return err
	}
	c := let.identity
	httpkit.EventOf(r.Context()).Mute()
	h := w.Header()
	rendered(c).set(h)
	f.Gate.warn(h, c)
	h["Cache-Control"] = noStore
	w.WriteHeader(http.StatusOK)
	return nil
}

// refuse says no. A proxy takes any status but 401 and 403 for a fault of its own,
// so that is what a client's faults are; 400 is for the operator, whose query is wrong.
func (f *ForwardAuth) refuse(w http.ResponseWriter, r *http.Request, err error) {
	new(identification).set(w.Header())
	if _, ok := errors.AsType[queryError](err); ok {
		httpkit.Problems(f.Gate.Challenge)(w, r, err)
		return
	}
	f.Gate.refuse(w, r, err, http.StatusUnauthorized)
}
