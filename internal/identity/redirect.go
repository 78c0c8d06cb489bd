package identity

import (
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
)

// Redirect is a redirect URI to which answers for a client may be sent.
type Redirect struct {
	URI  string // as the request has it
	Host string // what people are shown of it: the host in punycode, or the scheme of an app
	// Unproven is set if any program on the person's machine could receive the answer: of a
	// loopback address, and of a scheme of an app's own (RFC 8252 §8.6).
	Unproven bool
}

const maxRedirectURI = 2000

// ValidateRedirectURI accepts what a client may register: https; http on loopback alone
// (RFC 8252 §7.3); or a scheme of an app's own, which has a dot (§7.1). There is no
// fragment (RFC 6749 §3.1.2), no user, and nothing that a browser could read in another
// way.
func ValidateRedirectURI(s string) error {
	_, err := parseRedirect(s)
	return err
}

func parseRedirect(s string) (*url.URL, error) {
	bad := func(why string) error {
		return fault.New(fault.Invalid, "the redirect URI %.200q %s", s, why).In("redirect_uris")
	}
	if s == "" || len(s) > maxRedirectURI || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' }) {
		return nil, bad("has 1 to 2000 printable ASCII characters without space and backslash")
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme == "":
		return nil, bad("is no absolute URI")
	case strings.Contains(s, "#"):
		return nil, bad("has a fragment")
	case u.User != nil:
		return nil, bad("has a user in it")
	case u.Scheme == "https" && u.Hostname() != "" && u.Host == strings.ToLower(u.Host):
		return u, nil
	case u.Scheme == "http" && isLoopbackHost(u.Hostname()):
		return u, nil
	case u.Scheme == "http":
		return nil, bad("is http, which is allowed only on loopback")
	case u.Scheme == "https":
		return nil, bad("has no host in lower case")
	case strings.Contains(u.Scheme, ".") && strings.HasPrefix(s, u.Scheme+":"):
		return u, nil
	}
	return nil, bad("has a scheme that is neither https nor an app's own, which has a dot, such as org.example.app")
}

func isLoopbackHost(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// MatchRedirect returns the redirect URI of a request if it is one of those registered: the
// same, byte by byte (RFC 9700 §2.1), but for the port of a loopback address, which an app
// is given when it runs (RFC 8252 §7.3). An empty one is the only one that is registered.
func MatchRedirect(registered []string, asked string) (Redirect, bool) {
	if asked == "" && len(registered) == 1 {
		asked = registered[0]
	}
	u, err := parseRedirect(asked)
	if err != nil {
		return Redirect{}, false
	}
	loopback := u.Scheme == "http"
	matches := slices.ContainsFunc(registered, func(one string) bool {
		return one == asked || loopback && samePortAside(one, u)
	})
	if !matches {
		return Redirect{}, false
	}
	r := Redirect{URI: asked, Host: u.Host, Unproven: loopback || u.Scheme != "https"}
	if u.Scheme != "https" && !loopback {
		r.Host = u.Scheme + ":"
	}
	return r, true
}

// samePortAside reports whether a registered loopback address is the same but for the port.
func samePortAside(registered string, u *url.URL) bool {
	other, err := parseRedirect(registered)
	if err != nil || other.Scheme != "http" {
		return false
	}
	a, b := *other, *u
	a.Host, b.Host = a.Hostname(), b.Hostname()
	return a.String() == b.String()
}

// HasOrigin reports whether a browser's origin is that of a redirect URI of a public client:
// https, or loopback with any port. A client that nobody registered has the origin of its
// URL, because its redirect URIs are known while people are asked, and not afterwards.
func (c Client) HasOrigin(origin string) bool {
	if !c.Public() {
		return false
	}
	known := c.RedirectURIs
	if len(known) == 0 && IsClientURL(c.ID) {
		known = []string{c.ID}
	}
	asked, err := parseRedirect(origin)
	if err != nil || asked.Scheme+"://"+asked.Host != origin {
		return false
	}
	return slices.ContainsFunc(known, func(uri string) bool {
		u, err := parseRedirect(uri)
		if err != nil || u.Scheme != asked.Scheme {
			return false
		}
		if u.Scheme == "http" {
			return u.Hostname() == asked.Hostname()
		}
		return u.Scheme == "https" && hostOf(u) == asked.Host
	})
}

// hostOf returns the host of an https URL as a browser's origin has it, without the usual
// port.
func hostOf(u *url.URL) string { return strings.TrimSuffix(u.Host, ":443") }
