package verify

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

// bearer returns the token of the Authorization header (RFC 6750 §2.1). found is false
// when there is no such header or it has another scheme. The query and cookies are never
// read.
func bearer(h http.Header) (raw string, found bool, err *Error) {
	raw, found, wrong := token.ParseBearer(h["Authorization"])
	if wrong != nil {
		return "", false, invalidRequest(fault.Message(wrong))
	}
	return raw, found, nil
}
