package httpkit

import (
	"net/http"
	"time"
)

// HeaderTokenExpires is the response header with the expiry (RFC 3339, UTC) of the API
// token of a request, in the last week of the token, so that a script can warn in time.
const HeaderTokenExpires = "X-Bearerd-Token-Expires" // #nosec G101 -- a name

// Expiry returns the value of HeaderTokenExpires.
func Expiry(end time.Time) string { return end.UTC().Format(time.RFC3339) }

// WarnOfExpiry sets HeaderTokenExpires.
func WarnOfExpiry(h http.Header, end time.Time) { h.Set(HeaderTokenExpires, Expiry(end)) }
