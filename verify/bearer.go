package verify

import (
	"net/http"
	"strings"

	"github.com/bearerd/bearerd/internal/token"
)

// bearer gives the token of the Authorization header (RFC 6750 §2.1); the scheme may
// be in any case. found is false when there is no such header or it has another
// scheme. It is never looked for in the query or a cookie.
func bearer(h http.Header) (raw string, found bool, err *Error) {
	headers := h["Authorization"]
	switch len(headers) {
	case 0:
		return "", false, nil
	case 1:
	default:
		return "", false, invalidRequest("more than one Authorization header")
	}
	scheme, raw, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "bearer") {
		return "", false, nil
	}
	raw = strings.TrimLeft(raw, " ")
	switch {
	case len(raw) > token.MaxBytes:
		return "", false, invalidRequest("the credentials are longer than 8 KiB")
	case !isB64Token(raw):
		return "", false, invalidRequest("the Authorization header holds no well-formed Bearer token")
	}
	return raw, true, nil
}

// isB64Token reports whether s has the b64token syntax of RFC 6750 §2.1.
func isB64Token(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '.', c == '_', c == '~', c == '+', c == '/':
		default:
			return false
		}
	}
	return s != ""
}
