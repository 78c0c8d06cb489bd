package identity

import "strings"

// BasicWarning returns a warning about a client's id and chosen secret, or "": in HTTP
// Basic both are form-encoded (RFC 6749 §2.3.1), and bearerd decodes them, but `curl -u`
// and many libraries send them as they are. Then a plus sign becomes a space, a percent
// sign begins an escape, and the first colon ends the id. The secret may be empty, and is
// not repeated. A secret that bearerd generates has none of these characters.
func BasicWarning(id, secret string) string {
	var found []string
	if strings.ContainsAny(id, ":+%") {
		found = append(found, "the client's id has a colon, plus or percent sign")
	}
	if strings.ContainsAny(secret, "+%") {
		found = append(found, "the secret has a plus or percent sign")
	}
	if found == nil {
		return ""
	}
	return strings.Join(found, ", and ") + ": where a client sends it by HTTP Basic without form-encoding it" +
		" (RFC 6749 section 2.3.1), as `curl -u` does, it is refused. Such a client can send id and secret in the form instead"
}
