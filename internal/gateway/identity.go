package gateway

import (
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/verification"
)

// identityHeaders are what the application learns of who is calling, in the order
// of [identification]. All of them are always sent, so that none of a client's own can
// survive. The names are canonical.
var identityHeaders = [...]string{
	"Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups",
	"X-Bearerd-Subject", "X-Bearerd-Token-Id", "X-Bearerd-Token-Kind",
	"X-Bearerd-Scope", "X-Bearerd-Collection", "X-Bearerd-Audience",
}

// identification holds the values of identityHeaders; the zero value is nobody's.
type identification [len(identityHeaders)]string

// identityOf describes a caller; nil is nobody. A client is no user: its id never
// stands where a username would. A value that can't stand in a header, of which
// there should be none, is left out.
func identityOf(c *verification.Identity) *identification {
	var id identification
	if c == nil {
		return &id
	}
	if s := c.Subject; !s.Client {
		id[0], id[1], id[2], id[3] = sendable(s.Username), sendable(s.Name), sendable(s.Email), list(s.Groups, ",")
	}
	t := c.Token
	id[4], id[5], id[6] = sendable(t.Subject), sendable(t.ID), t.Kind.String()
	id[7] = list(t.Scope, " ")
	if t.Collection != nil {
		id[8] = strconv.FormatInt(*t.Collection, 10)
	}
	id[9] = list(t.Audience, " ")
	return &id
}

// set puts the ten headers into h in place of any that are there.
func (id *identification) set(h http.Header) {
	for i, name := range identityHeaders {
		h[name] = id[i : i+1 : i+1]
	}
}

// rendered is identityOf, made once for each token that is kept: neither a token nor
// a subject is ever changed, and a later reading of either is another value.
func rendered(c *verification.Identity) *identification {
	if c == nil {
		return identityOf(nil)
	}
	if v := c.Token.View(); v != nil && v.Subject == c.Subject {
		if id, ok := v.Rendered.(*identification); ok {
			return id
		}
	}
	id := identityOf(c)
	c.Token.SetView(&verification.View{Subject: c.Subject, Rendered: id})
	return id
}

// list joins those of the values that can be sent and told apart again.
func list(values []string, separator string) string {
	if len(values) == 1 {
		return item(values[0], separator)
	}
	var items []string
	for _, v := range values {
		if v = item(v, separator); v != "" {
			items = append(items, v)
		}
	}
	return strings.Join(items, separator)
}

func item(s, separator string) string {
	if strings.Contains(s, separator) {
		return ""
	}
	return sendable(s)
}

// sendable returns s, or nothing where s can't be sent as it is: what is not UTF-8,
// what has control characters, and what has space at an end, which the receiver
// would cut off and so read somebody else's name.
func sendable(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) || strings.TrimSpace(s) != s {
		return ""
	}
	return s
}

// impostor reports whether an application might read the header as one of ours:
// CGI and its kin take every character that is no letter or digit for the same.
func impostor(name string) bool {
	for _, ours := range identityHeaders {
		if sameVariable(name, ours) {
			return true
		}
	}
	return false
}

// sameVariable compares header names as an application does that finds them in
// variables like HTTP_REMOTE_USER.
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
