package gateway

import (
	"maps"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// forwarding is a request that may pass.
type forwarding struct {
	path      string                 // as it was sent
	caller    *verification.Identity // nil: nobody, and the request passes unchanged
	route     *route
	token     bool        // it was let in by a token, and not by a session
	announced http.Header // the headers that name the caller
	preflight bool        // it carries nothing that says who sends it
	report    bool        // it is passed on unchanged, with any credentials
	// answered is called with the status of the application's answer before the client
	// gets it; nil: nothing is called.
	answered func(status int)
}

// rewrite turns the incoming request into the one that is sent to the application.
// Hop-by-hop headers have been removed already; the host stays.
func (p *Proxy) rewrite(pr *httputil.ProxyRequest, f *forwarding) {
	pr.Out.URL = &url.URL{
		Scheme: p.Upstream.Scheme, Host: p.Upstream.Host,
		Opaque:   basePath(p.Upstream) + f.path, // Path would be escaped again
		RawQuery: pr.In.URL.RawQuery, ForceQuery: pr.In.URL.ForceQuery,
	}
	trusted := p.TrustedProxies.Trusts(peer(pr.In))
	for _, h := range []http.Header{pr.Out.Header, pr.Out.Trailer} {
		p.clean(h, trusted, f.route.byMethod && f.route.enforced || f.preflight)
	}
	removeFromTrailer(pr.Out.Trailer)
	setForwarded(pr, trusted)
	if f.report { // of what the client sent, only bearerd's own session is meant for nobody else
		removeCookies(pr.Out.Header, func(_, value string) bool { return holdsSession(value) })
	} else {
		p.removeCredentials(pr.Out.Header, f)
	}
	maps.Copy(pr.Out.Header, f.announced)
}

// methodOverrides are headers that make some applications treat a request as one of
// another method.
var methodOverrides = []string{"X-Http-Method", "X-Http-Method-Override", "X-Method-Override"}

// clean removes the headers that only bearerd may send, those about the origin of a
// request that only a trusted proxy may send and, where the rule depends on the method,
// those that change the method.
func (p *Proxy) clean(h http.Header, trusted, byMethod bool) {
	for name := range h {
		override := byMethod && slices.ContainsFunc(methodOverrides, func(o string) bool { return sameVariable(o, name) })
		if override || p.Gate.Announcer.impostor(name) || aboutOrigin(name) && (!trusted || oddlySpelt(name)) {
			delete(h, name)
		}
	}
}

// sameVariable reports whether two header names are the same for an application that
// reads them from variables like HTTP_REMOTE_USER.
func sameVariable(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if variable(a[i]) != variable(b[i]) {
			return false
		}
	}
	return true
}

func variable(c byte) byte {
	switch {
	case 'a' <= c && c <= 'z':
		return c - 'a' + 'A'
	case 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return c
	}
	return '_'
}

// aboutOrigin reports whether an application might read the header as one about where a
// request came from.
func aboutOrigin(name string) bool {
	const prefix = "X-Forwarded-"
	return sameVariable(name, "X-Real-Ip") || sameVariable(name, "Forwarded") ||
		len(name) > len(prefix) && sameVariable(name[:len(prefix)], prefix)
}

// oddlySpelt reports whether a name has characters that none of these headers has.
func oddlySpelt(name string) bool {
	for i := range len(name) {
		if variable(name[i]) == '_' && name[i] != '-' {
			return true
		}
	}
	return false
}

// setForwarded sets the X-Forwarded and Forwarded headers. Those of a trusted proxy are
// passed on with its own address added; those of others are replaced.
func setForwarded(pr *httputil.ProxyRequest, trusted bool) {
	if trusted {
		pr.Out.Header["X-Forwarded-For"] = pr.In.Header["X-Forwarded-For"]
	}
	pr.SetXForwarded()
	if !trusted {
		return
	}
	for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto"} {
		if said := pr.In.Header[name]; len(said) == 1 && said[0] != "" {
			pr.Out.Header[name] = said
		}
	}
}

func peer(r *http.Request) netip.Addr {
	addr, _ := netip.ParseAddrPort(r.RemoteAddr)
	return addr.Addr()
}

// removeCredentials removes what would let the application act as its users, or as
// somebody other than the caller: a session of bearerd's own, which browsers send to
// everything on this host; the token that was accepted, unless it is wanted; always a
// password; and, from a request that was let in by a token, all cookies.
func (p *Proxy) removeCredentials(h http.Header, f *forwarding) {
	doors := &f.route.ask.doors
	consumed := f.caller != nil && !p.PassToken
	if consumed {
		removeScheme(h, append(doors.schemes(), "bearer")...)
		for _, name := range doors.headers {
			delete(h, name)
		}
	}
	for _, finder := range p.Gate.Finders {
		places := finder.Places()
		if consumed || f.preflight {
			for _, name := range places.Headers {
				delete(h, name)
			}
		}
		if f.caller != nil {
			removeScheme(h, places.Schemes...)
		}
	}
	if f.preflight {
		delete(h, "Authorization")
		for _, name := range doors.headers {
			delete(h, name)
		}
	}
	if f.preflight || f.token && !p.KeepCookies {
		delete(h, "Cookie")
		return
	}
	removeCookies(h, func(name, value string) bool {
		return holdsSession(value) || consumed && p.holdsToken(name)
	})
}

// holdsSession reports whether a cookie's value is a session of bearerd's.
func holdsSession(value string) bool {
	return strings.HasPrefix(strings.Trim(value, ` "`), token.PrefixSession)
}

// holdsToken reports whether a dialect looks for a token in the cookie of that name.
func (p *Proxy) holdsToken(cookie string) bool {
	return slices.ContainsFunc(p.Gate.Finders, func(f httpkit.CredentialFinder) bool {
		return slices.Contains(f.Places().Cookies, cookie)
	})
}

// removeScheme removes an Authorization header of one of these schemes; the application
// may have a use for others.
func removeScheme(h http.Header, schemes ...string) {
	scheme, _, _ := strings.Cut(h.Get("Authorization"), " ")
	if slices.Contains(schemes, strings.ToLower(scheme)) {
		h.Del("Authorization")
	}
}

// removeCookies removes some cookies and leaves the others as they were sent.
func removeCookies(h http.Header, unwanted func(name, value string) bool) {
	lines := h["Cookie"]
	delete(h, "Cookie")
	for _, line := range lines {
		var kept []string
		for pair := range strings.SplitSeq(line, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if !unwanted(name, value) {
				kept = append(kept, pair)
			}
		}
		if rest := strings.TrimSpace(strings.Join(kept, ";")); rest != "" {
			h["Cookie"] = append(h["Cookie"], rest)
		}
	}
}

// The one protocol that a connection may change to, and the headers that ask for it.
const (
	webSocket     = "websocket"
	upgradeHeader = "Upgrade"
	http2Settings = "Http2-Settings"
)

// onlyWebSocket removes from a request every offer to change to a protocol other than
// WebSocket: inside HTTP/2 (h2c), which the application would speak from then on, there
// would be requests that nobody judges, with headers that nobody removes.
func onlyWebSocket(r *http.Request) {
	asks := asksForWebSocket(r)
	for name := range r.Header {
		if sameVariable(name, upgradeHeader) || sameVariable(name, http2Settings) {
			delete(r.Header, name)
		}
	}
	if asks {
		r.Header[upgradeHeader] = []string{webSocket}
	}
}

// asksForWebSocket reports whether a request asks for WebSocket and for nothing else
// (RFC 6455 §4.1). One with a body does not: two servers may disagree about where the
// body ends and the protocol begins.
func asksForWebSocket(r *http.Request) bool {
	protocols := r.Header[upgradeHeader]
	return len(protocols) == 1 && strings.EqualFold(protocols[0], webSocket) &&
		r.Method == http.MethodGet && r.ContentLength == 0 && r.ProtoMajor == 1
}

// removeFromTrailer removes hop-by-hop fields from a trailer, because an application may
// merge the trailer with the header.
func removeFromTrailer(trailer http.Header) {
	for name := range trailer {
		if sameVariable(name, upgradeHeader) || sameVariable(name, http2Settings) || sameVariable(name, "Connection") {
			delete(trailer, name)
		}
	}
}
