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
	"github.com/bearerd/bearerd/internal/secretfile"
	"github.com/bearerd/bearerd/internal/signin"
)

const headerProxy = "X-Bearerd-Proxy"

// Header is a proxy that signs people in, by SAML, Kerberos or LDAP, and sends in headers
// who they are.
type Header struct {
	Name    string
	Claims  Claims             // names of headers
	Secret  *secretfile.Secret // the value of X-Bearerd-Proxy that the proxy sends
	Proxies httpkit.Proxies
	Trust   bool // a sign-in is as recent as it comes
	Now     func() time.Time
}

// Read returns the statement in the headers of a request. It is Forbidden for a request that
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
			said[name] = values[0] // unchanged: an id with a different end is somebody else
		}
	}
	c := h.Claims
	st = signin.Statement{
		Source: h.Name, ExternalID: said[c.Username], Username: said[c.Username], Name: said[c.FullName], Email: said[c.Email],
		Groups: valuesOf(said[c.Groups]), Claims: map[string][]string{},
	}
	if st.ExternalID == "" {
		return st, fault.New(fault.Forbidden, "the proxy does not say who you are: it has to ask you first, and send %s", c.Username)
	}
	for _, name := range c.More {
		if value := said[name]; value != "" {
			st.Claims[name] = valuesOf(value)
			if !slices.Contains(st.Claims[name], value) {
				st.Claims[name] = append(st.Claims[name], value)
			}
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
	got, want := sha256.Sum256([]byte(sent[0])), sha256.Sum256(h.Secret.Bytes())
	if !h.Secret.IsSet() || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return refusal
	}
	return nil
}

// valuesOf splits a header with several values, and returns each once. A header with a
// semicolon is a list of Shibboleth's service provider, which separates values by
// semicolons and writes one that belongs to a value as \;. Any other is a list with
// commas.
func valuesOf(list string) (values []string) {
	add := func(value string) {
		if value = strings.Trim(value, " \t"); value != "" && !slices.Contains(values, value) {
			values = append(values, value)
		}
	}
	if !strings.Contains(list, ";") {
		for value := range strings.SplitSeq(list, ",") {
			add(value)
		}
		return values
	}
	var value string
	for part := range strings.SplitSeq(list, ";") {
		before, escaped := strings.CutSuffix(part, `\`)
		value += before
		if escaped {
			value += ";"
			continue
		}
		add(value)
		value = ""
	}
	add(value)
	return values
}
