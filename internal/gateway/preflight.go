package gateway

import (
	"net/http"
	"slices"
	"strings"
)

// The headers of CORS (https://fetch.spec.whatwg.org/#http-cors-protocol).
const (
	requestMethod  = "Access-Control-Request-Method"
	requestHeaders = "Access-Control-Request-Headers"
	allowOrigin    = "Access-Control-Allow-Origin"
)

// isPreflight reports whether an OPTIONS request asks whether a script of another origin
// may send one with another method or with more headers. It carries no credentials.
func isPreflight(h http.Header) bool { return h.Get("Origin") != "" && h.Get(requestMethod) != "" }

// preflight answers for origins that may call with a token, where a token's header is
// asked for. Every other preflight is answered by the application, without anything about
// who sends it.
func (p *Proxy) preflight(w http.ResponseWriter, r *http.Request, f *forwarding) error {
	origin := p.origin(r)
	asked := strings.Split(strings.ToLower(strings.Join(r.Header[requestHeaders], ",")), ",")
	for i := range asked {
		asked[i] = strings.TrimSpace(asked[i])
	}
	wants := func(name string) bool { return slices.Contains(asked, strings.ToLower(name)) }
	if origin == "" || f.route.none || !wants("authorization") && !slices.ContainsFunc(f.route.ask.doors.headers, wants) {
		bare := *r // the server reads what is left of the body of r
		bare.Header = r.Header.Clone()
		bare.Header.Del("Content-Length")
		bare.Body, bare.ContentLength, bare.TransferEncoding = http.NoBody, 0, nil
		return p.forward(w, &bare, f)
	}
	h := w.Header()
	h.Set(allowOrigin, origin)
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Allow-Methods", r.Header.Get(requestMethod))
	h.Set("Access-Control-Allow-Headers", strings.Join(asked, ", "))
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// origin returns the value of Access-Control-Allow-Origin for a request of an origin
// whose scripts may call with a token; "" for others.
func (p *Proxy) origin(r *http.Request) string {
	origin := r.Header.Get("Origin")
	switch {
	case origin == "":
	case slices.Contains(p.Origins, origin):
		return origin
	case slices.Contains(p.Origins, "*"):
		return "*"
	}
	return ""
}

// finish changes the header of an application's answer: the answer to a request with a
// token sets no cookie, and a script of an origin that may call with a token may read the
// answer, unless the application decides otherwise.
func (p *Proxy) finish(h http.Header, r *http.Request, f *forwarding) {
	if f.report {
		h.Set(reportOnlyHeader, "true")
		return
	}
	if f.token && !p.KeepCookies {
		delete(h, "Set-Cookie")
		delete(h, "Set-Cookie2")
	}
	if len(p.Origins) > 0 && !f.preflight && !f.route.none && h.Get(allowOrigin) == "" {
		h.Add("Vary", "Origin")
		if origin := p.origin(r); origin != "" {
			h.Set(allowOrigin, origin)
			h.Set("Access-Control-Expose-Headers", "www-authenticate, retry-after")
		}
	}
}

// interim finishes the answers that come before the final one (RFC 9110 §15.2).
type interim struct {
	http.ResponseWriter

	proxy *Proxy
	r     *http.Request
	f     *forwarding
}

// WriteHeader finishes an interim answer; the final one is finished already.
func (w *interim) WriteHeader(status int) {
	if status < http.StatusOK && w.f.token && !w.proxy.KeepCookies {
		w.Header().Del("Set-Cookie")
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *interim) Unwrap() http.ResponseWriter { return w.ResponseWriter }
