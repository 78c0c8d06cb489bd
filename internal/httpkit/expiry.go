package httpkit

import (
	"net/http"
	"time"
)

// HeaderTokenExpires is the expiry (RFC 3339, UTC) of the API token that a request came
// with, in answers during the last week of the token, so that a script can warn in time.
const HeaderTokenExpires = "X-Bearerd-Token-Expires" // #nosec G101 -- a name

// WarnOfExpiry sets HeaderTokenExpires.
func WarnOfExpiry(h http.Header, end time.Time) {
	h.Set(HeaderTokenExpires, end.UTC().Format(time.RFC3339))
}
