package sso

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/signin"
)

const headerProxy = "X-Bearerd-Proxy"

// Header is a proxy that signs people in and says in headers who they are: what speaks
// SAML, Kerberos or LDAP stands in front.
type Header struct {
	Name    string
	Claims  Claims // names of headers
	Secret  []byte // what the proxy sends as X-Bearerd-Proxy
	Proxies httpkit.Proxies
	Trust   bool // a sign-in is as recent as it comes
	Now     func() time.Time
}

// Read returns what the headers of a request say. It is Forbidden for a request that
// doesn't come by the proxy, and Invalid for headers that could be read in two ways: there
// is exactly one of each, but for those that may be empty and are left out then.
func (h *Header) Read(r *http.Request) (st signin.Statement, err error) {
	if err := h.checkProxy(r); err != nil {
		return st, err
	}
	names := h.Claims.Names()
	for spelling := range r.Header {
		for _, name := range append(names, headerProxy) {
			if strings.Contains(spelling, "_") && textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(spelling, "_", "-")) == textproto.CanonicalMIMEHeaderKey(name) {
				return st, fault.New(fault.Invalid, "the header %s is spelt with _: the proxy must remove what clients send", spelling)
			}
		}
	}
	said := map[string]string{}
	for _, name := range names {
		values := r.Header.Values(name)
		switch {
		case len(values) > 1:
			return st, fault.New(fault.Invalid, "there are %d headers %s: the proxy must remove what clients send", len(values), name)
		case len(values) == 1 && !utf8.ValidString(values[0]):
			return st, fault.New(fault.Invalid, "the header %s is not UTF-8", name)
		case len(values) == 1:
			said[name] = strings.TrimSpace(values[0])
		}
	}
	c := h.Claims
	st = signin.Statement{
		Source: h.Name, ExternalID: said[c.Username], Username: said[c.Username], Name: said[c.FullName], Email: said[c.Email],
		Groups: groupsOf(said[c.Groups]), Claims: map[string][]string{},
	}
	if st.ExternalID == "" {
		return st, fault.New(fault.Forbidden, "the proxy does not say who you are: it has to ask you first, and send %s", c.Username)
	}
	for _, name := range c.More {
		if value, ok := said[name]; ok {
			st.Claims[name] = append(groupsOf(value), value)
		}
	}
	if h.Trust {
		st.AuthenticatedAt = h.Now()
	}
	return st, nil
}

// checkProxy refuses a request that the proxy didn't send.
func (h *Header) checkProxy(r *http.Request) error {
	refusal := fault.New(fault.Forbidden, "this way to sign in leads through the proxy in front of this server alone")
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !h.Proxies.Trusts(peer.Addr()) {
		return refusal
	}
	sent := r.Header.Values(headerProxy)
	if len(sent) != 1 {
		return refusal
	}
	got, want := sha256.Sum256([]byte(sent[0])), sha256.Sum256(h.Secret)
	if len(h.Secret) == 0 || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return refusal
	}
	return nil
}

// groupsOf splits a list with commas, as most proxies write it, or semicolons, as
// Shibboleth's service provider does.
func groupsOf(list string) (groups []string) {
	for _, g := range strings.FieldsFunc(list, func(c rune) bool { return c == ',' || c == ';' }) {
		if g = strings.TrimSpace(g); g != "" && !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	return groups
}
