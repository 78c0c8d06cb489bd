package specify

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
)

const (
	csrfCookie = "csrftoken"
	csrfHeader = "X-Csrftoken"
	year       = 365 * 24 * time.Hour
	// csrfLength is the length that Django expects, so that a Specify behind bearerd
	// accepts the token too.
	csrfLength = 32
)

// setCSRF sets the cookie that scripts repeat in a header, and which no other site can
// read. A browser that has one keeps it, so that open pages go on working.
func (d *Dialect) setCSRF(w http.ResponseWriter, r *http.Request) {
	value, ok := csrfOf(r)
	if !ok {
		value = (rand.Text() + rand.Text())[:csrfLength]
	}
	d.setReadable(w, csrfCookie, value)
}

// setReadable sets a cookie that scripts may read, and that authenticates nothing by itself.
func (d *Dialect) setReadable(w http.ResponseWriter, name, value string) {
	c := d.Cookies.Make(name, value, year) //nolint:gosec // as Make decides
	c.HttpOnly = false
	http.SetCookie(w, c)
}

// checkCSRF refuses a request that changes something and that another site may have made
// a browser send.
func (d *Dialect) checkCSRF(r *http.Request) error {
	if d.CrossOrigin == nil {
		return fault.New(fault.Forbidden, "a cookie can't be used here")
	}
	if err := d.CrossOrigin.Check(r); err != nil {
		return err
	}
	return checkToken(r)
}

// checkToken refuses a request whose header doesn't repeat its cookie.
func checkToken(r *http.Request) error {
	cookie, ok := csrfOf(r)
	headers := r.Header.Values(csrfHeader)
	if !ok || len(headers) != 1 || subtle.ConstantTimeCompare([]byte(cookie), []byte(headers[0])) != 1 {
		return fault.New(fault.Forbidden, "the header X-CSRFToken must repeat the cookie csrftoken")
	}
	return nil
}

// csrfOf returns the request's CSRF token, if it has a well-formed one. Two different
// ones count as none: the owner of a neighbouring host may have set one of them.
func csrfOf(r *http.Request) (string, bool) {
	value := ""
	for _, c := range r.CookiesNamed(csrfCookie) {
		if value != "" && c.Value != value {
			return "", false
		}
		value = c.Value
	}
	return value, isCSRF(value)
}

// isCSRF accepts 16 to 64 letters and digits: bearerd's tokens, and those of the
// original.
func isCSRF(s string) bool {
	return len(s) >= 16 && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}
