package httpkit

import (
	"net/http"
	"time"
)

// HeaderTokenExpires tells, in answers to requests that came with an API token in
// its last week, when it ends (RFC 3339, UTC), so that a script can say so in time.
const HeaderTokenExpires = "X-Bearerd-Token-Expires" // #nosec G101 -- a name

// WarnOfExpiry sets HeaderTokenExpires.
func WarnOfExpiry(h http.Header, end time.Time) {
	h.Set(HeaderTokenExpires, end.UTC().Format(time.RFC3339))
}
