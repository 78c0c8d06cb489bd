package httpkit

import (
	"html/template"
	"net/http"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

// Challenge is the value of WWW-Authenticate for a request that was refused (RFC 6750
// §3). Without Error it is the challenge for a request without a token. ResourceMetadata
// is the URL of RFC 9728 §5.1.
type Challenge struct {
	Realm, Error, Description, Scope, ResourceMetadata string
}

// For returns the challenge completed for err. It returns c unchanged, and false, for a
// kind of fault that has no challenge.
func (c Challenge) For(err error) (Challenge, bool) {
	kind := fault.KindOf(err)
	switch kind { //nolint:exhaustive // the kinds without a code in RFC 6750 get no challenge
	case fault.Unauthenticated, fault.BadCredentials, fault.InvalidClient:
		return c, true
	case fault.Invalid, fault.InvalidToken, fault.InsufficientScope:
		c.Error, c.Description = Code(kind), fault.Message(err)
		return c, true
	default:
		return c, false
	}
}

// String returns the header's value. Characters that RFC 6750 §3 does not allow
// are replaced.
func (c Challenge) String() string {
	var b strings.Builder
	b.WriteString(`Bearer realm="` + token.ChallengeText(c.Realm) + `"`)
	for _, p := range []struct{ name, value string }{
		{"error", c.Error},
		{"error_description", c.Description},
		{"scope", c.Scope},
		{"resource_metadata", c.ResourceMetadata},
	} {
		if p.value != "" {
			b.WriteString(`, ` + p.name + `="` + token.ChallengeText(p.value) + `"`)
		}
	}
	return b.String()
}

// bearerBody is the JSON body of a response with a challenge: the same members, and what
// to do.
type bearerBody struct {
	Error       string `json:"error,omitempty"`
	Description string `json:"error_description,omitempty"`
	Scope       string `json:"scope,omitempty"`
	Detail      string `json:"detail,omitempty"`
}

// WriteChallenge answers with status, the challenge, and a JSON body with the
// members that the challenge has.
func WriteChallenge(w http.ResponseWriter, status int, c Challenge) {
	w.Header().Set("WWW-Authenticate", c.String())
	NoStore(w)
	_ = WriteJSON(w, status, bearerBody{Error: c.Error, Description: c.Description, Scope: c.Scope})
}

// refusalPage is the page for a person whose request is refused. It loads nothing that a
// content security policy would have to allow.
var refusalPage = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{.Title}}</title></head><body><h1>{{.Title}}</h1><p>{{.Detail}}</p></body></html>
`))

// Refuse is WriteChallenge with a sentence for people, in the member detail, or as a page
// where the request prefers one. Challenges that are already set are kept.
func Refuse(w http.ResponseWriter, r *http.Request, status int, c Challenge, detail string) {
	h := w.Header()
	h["Www-Authenticate"] = append([]string{c.String()}, h["Www-Authenticate"]...)
	h.Add("Vary", "Accept")
	NoStore(w)
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		_ = WriteJSON(w, status, bearerBody{Error: c.Error, Description: c.Description, Scope: c.Scope, Detail: detail})
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	title := "You are not signed in"
	if status == http.StatusForbidden {
		title = "This is not allowed"
	}
	_ = refusalPage.Execute(w, struct{ Title, Detail string }{title, detail})
}

// BearerErrors returns the [ErrorWriter] of a protected resource (RFC 6750 §3): a
// challenge and a JSON body with the same members. Faults that RFC 6750 has no
// code for have the body alone, with [Code] and [Status].
func BearerErrors(base Challenge) ErrorWriter {
	return func(w http.ResponseWriter, _ *http.Request, err error) {
		kind := fault.KindOf(err)
		if c, ok := base.For(err); ok {
			WriteChallenge(w, Status(kind), c)
			return
		}
		SetRetryAfter(w, err)
		NoStore(w)
		_ = WriteJSON(w, Status(kind), bearerBody{Error: Code(kind), Description: fault.Message(err)})
	}
}
