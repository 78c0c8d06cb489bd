// Package hypothesis serves the API endpoints of the Hypothesis annotation service that
// are about tokens: a signed-in page gets a short-lived JWT at /api/token, an OAuth
// client trades its refresh token there and revokes at /oauth/revoke, and /api/profile
// returns whose a token is. The page on which a user creates their only developer token
// is a web page and is in internal/webui. docs/dialect-hypothesis.md lists the deliberate
// differences from the original and their reasons.
//
// An application behind bearerd has its own clients, codes and tokens at the same paths.
// Requests that are not bearerd's are passed to it with their bodies unchanged
// (others.go). bearerd recognises its own values by their form or signature, and never by
// trying them at the application.
//
// A refusal is {"status":"failure","reason"} as in the original, with the members and the
// challenge of RFC 6750 in addition where a token was refused.
package hypothesis

import (
	_ "embed" // the description
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/token"
)

// TokenPrefix is what the developer tokens of Hypothesis begin with.
const TokenPrefix = "6879-"

// Dialect is the endpoints of Hypothesis.
type Dialect struct {
	SignIn   *signin.Authenticator
	Issuance *issuance.Issuance
	Revoker  *revoking.Revoker
	Issuer   string
	Forms    token.Forms // of opaque tokens
	// Domain is the AUTHORITY of acct:NAME@AUTHORITY; "": the issuer's host.
	Domain string
	// Token serves POST /api/token, which is the token endpoint at another path; nil:
	// there is none.
	Token http.Handler
	// Application serves what is not bearerd's; nil: there is none.
	Application    http.Handler
	SessionCookies []string          // the cookies that carry a session
	Challenge      httpkit.Challenge // the challenge of a 401
}

// Register mounts the endpoints.
func (d *Dialect) Register(mux *http.ServeMux) {
	mux.Handle("GET /api/token", httpkit.Handle(d.token, d.writeError))
	mux.Handle("GET /api/profile", d.others(d.bearerElsewhere, httpkit.Handle(d.profile, d.writeError)))
	mux.Handle("OPTIONS /api/profile", d.preflight(http.MethodGet))
	mux.Handle("GET /api/debug-token", d.others(d.bearerElsewhere, httpkit.Handle(d.debugToken, d.writeError)))
	mux.Handle("OPTIONS /api/debug-token", d.preflight(http.MethodGet))
	mux.Handle("POST /oauth/revoke", httpkit.Handle(d.revoke, d.writeFormError))
	mux.Handle("OPTIONS /oauth/revoke", d.preflight(http.MethodPost))
	if d.Token != nil {
		mux.Handle("POST /api/token", httpkit.Handle(d.grant, d.writeTokenError))
		mux.Handle("OPTIONS /api/token", d.preflight(http.MethodPost))
	}
}

// Paths implements server.Dialect.
func (d *Dialect) Paths() []string {
	return []string{"/api/token", "/api/profile", "/api/debug-token", "/oauth/revoke"}
}

var (
	//go:embed openapi.json
	described []byte
	//go:embed openapi-refresh.json
	describedRefresh []byte
)

// OpenAPI describes the endpoints that are on.
func (d *Dialect) OpenAPI() [][]byte {
	if d.Token == nil {
		return [][]byte{described}
	}
	return [][]byte{described, describedRefresh}
}

// domain is the part of a userid after the @.
func (d *Dialect) domain() string {
	if d.Domain != "" {
		return d.Domain
	}
	u, err := url.Parse(d.Issuer)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// failure is the body of a refusal: the original's members, and those of the
// challenge.
type failure struct {
	Status      string `json:"status"`
	Reason      string `json:"reason"`
	Error       string `json:"error,omitempty"`
	Description string `json:"error_description,omitempty"`
}

func (d *Dialect) writeError(w http.ResponseWriter, _ *http.Request, err error) {
	body := failure{Status: "failure", Reason: fault.Message(err)}
	if c, ok := d.Challenge.For(err); ok {
		w.Header().Set("WWW-Authenticate", c.String())
		body.Error, body.Description = c.Error, c.Description
	}
	httpkit.SetRetryAfter(w, err)
	httpkit.NoStore(w)
	_ = httpkit.WriteJSON(w, httpkit.Status(fault.KindOf(err)), body) // strings can be encoded
}
