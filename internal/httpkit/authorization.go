package httpkit

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/fault"
)

// maxCredentials bounds a token or a Basic pair, in bytes.
const maxCredentials = 8 << 10

// Bearer gives the token of the Authorization header (RFC 6750 §2.1). found is
// false when there is no such header or it has another scheme. A second header,
// more than 8 KiB, or what is no b64token is a fault of kind Invalid.
func Bearer(r *http.Request) (token string, found bool, err error) {
	token, found, err = credentials(r, "bearer")
	if !found || err != nil {
		return "", false, err
	}
	if !isB64Token(token) {
		return "", false, fault.New(fault.Invalid, "the Authorization header holds no well-formed Bearer token")
	}
	return token, true, nil
}

// BasicPair is what HTTP Basic carries.
type BasicPair struct{ Name, Password string }

// Basic gives a user's name and password of the Authorization header
// (RFC 7617, in UTF-8). found is false when there is no such header or it has
// another scheme. A second header, more than 8 KiB, bad base64, no colon,
// control characters or bad UTF-8 are a fault of kind Invalid.
func Basic(r *http.Request) (pair BasicPair, found bool, err error) {
	encoded, found, err := credentials(r, "basic")
	if !found || err != nil {
		return BasicPair{}, false, err
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") { // which the decoder skips
		return BasicPair{}, false, badBasic()
	}
	name, password, ok := strings.Cut(string(decoded), ":")
	if !ok || !isText(name) || !isText(password) {
		return BasicPair{}, false, badBasic()
	}
	return BasicPair{Name: name, Password: password}, true, nil
}

// ClientBasic is [Basic] for an OAuth client, whose id and secret are
// form-encoded inside the pair (RFC 6749 §2.3.1).
func ClientBasic(r *http.Request) (pair BasicPair, found bool, err error) {
	pair, found, err = Basic(r)
	if !found || err != nil {
		return BasicPair{}, false, err
	}
	id, errID := url.QueryUnescape(pair.Name)
	secret, errSecret := url.QueryUnescape(pair.Password)
	if errID != nil || errSecret != nil || !isText(id) || !isText(secret) {
		return BasicPair{}, false, badBasic()
	}
	return BasicPair{Name: id, Password: secret}, true, nil
}

func badBasic() error {
	return fault.New(fault.Invalid, "the Authorization header holds no well-formed Basic credentials")
}

// credentials gives what follows the scheme in the one Authorization header.
// The scheme is in any case (RFC 9110 §11.1).
func credentials(r *http.Request, scheme string) (value string, found bool, err error) {
	headers := r.Header["Authorization"]
	switch {
	case len(headers) > 1:
		return "", false, fault.New(fault.Invalid, "more than one Authorization header")
	case len(headers) == 0:
		return "", false, nil
	}
	got, value, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(got, scheme) {
		return "", false, nil
	}
	value = strings.TrimLeft(value, " ")
	if len(value) > maxCredentials {
		return "", false, fault.New(fault.Invalid, "the credentials are longer than 8 KiB")
	}
	return value, true, nil
}

// isB64Token reports whether s has the b64token syntax of RFC 6750 §2.1.
func isB64Token(s string) bool {
	s = strings.TrimRight(s, "=")
	if s == "" {
		return false
	}
	for i := range len(s) {
		if !b64Token[s[i]] {
			return false
		}
	}
	return true
}

// b64Token tells which bytes a b64token may have before its padding.
var b64Token = func() (table [256]bool) {
	for c := range table {
		table[c] = isAlphanumeric(byte(c)) || strings.IndexByte("-._~+/", byte(c)) >= 0
	}
	return table
}()

// isText reports whether s is UTF-8 without control characters.
func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(c rune) bool {
		return c < ' ' || c >= 0x7f && c < 0xa0
	})
}
