package httpkit

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

// Bearer returns the token of the Authorization header, as [token.ParseBearer] reads
// it.
func Bearer(r *http.Request) (raw string, found bool, err error) {
	return token.ParseBearer(r.Header["Authorization"])
}

// BasicPair is the credentials of HTTP Basic.
type BasicPair struct{ Name, Password string }

// Basic returns a user's name and password in the Authorization header (RFC 7617, in
// UTF-8). found is false when there is no such header or it has another scheme. A second
// header, more than 8 KiB, bad base64, no colon, control characters or bad UTF-8 are a
// fault of kind Invalid.
func Basic(r *http.Request) (pair BasicPair, found bool, err error) {
	encoded, found, err := token.ParseCredentials(r.Header["Authorization"], "basic")
	if err != nil || !found {
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

// isText reports whether s is UTF-8 without control characters.
func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(c rune) bool {
		return c < ' ' || c >= 0x7f && c < 0xa0
	})
}
