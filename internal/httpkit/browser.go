package httpkit

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

// CORS allows scripts of the given origins to call next with a Bearer token. It never
// allows cookies. An origin is "https://host" or "https://host:port"; "*" is every
// origin. Other requests are passed on unchanged, and so are those for which except
// returns true; with no origins next itself is returned.
func CORS(origins []string, except func(*http.Request) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if len(origins) == 0 {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if except(r) {
				next.ServeHTTP(w, r)
				return
			}
			h := w.Header()
			h.Add("Vary", "Origin")
			if !allowOrigin(h, r, origins) {
				next.ServeHTTP(w, r)
				return
			}
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				preflight(w)
				return
			}
			h.Set("Access-Control-Expose-Headers", "www-authenticate, retry-after, x-request-id")
			next.ServeHTTP(w, r)
		})
	}
}

// allowOrigin writes the request's origin into h and reports whether it may call.
func allowOrigin(h http.Header, r *http.Request, origins []string) bool {
	origin := r.Header.Get("Origin")
	switch {
	case origin == "":
		return false
	case slices.Contains(origins, origin):
		h.Set("Access-Control-Allow-Origin", origin)
	case slices.Contains(origins, "*"):
		h.Set("Access-Control-Allow-Origin", "*")
	default:
		return false
	}
	return true
}

func preflight(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
	h.Set("Access-Control-Allow-Headers", "authorization, content-type")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

// securityHeaders are the headers of every response of bearerd itself.
var securityHeaders = [...][2]string{
	{"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "DENY"},
	{"Referrer-Policy", "no-referrer"},
	{"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
}

// SecurityHeaders sets the headers of every response of bearerd itself. A page that needs
// more sets its own Content-Security-Policy.
func SecurityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setSecurityHeaders(w.Header())
		next.ServeHTTP(w, r)
	})
}

// setSecurityHeaders is a function of its own so that what it needs of the stack is free again
// while the request is served, which a stream may do for minutes.
func setSecurityHeaders(header http.Header) {
	for _, h := range securityHeaders {
		header.Set(h[0], h[1])
	}
}

// NotOwn is for handlers within SecurityHeaders whose responses are not bearerd's own: it
// removes the headers again, so that the response is the one that next writes.
func NotOwn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, h := range securityHeaders {
			w.Header().Del(h[0])
		}
		next.ServeHTTP(w, r)
	})
}

// CrossOrigin recognises requests that another site made a browser send. Make one
// with [NewCrossOrigin].
type CrossOrigin struct{ protection *http.CrossOriginProtection }

// NewCrossOrigin returns a CrossOrigin that trusts the origin of the issuer, a URL, in
// addition to the host of a request, which a proxy in front may have changed.
func NewCrossOrigin(issuer string) (*CrossOrigin, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, fmt.Errorf("reading the issuer: %w", err)
	}
	protection := http.NewCrossOriginProtection()
	if err := protection.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
		return nil, fmt.Errorf("reading the issuer's origin: %w", err)
	}
	return &CrossOrigin{protection: protection}, nil
}

// Check must return nil before a cookie may authenticate a request. It refuses unsafe
// methods from another origin with a fault of kind Forbidden; GET, HEAD and OPTIONS are
// always allowed, and so must never change anything.
func (c *CrossOrigin) Check(r *http.Request) error {
	if err := c.protection.Check(r); err != nil {
		return fault.Wrap(err, fault.Forbidden, "cross-origin request refused")
	}
	return nil
}

// Cookies creates cookies for an issuer. Those of the zero value are Secure.
type Cookies struct{ insecure bool }

// NewCookies returns Cookies that are Secure, unless the issuer uses http on loopback.
func NewCookies(issuer string) Cookies {
	u, err := url.Parse(issuer)
	return Cookies{insecure: err == nil && u.Scheme == "http" && token.IsLoopback(u.Hostname())}
}

// Insecure reports whether the cookies are sent over http too.
func (c Cookies) Insecure() bool { return c.insecure }

// SessionName returns the name of bearerd's own session cookie. On https it has the
// prefix that keeps other hosts of the domain from setting one (RFC 6265bis).
func (c Cookies) SessionName() string {
	if c.insecure {
		return "bearerd_session"
	}
	return "__Host-bearerd_session"
}

// Make returns a cookie that carries a token or session: HttpOnly, SameSite=Lax, for the
// whole site. It is kept for the given lifetime, in whole seconds; with 0 until the
// browser closes.
func (c Cookies) Make(name, value string, life time.Duration) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // not Secure for an issuer that is http on loopback alone
		Name:     name,
		Value:    value,
		Path:     "/",
		MaxAge:   int(life / time.Second),
		HttpOnly: true,
		Secure:   !c.insecure,
		SameSite: http.SameSiteLaxMode,
	}
}

// SetSession sets the first of the names to a session token and makes the browser delete
// the others: a request with two different sessions would be refused.
func (c Cookies) SetSession(w http.ResponseWriter, names []string, value string, life time.Duration) {
	for i, name := range names {
		if i == 0 {
			http.SetCookie(w, c.Make(name, value, life))
			continue
		}
		http.SetCookie(w, c.Expire(name))
	}
}

// Expire returns the cookie that makes a browser delete name.
func (c Cookies) Expire(name string) *http.Cookie {
	cookie := c.Make(name, "", 0) //nolint:gosec // as Make decides
	cookie.MaxAge = -1
	return cookie
}
