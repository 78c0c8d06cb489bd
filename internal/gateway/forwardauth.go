package gateway

import (
	_ "embed" // the description
	"errors"
	"net/http"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

//go:embed openapi.json
var described []byte

// OpenAPI describes forward auth, as a fragment of an OpenAPI 3.1 document.
func (f *ForwardAuth) OpenAPI() [][]byte { return [][]byte{described} }

// ForwardAuth answers a proxy that asks whether a request may pass: nginx's
// auth_request, Caddy's forward_auth, Traefik's ForwardAuth.
type ForwardAuth struct {
	Gate *Gate
	// Requirements are asked for by name: at /auth/ext-authz/NAME, and at /auth/verify
	// with requirement=NAME.
	Requirements Requirements

	asks asks
}

// pathVerify is also the pattern: every method is accepted.
const pathVerify = "/auth/verify"

// Register mounts /auth/verify and /auth/ext-authz/NAME/… for every method. A bare
// ServeMux cleans paths; a server uses [ForwardAuth.Beneath], which doesn't.
func (f *ForwardAuth) Register(mux *http.ServeMux) {
	mux.Handle(f.Exact())
	path, h := f.Beneath()
	mux.Handle(path+"{name}/{path...}", h)
}

// Exact returns what Register mounts, for a server that finds it without a search.
func (f *ForwardAuth) Exact() (path string, h http.Handler) {
	return pathVerify, httpkit.Handle(f.verify, f.refuse)
}

// pathExtAuthz is where Envoy, and what is built on it, asks: the path that a client
// asked for follows a requirement's name.
const pathExtAuthz = "/auth/ext-authz/"

// Beneath returns the path beneath which every path is served as it was sent, and its
// handler: the path that a client asked for isn't one of bearerd's, and must not be
// cleaned.
func (f *ForwardAuth) Beneath() (path string, h http.Handler) {
	return pathExtAuthz, httpkit.Handle(f.extAuthz, f.refuse)
}

// noStore keeps an answer out of every cache: a cached answer that allows a request may
// be older than the revocation that forbids it.
var noStore = []string{"no-store"}

// verify answers 200 with who is calling. The body of the request is not read.
func (f *ForwardAuth) verify(w http.ResponseWriter, r *http.Request) error {
	a, err := f.askVerify(r)
	if err != nil {
		return err
	}
	return a.write(w)
}

// extAuthz answers Envoy's HTTP ext_authz.
func (f *ForwardAuth) extAuthz(w http.ResponseWriter, r *http.Request) error {
	a, err := f.askExtAuthz(r)
	if err != nil {
		return err
	}
	return a.write(w)
}

// Pattern returns the pattern of the endpoint that a request is for; "" where it is for none
// of ForwardAuth's.
func (f *ForwardAuth) Pattern(r *http.Request) string {
	switch {
	case r.URL.Path == pathVerify && r.URL.RawPath == "":
		return pathVerify
	case strings.HasPrefix(r.URL.EscapedPath(), pathExtAuthz):
		return pathExtAuthz
	}
	return ""
}

// Ask returns the answer to a request for which Pattern returns a pattern, for a server that
// writes it by other means than net/http's. The error is for Refuse.
func (f *ForwardAuth) Ask(r *http.Request) (Answer, error) {
	if f.Pattern(r) == pathVerify {
		return f.askVerify(r)
	}
	return f.askExtAuthz(r)
}

// Refuse writes the response to an error of Ask.
func (f *ForwardAuth) Refuse(w http.ResponseWriter, r *http.Request, err error) { f.refuse(w, r, err) }

// askVerify reads the query, and of the headers which method is asked about.
func (f *ForwardAuth) askVerify(r *http.Request) (Answer, error) {
	m := methodAskedAbout(r)
	a, err := f.asks.of(r, f.Requirements)
	if err != nil {
		return Answer{}, err
	}
	return f.answer(r, a, m)
}

var errNoRequirement = fault.New(fault.Forbidden, "there is no requirement of this name")

// askExtAuthz reads only the requirement's name from the path; the method is the
// request's own.
func (f *ForwardAuth) askExtAuthz(r *http.Request) (Answer, error) {
	name, _, _ := strings.Cut(strings.TrimPrefix(pathAsSent(r.URL), pathExtAuthz), "/")
	a := f.Requirements[name]
	if a == nil {
		return Answer{}, errNoRequirement
	}
	return f.answer(r, a, method{name: r.Method, named: true})
}

// Answer lets a request pass, with status 200 and no body, and says who sent it.
type Answer struct {
	announced

	expires    string // when the caller's token expires, where that is soon; else ""
	reportOnly bool   // nothing was enforced
}

// Each calls yield with each header field of the answer.
func (a Answer) Each(yield func(name, value string)) {
	a.each(yield)
	if a.expires != "" {
		yield(httpkit.HeaderTokenExpires, a.expires)
	}
	if a.reportOnly {
		yield(reportOnlyHeader, "true")
	}
	yield("Cache-Control", noStore[0])
}

// write writes the answer by net/http.
func (a Answer) write(w http.ResponseWriter) error {
	h := w.Header()
	a.put(h)
	if a.expires != "" {
		h.Set(httpkit.HeaderTokenExpires, a.expires)
	}
	if a.reportOnly {
		h.Set(reportOnlyHeader, "true")
	}
	h["Cache-Control"] = noStore
	w.WriteHeader(http.StatusOK)
	return nil
}

// answer judges a request and says who is calling.
func (f *ForwardAuth) answer(r *http.Request, a *ask, m method) (Answer, error) {
	if a.reportOnly {
		return f.report(r, a, m)
	}
	var c admitted
	if !a.preflight || !m.named || !m.agreed || m.name != http.MethodOptions || !isPreflight(r.Header) {
		var err error
		if c, err = f.Gate.admit(r, a, m, r.Header.Get("X-Forwarded-Uri")); err != nil {
			return Answer{}, a.refusal(err)
		}
	}
	who, err := f.Gate.Announcer.announcement(r.Context(), c.identity)
	if err != nil {
		return Answer{}, err
	}
	httpkit.EventOf(r.Context()).Mute()
	return Answer{announced: who, expires: f.Gate.expiry(c.identity)}, nil
}

// refuse refuses a request. A proxy treats any status but 401 and 403 as a fault of its
// own, so a client's faults have one of these; 400 is for the operator, whose query is
// wrong.
func (f *ForwardAuth) refuse(w http.ResponseWriter, r *http.Request, err error) {
	_ = f.Gate.Announcer.announce(r.Context(), w.Header(), nil) // without a caller there is nothing that can't be sent
	noteQuestion(r)
	if _, ok := errors.AsType[queryError](err); ok {
		httpkit.Problems(f.Gate.Challenge)(w, r, err)
		return
	}
	f.Gate.refuse(w, r, err, http.StatusUnauthorized)
}

// noteQuestion records in the request's event what a proxy asks about, for the log of a
// refusal. It is what the proxy says, and nothing is decided by it.
func noteQuestion(r *http.Request) {
	event := httpkit.EventOf(r.Context())
	if rest, beneath := strings.CutPrefix(pathAsSent(r.URL), pathExtAuthz); beneath {
		_, path, _ := strings.Cut(rest, "/")
		event.AskedMethod, event.AskedURI = r.Method, "/"+path
		return
	}
	event.AskedMethod = firstOf(r.Header, "X-Forwarded-Method", "X-Original-Method")
	event.AskedURI = firstOf(r.Header, "X-Forwarded-Uri", "X-Original-Uri", "X-Original-Url")
}

// firstOf returns the first header of these names that there is.
func firstOf(h http.Header, names ...string) string {
	for _, name := range names {
		if value := h.Get(name); value != "" {
			return value
		}
	}
	return ""
}
